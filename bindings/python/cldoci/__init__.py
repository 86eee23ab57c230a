"""OCI artifacts: build, push, pull, tag and check them, on registries and in local image layouts."""

from __future__ import annotations

from typing import Dict, List

from . import errors
from ._library import C
from .client import AsyncClient, Client
from .errors import *  # noqa: F401,F403 - every exception is public
from .types import (
    Artifact,
    ComponentConfig,
    Counters,
    DatacenterConfig,
    Layer,
    Layout,
    LeftOut,
    ModuleConfig,
    Progress,
    Referrer,
    Result,
)

#: The C library's version.
__version__: str = C.cldoci_version_string().decode()


def options() -> List[Dict[str, str]]:
    """Every option: name, type, scope (client, call, both, host), default, help."""
    parts = ("name", "type", "scope", "default", "help")
    return [
        {part: getattr(C, f"cldoci_option_{part}")(index).decode() for part in parts}
        for index in range(C.cldoci_option_count())
    ]


__all__ = [
    "Artifact", "AsyncClient", "Client", "ComponentConfig", "Counters", "DatacenterConfig", "Layer", "Layout",
    "LeftOut", "ModuleConfig", "Progress", "Referrer", "Result", "errors", "options",
] + [name for name in dir(errors) if name.endswith("Error")]
