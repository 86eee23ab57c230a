"""Exceptions, one for each status of the library."""

from __future__ import annotations

import ctypes
import json
from typing import Any, List, NamedTuple, Optional, Sequence, Type

from ._library import C


class RegistryError(NamedTuple):
    """One of the errors that a registry listed in an answer; no exception itself."""

    #: Such as ``MANIFEST_UNKNOWN``; empty where it has none.
    code: str
    #: For people; empty where it has none.
    message: str
    #: What its JSON says, of any type; None where it has none.
    detail: Any


class Error(Exception):
    """A verb failed. ``str(error)`` is one line that says what failed, on what, and the cure where it is known."""

    #: The status number of this class; see docs/errors.md.
    status: int = 0

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        http_status: Optional[int] = None,
        registry_code: Optional[str] = None,
        registry_errors: Sequence[RegistryError] = (),
        errno: Optional[int] = None,
        retryable: bool = False,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status or type(self).status
        #: The HTTP status that was the reason.
        self.http_status = http_status
        #: The registry's own code, such as ``MANIFEST_UNKNOWN``.
        self.registry_code = registry_code
        #: All that the registry listed.
        self.registry_errors: List[RegistryError] = list(registry_errors)
        #: The system's error number.
        self.errno = errno
        #: Whether the same call may succeed later.
        self.retryable = retryable
        #: Seconds that the registry asked to wait.
        self.retry_after = retry_after

    @property
    def name(self) -> str:
        """The status as a word, such as ``NOT_FOUND``."""
        return C.cldoci_status_name(self.status).decode()


class ArgumentError(Error, ValueError):
    """An argument, an option or a reference is invalid."""

    status = -1


class HandleError(Error):
    """A handle was freed."""

    status = -2


class ForkedError(Error):
    """A handle from before a fork was used in the child."""

    status = -3


class ReentrantError(Error):
    """A callback made a call that would wait for that callback."""

    status = -4


class InternalError(Error):
    """A bug in the library."""

    status = -6


class PanicError(InternalError):
    """A bug in the library, caught before it could do harm."""

    status = -5


class CancelledError(Error):
    """The operation was cancelled."""

    status = -7


class TimedOutError(Error, TimeoutError):
    """A deadline passed."""

    status = -8


class UnsupportedError(Error):
    """The system or the registry can't do it."""

    status = -9


class SystemCallError(Error):
    """A system call failed; see ``errno``."""

    status = -20


class ExistsError(Error):
    """The destination is not empty (option ``existing``)."""

    status = -21


class BusyError(Error):
    """Another process holds a lock that is needed."""

    status = -22


class ChangedError(Error):
    """A source file changed while it was read."""

    status = -23


class UnsafeError(Error):
    """An entry of an archive or of a tree is refused."""

    status = -24


class LimitError(Error):
    """A limit was reached; the message names the option that raises it."""

    status = -25


class NetworkError(Error, ConnectionError):
    """A connection or a name look-up failed."""

    status = -40


class TLSError(Error):
    """TLS failed."""

    status = -41


class ProtocolError(Error):
    """A server's answer breaks the protocol."""

    status = -42


class NotFoundError(Error, LookupError):
    """It is not there."""

    status = -43


class UnauthorizedError(Error):
    """The registry demands other credentials."""

    status = -44


class DeniedError(Error, PermissionError):
    """The registry refuses these credentials this access."""

    status = -45


class CredentialsError(Error):
    """A credential helper or file is unusable."""

    status = -46


class PolicyError(Error):
    """Refused for safety."""

    status = -47


class RateLimitedError(Error):
    """The registry asks to slow down; see ``retry_after``."""

    status = -48


class DigestError(Error):
    """Content does not have its digest."""

    status = -49


class SizeError(Error):
    """Content does not have its size."""

    status = -50


def _all(base: Type[Error]) -> List[Type[Error]]:
    return [base] + [found for child in base.__subclasses__() for found in _all(child)]


_BY_STATUS = {found.status: found for found in _all(Error)}


def _listed(handle: int, index: int) -> RegistryError:
    code = C.cldoci_error_registry_error_code(handle, index, None) or b""
    message = C.cldoci_error_registry_error_message(handle, index, None) or b""
    detail = C.cldoci_error_registry_error_detail(handle, index, None)
    return RegistryError(code.decode(), message.decode(), json.loads(detail) if detail else None)


def check(status: int, error: ctypes.c_void_p) -> int:
    """Raises what a call's error object says; 0 and PENDING pass. Frees the object."""
    if status >= 0:
        return status
    handle = error.value
    if handle is None:
        raise _BY_STATUS.get(status, Error)(f"status {status}", status=status)
    text = C.cldoci_error_message(handle, None) or b""
    registry_code = C.cldoci_error_registry_code(handle, None)
    after = C.cldoci_error_retry_after_ms(handle)
    made = _BY_STATUS.get(status, Error)(
        text.decode("utf-8", "replace"),
        status=status,
        http_status=C.cldoci_error_http_status(handle) or None,
        registry_code=registry_code.decode() if registry_code else None,
        registry_errors=[_listed(handle, index) for index in range(C.cldoci_error_registry_error_count(handle))],
        errno=C.cldoci_error_errno(handle) or None,
        retryable=bool(C.cldoci_error_retryable(handle)),
        retry_after=after / 1000 if after >= 0 else None,
    )
    C.cldoci_error_free(handle)
    raise made


__all__ = sorted(["RegistryError", *(found.__name__ for found in _all(Error))])


def __dir__() -> List[str]:
    return __all__
