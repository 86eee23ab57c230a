"""OCI artifacts: build, push, pull, tag and check them, on registries and in local image layouts."""

from __future__ import annotations

import atexit
import ctypes
from typing import Dict, List, Optional

from . import errors
from ._library import C
from .client import AsyncClient, Client
from .errors import *  # noqa: F401,F403 - every exception is public
from .types import (
    Artifact,
    ComponentConfig,
    Counters,
    Credential,
    DatacenterConfig,
    Entry,
    Layer,
    Layout,
    LeftOut,
    ModuleConfig,
    NewLayer,
    Progress,
    Reference,
    Referrer,
    Result,
    parse_reference,
)

#: The C library's version.
__version__: str = C.cldoci_version_string().decode()


def options() -> List[Dict[str, str]]:
    """Every option: name, type, scope (client, call, both, host), default, values, help."""
    parts = ("name", "type", "scope", "default", "values", "help")
    return [
        {part: getattr(C, f"cldoci_option_{part}")(index).decode() for part in parts}
        for index in range(C.cldoci_option_count())
    ]


def wait_idle(timeout: Optional[float] = None) -> bool:
    """Waits until no operation goes on, also none that was cancelled, and what they made for the time being is removed;
    at most so many seconds. Whether that is so. A program does this by itself, for five seconds at most, before it ends.
    """
    failure = ctypes.c_void_p()
    status = C.cldoci_wait_idle(-1 if timeout is None else int(timeout * 1000), ctypes.byref(failure))
    return errors.check(status, failure) == 0


# After it nothing that a cancelled pull made is left beside its destination.
atexit.register(C.cldoci_wait_idle, 5000, None)


__all__ = [
    "Artifact", "AsyncClient", "Client", "ComponentConfig", "Counters", "Credential", "DatacenterConfig", "Entry",
    "Layer", "Layout", "LeftOut", "ModuleConfig", "NewLayer", "Progress", "Reference", "Referrer", "Result", "errors",
    "options", "parse_reference", "wait_idle",
] + errors.__all__


def __dir__() -> List[str]:
    return sorted([*__all__, "__doc__", "__file__", "__name__", "__path__", "__version__"])
