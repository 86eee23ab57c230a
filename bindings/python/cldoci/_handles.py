"""Handles that free themselves, and the calls that every verb shares."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set

from ._library import C, Progress
from .errors import check


class Handle:
    """Owns one handle of the library; freed with the object, or by :meth:`close`."""

    __slots__ = ("value", "_finalizer", "__weakref__")

    def __init__(self, value: int, free: str) -> None:
        self.value = value
        self._finalizer = weakref.finalize(self, getattr(C, f"cldoci_{free}"), value)
        # At exit the process goes as a whole; nothing must wait for an operation then.
        self._finalizer.atexit = False

    def close(self) -> None:
        """Frees it now; again is fine."""
        self._finalizer()


def call(function: str, *arguments: Any) -> int:
    """Calls a function whose last parameter is the place for an error object."""
    error = ctypes.c_void_p()
    return check(getattr(C, f"cldoci_{function}")(*arguments, ctypes.byref(error)), error)


def make(function: str, free: str, *arguments: Any) -> Handle:
    """Calls a function that gives a handle."""
    made = ctypes.c_void_p()
    call(function, *arguments, ctypes.byref(made))
    if made.value is None:
        raise RuntimeError(f"cldoci_{function} gave no handle")
    return Handle(made.value, free)


def text(function: str, *arguments: Any) -> Optional[str]:
    """A borrowed string of a handle; None where it has none."""
    found = getattr(C, f"cldoci_{function}")(*arguments, None)
    return None if found is None else found.decode("utf-8", "surrogateescape")


def data(function: str, handle: int) -> Optional[bytes]:
    """Borrowed bytes of a handle, copied."""
    size = ctypes.c_size_t()
    at = getattr(C, f"cldoci_{function}")(handle, ctypes.byref(size))
    if at is None:
        return None
    return ctypes.string_at(at, size.value)


def path_bytes(path: "os.PathLike[str] | os.PathLike[bytes] | str | bytes") -> bytes:
    """A path as the bytes the system knows it by."""
    return os.fsencode(path)


def options_handle(options: Mapping[str, Any], hosts: Optional[Mapping[str, Mapping[str, Any]]] = None) -> Handle:
    """Options by name. Lists and mappings are set item by item."""
    handle = make("options_new", "options_free")
    for name, value in options.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            for key, item in value.items():
                call("options_set_pair", handle.value, name.encode(), str(key).encode(), str(item).encode())
            continue
        for item in _items(value):
            call("options_set", handle.value, name.encode(), _as_text(item))
    for host, settings in (hosts or {}).items():
        for name, value in settings.items():
            if isinstance(value, Mapping):
                value = [f"{key}={item}" for key, item in value.items()]
            for item in _items(value):
                call("options_set_host", handle.value, host.encode(), name.encode(), _as_text(item))
    return handle


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    else:
        yield value


def _as_text(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, (os.PathLike, bytes)):
        return path_bytes(value)
    return str(value).encode()


def reference_handle(reference: Any) -> Handle:
    """A reference from its string, or from a layout's path, tag and digest."""
    parts = getattr(reference, "_layout_parts", None)
    if parts is not None:
        path, tag, digest = parts
        return make(
            "reference_layout", "reference_free", path_bytes(path), tag.encode() if tag else None,
            digest.encode() if digest else None,
        )
    return make("reference_parse", "reference_free", os.fsencode(str(reference)))


# The operations that go on, by handle.
_running: Set[int] = set()
os.register_at_fork(after_in_child=_running.clear)

# How long what a cancelled operation left to be removed is waited for, in steps.
_TIDY_STEPS, _TIDY_STEP_MS = 50, 100


def tidy() -> None:
    """Waits for what a cancelled operation has left to be removed, five seconds at most, and not while other operations
    go on: the library would wait for them, too."""
    for _ in range(_TIDY_STEPS):
        if _running or C.cldoci_wait_idle(_TIDY_STEP_MS, None) <= 0:
            return


class Operation:
    """One running verb."""

    __slots__ = ("_handle", "_keep", "__weakref__")

    def __init__(self, verb: str, client: Handle, arguments: List[Any], options: Mapping[str, Any], keep: List[Handle]) -> None:
        settings = options_handle(options)
        self._handle = make(f"{verb}_start", "operation_free", client.value, *arguments, settings.value)
        settings.close()
        _running.add(self._handle.value)
        # What the call was given stays alive until it has ended.
        self._keep = keep + [client]

    def wait(self, milliseconds: int) -> bool:
        """Whether it is done, after waiting at most that long."""
        return call("operation_wait", self._handle.value, milliseconds) == 0

    def progress(self) -> Progress:
        """How far it is."""
        progress = Progress(struct_size=ctypes.sizeof(Progress))
        call("operation_progress", self._handle.value, ctypes.byref(progress))
        return progress

    def ended(self, milliseconds: int = 0) -> bool:
        """Whether it has ended, with a result or an error, after waiting at most that long."""
        return C.cldoci_operation_wait(self._handle.value, milliseconds, None) <= 0

    def cancel(self) -> None:
        """Asks it to end."""
        call("operation_cancel", self._handle.value)

    def descriptor(self) -> int:
        """A descriptor of the caller's own that is readable once the operation is done."""
        descriptor = ctypes.c_int32()
        call("operation_open_descriptor", self._handle.value, ctypes.byref(descriptor))
        return descriptor.value

    def result(self) -> Handle:
        """What it gave."""
        return make("operation_result", "result_free", self._handle.value)

    def close(self) -> None:
        """Frees it; what still runs is cancelled."""
        _running.discard(self._handle.value)
        self._handle.close()


def table(count: str, columns: Dict[str, str], handle: int) -> List[Dict[str, Optional[str]]]:
    """Rows of texts that a handle has by index."""
    return [
        {name: text(function, handle, index) for name, function in columns.items()}
        for index in range(getattr(C, f"cldoci_{count}")(handle))
    ]
