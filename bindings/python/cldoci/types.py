"""What goes in and what comes out."""

from __future__ import annotations

import ctypes
import json
import os
from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Optional, Tuple

from . import _library
from ._handles import Handle, call, data, make, table, text
from ._library import C


@dataclass(frozen=True)
class Layout:
    """A local image layout by its parts, for paths that ``ocidir://PATH:TAG`` cannot say."""

    path: Any
    tag: Optional[str] = None
    digest: Optional[str] = None

    @property
    def _layout_parts(self) -> Tuple[Any, Optional[str], Optional[str]]:
        return self.path, self.tag, self.digest


@dataclass(frozen=True)
class Reference:
    """A reference by its parts; of a layout there is the path and no registry."""

    registry: Optional[str]
    repository: Optional[str]
    path: Optional[str]
    tag: Optional[str]
    digest: Optional[str]
    _text: str = field(repr=False)

    def __str__(self) -> str:
        return self._text


def parse_reference(reference: str) -> Reference:
    """Reads a reference as every verb does: ``nginx`` is ``docker.io/library/nginx:latest``."""
    handle = make("reference_parse", "reference_free", reference.encode())
    parts = {name: text(f"reference_{name}", handle.value) for name in ("registry", "repository", "path", "tag", "digest")}
    return Reference(**parts, _text=text("reference_string", handle.value) or "")


@dataclass(frozen=True)
class Credential:
    """What a registry is shown: a user name with a password or access token, an OAuth2 refresh token
    (``identity_token``), or a bearer token that is sent as it is (``registry_token``)."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class NewLayer:
    """A layer for :meth:`Client.make_artifact`: bytes, a file's path, or a layer of an artifact as
    ``(artifact, index)``. A file is read again when the artifact is pushed, and must not change until then."""

    content: "bytes | os.PathLike[str] | str | Tuple[Artifact, int]"
    media_type: Optional[str] = None
    annotations: Dict[str, str] = field(default_factory=dict)


class _Config:
    """A config whose JSON has the fields' names in camel case; empty optional ones are left out."""

    _always: Tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """The config's bytes."""
        values = {}
        for part in fields(self):  # type: ignore[arg-type]
            value = getattr(self, part.name)
            if value or part.name in self._always:
                head, *rest = part.name.split("_")
                values[head + "".join(word.title() for word in rest)] = value
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class ComponentConfig(_Config):
    """The config of a component; an empty ``source_hash`` becomes the layer's digest."""

    schema_version: str = ""
    name: str = ""
    description: str = ""
    readme: str = ""
    child_artifacts: Dict[str, str] = field(default_factory=dict)
    source_hash: str = ""
    build_time: str = ""
    _always = ("schema_version",)


@dataclass
class DatacenterConfig(_Config):
    """The config of a datacenter; an empty ``source_hash`` becomes the layer's digest."""

    schema_version: str = ""
    name: str = ""
    module_artifacts: Dict[str, str] = field(default_factory=dict)
    extends_image: str = ""
    source_hash: str = ""
    build_time: str = ""
    _always = ("schema_version", "name")


@dataclass
class ModuleConfig(_Config):
    """The config of a module; an empty ``source_hash`` becomes the layer's digest."""

    plugin: str = ""
    name: str = ""
    inputs: Dict[str, str] = field(default_factory=dict)
    outputs: Dict[str, str] = field(default_factory=dict)
    source_hash: str = ""
    build_time: str = ""
    _always = ("plugin", "name")


@dataclass(frozen=True)
class Progress:
    """How far a verb is. No number ever goes back; a total of 0 is not known yet."""

    phase: str
    bytes_done: int
    bytes_total: int
    entries_done: int
    entries_total: int


PHASES = ("waiting", "resolving", "packing", "uploading", "downloading", "publishing", "done")


def progress_of(raw: _library.Progress) -> Progress:
    """The C struct as a value."""
    phase = PHASES[raw.phase] if 0 <= raw.phase < len(PHASES) else str(raw.phase)
    return Progress(phase, raw.bytes_done, raw.bytes_total, raw.entries_done, raw.entries_total)


@dataclass(frozen=True)
class Counters:
    """What a verb cost."""

    requests: int
    bytes_sent: int
    bytes_received: int
    blobs_skipped: int
    blobs_mounted: int
    blobs_uploaded: int
    retries: int
    elapsed_ms: int


@dataclass(frozen=True)
class Layer:
    """One layer of an artifact."""

    media_type: str
    digest: str
    size: int
    annotations: Dict[str, str]


