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
    Credential,
    DatacenterConfig,
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


__all__ = [
    "Artifact", "AsyncClient", "Client", "ComponentConfig", "Counters", "Credential", "DatacenterConfig", "Layer",
    "Layout", "LeftOut", "ModuleConfig", "NewLayer", "Progress", "Reference", "Referrer", "Result", "errors",
    "options", "parse_reference",
] + [name for name in dir(errors) if name.endswith("Error")]
