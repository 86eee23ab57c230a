"""Functions of the caller's that the library calls, on threads of its own."""

from __future__ import annotations

import atexit
import ctypes
import functools
import inspect
import itertools
import logging
import os
import threading
import weakref
from typing import Any, Callable, Dict, Optional

from ._handles import Handle, call
from ._library import C
from .errors import CredentialsError
from .types import Credential

# Of the registry and the repository; one with a parameter `action` is given that too, by its name.
CredentialCallback = Callable[..., Optional[Credential]]

_CREDENTIAL = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
_FINISHED = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

# CLDOCI_LOG_ERROR to CLDOCI_LOG_DEBUG.
_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}

# CLDOCI_ACTION_IDENTIFY to CLDOCI_ACTION_DELETE.
_ACTIONS = ("identify", "pull", "push", "delete")

# What the library was lent, by the number that it passes back; it says when it needs one no more.
_lent: Dict[int, Any] = {}
_numbers = itertools.count(1)
_changed = threading.Condition()


class Asker:
    """A credential callback, and what it raised last."""

    def __init__(self, ask: CredentialCallback) -> None:
        self.ask = ask
        self.raised: Optional[BaseException] = None
        try:
            self.by_action = "action" in inspect.signature(ask).parameters
        except (TypeError, ValueError):  # some functions in C have no signature
            self.by_action = False

    def explain(self, error: CredentialsError) -> None:
        """Makes what the callback raised the error's cause, where the error tells of it."""
        if self.raised is not None and str(self.raised) in str(error):
            error.__cause__ = self.raised


def _on_credential(registry: bytes, repository: bytes, credential: int, number: int) -> int:
    asker: Asker = _lent[number]
    try:
        more = {}
        if asker.by_action:
            number = C.cldoci_credential_action(credential)
            more["action"] = _ACTIONS[number] if 0 <= number < len(_ACTIONS) else str(number)
        found = asker.ask(registry.decode(), repository.decode(), **more)
        if found is None:
            return 0
        if found.registry_token:
            call("credential_set_registry_token", credential, found.registry_token.encode())
        elif found.identity_token:
            call("credential_set_identity_token", credential, found.username.encode(), found.identity_token.encode())
        else:
            call("credential_set_basic", credential, found.username.encode(), found.password.encode())
        return 1
    except BaseException as raised:  # noqa: B036 - nothing may unwind into the library
        asker.raised = raised
        C.cldoci_credential_set_failure(credential, (str(raised) or repr(raised)).encode("utf-8", "replace"), None)
        return -1


def _on_log(level: int, line: bytes, number: int) -> None:
    try:
        _lent[number].log(_LEVELS.get(level, logging.DEBUG), "%s", line.decode("utf-8", "replace"))
    except BaseException:  # noqa: B036 - nothing may unwind into the library
        pass


def _on_finished(number: int) -> None:
    with _changed:
        _lent.pop(number, None)
        _changed.notify_all()


# The pointers to them, which live as long as the module.
_CREDENTIAL_POINTER = _CREDENTIAL(_on_credential)
_LOG_POINTER = _LOG(_on_log)
_FINISHED_POINTER = _FINISHED(_on_finished)


def _lend(function: str, options: Handle, value: Any, callback: Any, *before: Any) -> None:
    _at_exit()
    number = next(_numbers)
    _lent[number] = value
    pointers = (ctypes.cast(callback, ctypes.c_void_p), number, ctypes.cast(_FINISHED_POINTER, ctypes.c_void_p))
    # The library calls _on_finished, also when this fails.
    call(function, options.value, *before, *pointers)


def set_credential_callback(options: Handle, asker: Asker) -> None:
    """Has a client ask a function."""
    _lend("options_set_credential_callback", options, asker, _CREDENTIAL_POINTER)


def set_logger(options: Handle, logger: logging.Logger) -> None:
    """Has a logger told what goes on, as far as it wants to know."""
    level = max((number for number, of in _LEVELS.items() if logger.isEnabledFor(of)), default=1)
    _lend("options_set_log_callback", options, logger, _LOG_POINTER, level)


#: What is closed when Python ends: a callback must not come into an interpreter that is going.
alive: "weakref.WeakSet[Any]" = weakref.WeakSet()


def _after_fork() -> None:
    # What was lent is the parent's; its threads are not here to hold or free anything.
    global _changed
    _changed = threading.Condition()
    _lent.clear()
    alive.clear()


os.register_at_fork(after_in_child=_after_fork)


@functools.lru_cache(maxsize=None)
def _at_exit() -> None:
    # Registered once there is a handle, so that it runs before the finalizers of handles are switched off.
    atexit.register(_end)


def _end() -> None:
    for one in list(alive):
        one.close()
    with _changed:
        _changed.wait_for(lambda: not _lent, timeout=10)