@dataclass(frozen=True)
class Referrer:
    """A manifest that refers to another."""

    digest: str
    media_type: str
    artifact_type: Optional[str]
    size: int
    annotations: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A manifest that an index lists."""

    digest: str
    media_type: str
    artifact_type: Optional[str]
    size: int
    #: ``os/architecture[/variant]``, as the option ``platform`` takes it.
    platform: Optional[str]


@dataclass(frozen=True)
class LeftOut:
    """A path that a build left out, and the rule that did it."""

    path: str
    reason: str


def _pairs(prefix: str, *arguments: Any) -> Dict[str, str]:
    count = getattr(C, f"cldoci_{prefix}_count")(*arguments)
    keys = (text(f"{prefix}_key", *arguments, index) for index in range(count))
    values = (text(f"{prefix}_value", *arguments, index) for index in range(count))
    return {key or "": value or "" for key, value in zip(keys, values)}


class Artifact:
    """An immutable artifact."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        at = handle.value
        #: ``component``, ``datacenter``, ``module``, else the artifact type.
        self.type: str = text("artifact_type", at) or ""
        #: Where it was read from or pushed to.
        self.reference: Optional[str] = text("artifact_reference", at)
        #: The manifest's digest.
        self.digest: str = text("artifact_digest", at) or ""
        #: The manifest's media type.
        self.media_type: str = text("artifact_media_type", at) or ""
        #: The config's bytes; None where a pull was told not to fetch them.
        self.config: Optional[bytes] = data("artifact_config", at)
        self.annotations: Dict[str, str] = _pairs("artifact_annotation", at)
        self.layers: List[Layer] = [
            Layer(
                text("artifact_layer_media_type", at, index) or "",
                text("artifact_layer_digest", at, index) or "",
                C.cldoci_artifact_layer_size(at, index),
                _pairs("artifact_layer_annotation", at, index),
            )
            for index in range(C.cldoci_artifact_layer_count(at))
        ]

    @property
    def manifest(self) -> bytes:
        """The manifest's bytes."""
        return data("artifact_manifest", self._handle.value) or b""

    def __repr__(self) -> str:
        return f"<cldoci.Artifact {self.type} {self.digest}>"


class Result:
    """What a verb gave; every verb fills what it has."""

    def __init__(self, handle: Handle) -> None:
        at = handle.value
        self.digest: Optional[str] = text("result_digest", at)
        self.media_type: Optional[str] = text("result_media_type", at)
        self.size: int = C.cldoci_result_size(at)
        self.exists: bool = C.cldoci_result_exists(at) > 0
        #: A pull found the destination as it must be and touched nothing.
        self.unchanged: bool = C.cldoci_result_unchanged(at) > 0
        self.bytes: Optional[bytes] = data("result_bytes", at)
        self.tags: List[str] = [
            text("result_tag", at, index) or "" for index in range(C.cldoci_result_tag_count(at))
        ]
        self.warnings: List[str] = [
            text("result_warning", at, index) or "" for index in range(C.cldoci_result_warning_count(at))
        ]
        columns = {"path": "result_left_out_path", "reason": "result_left_out_reason"}
        self.left_out: List[LeftOut] = [
            LeftOut(row["path"] or "", row["reason"] or "") for row in table("result_left_out_count", columns, at)
        ]
        #: How many paths were left out; the list is bounded.
        self.left_out_total: int = C.cldoci_result_left_out_total(at)
        self.referrers: List[Referrer] = [
            Referrer(
                text("result_referrer_digest", at, index) or "",
                text("result_referrer_media_type", at, index) or "",
                text("result_referrer_artifact_type", at, index),
                C.cldoci_result_referrer_size(at, index),
                _pairs("result_referrer_annotation", at, index),
            )
            for index in range(C.cldoci_result_referrer_count(at))
        ]
        #: What the index of read_manifest lists; empty for what is no index.
        self.entries: List[Entry] = [
            Entry(
                text("result_entry_digest", at, index) or "",
                text("result_entry_media_type", at, index) or "",
                text("result_entry_artifact_type", at, index),
                C.cldoci_result_entry_size(at, index),
                text("result_entry_platform", at, index),
            )
            for index in range(C.cldoci_result_entry_count(at))
        ]
        #: Where the credential that was used came from.
        self.credential_source: Optional[str] = text("result_credential_source", at)
        raw = _library.Counters(struct_size=ctypes.sizeof(_library.Counters))
        call("result_counters", at, ctypes.byref(raw))
        self.counters = Counters(**{part.name: getattr(raw, part.name) for part in fields(Counters)})
        self._artifact = _artifact_of(handle)
        handle.close()

    @property
    def artifact(self) -> Artifact:
        """The artifact of build, push, pull and inspect."""
        if self._artifact is None:
            raise AttributeError("this verb gives no artifact")
        return self._artifact

    def __repr__(self) -> str:
        return f"<cldoci.Result {self.digest or ''}>"


def _artifact_of(handle: Handle) -> Optional[Artifact]:
    made = ctypes.c_void_p()
    error = ctypes.c_void_p()
    status = C.cldoci_result_artifact(handle.value, ctypes.byref(made), ctypes.byref(error))
    if error.value is not None:
        C.cldoci_error_free(error.value)
    if status != 0 or made.value is None:
        return None
    return Artifact(Handle(made.value, "artifact_free"))


__all__ = [
    "Artifact", "ComponentConfig", "Counters", "Credential", "DatacenterConfig", "Entry", "Layer", "Layout", "LeftOut",
    "ModuleConfig", "NewLayer", "Progress", "Reference", "Referrer", "Result", "parse_reference",
]
