"""The clients: blocking and asyncio, one body for both."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import Any, Awaitable, BinaryIO, Callable, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from ._callbacks import Asker, CredentialCallback, alive, set_credential_callback, set_logger
from ._handles import Handle, Operation, call, make, options_handle, path_bytes, reference_handle, tidy
from .errors import CancelledError, CredentialsError
from .types import Artifact, Layout, NewLayer, Progress, Referrer, Result, _Config, progress_of
from .types import Reference as ParsedReference

Reference = Union[str, Layout, ParsedReference]
Config = Union[_Config, Mapping[str, Any], bytes, str, None]
ProgressCallback = Callable[[Progress], None]

# Long enough to cost nothing, short enough that Ctrl-C and progress feel immediate.
_STEP_MS = 100


class _Base:
    """Settings of a client, and how each verb's arguments become the C call's."""

    def __init__(
        self,
        *,
        hosts: Optional[Mapping[str, Mapping[str, Any]]] = None,
        credential_callback: Optional[CredentialCallback] = None,
        logger: Optional[logging.Logger] = None,
        **options: Any,
    ) -> None:
        """Options of a client by name (``store=…``, ``retries=…``; ``cldoci.options()`` lists them); ``hosts``
        has those of one host: ``{"ghcr.io": {"username": "u", "password": "p"}}``.

        ``credential_callback(registry, repository)`` is asked once a registry has demanded a credential, after
        ``hosts`` and before docker's and podman's files and helpers. It gives a :class:`Credential`, or None so
        that the next of them is asked; what it raises is the cause of the verb's :class:`CredentialsError`. It is
        called on another thread, possibly on several at once. One with a parameter ``action`` is told what the
        credential is for (``identify``, ``pull``, ``push`` or ``delete``), and is asked once for each. ``logger`` is told what goes on; no line holds a
        secret."""
        self._options: Dict[str, Any] = options
        self._hosts = dict(hosts or {})
        self._asker = Asker(credential_callback) if credential_callback is not None else None
        self._logger = logger
        self._pid = os.getpid()
        self._client = self._new()
        if self._asker is not None or logger is not None:
            alive.add(self)

    def _new(self) -> Handle:
        options = options_handle(self._options, self._hosts)
        if self._asker is not None:
            set_credential_callback(options, self._asker)
        if self._logger is not None:
            set_logger(options, self._logger)
        return make("client_new", "client_free", options.value)

    def _handle(self) -> Handle:
        # A handle does not survive a fork; the settings do.
        if self._pid != os.getpid():
            self._pid, self._client = os.getpid(), self._new()
        return self._client

    def close(self) -> None:
        """Frees the client; running verbs go on."""
        self._client.close()

    def _start(self, verb: str, arguments: List[Any], options: Mapping[str, Any]) -> Operation:
        keep: List[Handle] = []
        raw: List[Any] = []
        for argument in arguments:
            if isinstance(argument, Artifact):
                keep.append(argument._handle)
                raw.append(argument._handle.value)
            elif isinstance(argument, Handle):
                keep.append(argument)
                raw.append(argument.value)
            else:
                raw.append(argument)
        operation = Operation(verb, self._handle(), raw, options, keep)
        if self._asker is not None or self._logger is not None:
            alive.add(operation)
        return operation

    def _explain(self, error: BaseException) -> None:
        if self._asker is not None and isinstance(error, CredentialsError):
            self._asker.explain(error)

    def make_artifact(
        self,
        kind: str,
        *,
        config: Config = None,
        config_media_type: Optional[str] = None,
        layers: "Iterable[NewLayer | bytes | os.PathLike[str]]" = (),
        annotations: Optional[Mapping[str, str]] = None,
    ) -> Artifact:
        """Puts an artifact together by hand, without a directory. ``kind`` is as of :meth:`Client.build`;
        ``config_media_type`` is for a kind of your own. Nothing is sent."""
        builder = make("artifact_builder_new", "artifact_builder_free", self._handle().value, kind.encode())
        data = _config_bytes(config)
        if data:
            media_type = config_media_type.encode() if config_media_type else None
            call("artifact_builder_set_config", builder.value, media_type, data, len(data))
        for index, layer in enumerate(layers):
            if not isinstance(layer, NewLayer):
                layer = NewLayer(layer)
            content, media_type = layer.content, layer.media_type.encode() if layer.media_type else None
            if isinstance(content, tuple):
                artifact, at = content
                call("artifact_builder_add_layer", builder.value, media_type, artifact._handle.value, at)
            elif isinstance(content, (bytes, bytearray, memoryview)):
                call("artifact_builder_add_bytes", builder.value, media_type, bytes(content), len(content))
            else:
                call("artifact_builder_add_file", builder.value, media_type, path_bytes(content))
            for key, value in layer.annotations.items():
                call("artifact_builder_set_layer_annotation", builder.value, index, key.encode(), value.encode())
        for key, value in (annotations or {}).items():
            call("artifact_builder_set_annotation", builder.value, key.encode(), value.encode())
        return Artifact(make("artifact_builder_finish", "artifact_free", builder.value))

    def _build(self, directory: Any, kind: str, config: Config, options: Dict[str, Any]) -> Tuple[str, List[Any], Dict[str, Any]]:
        if isinstance(config, _Config):
            options.setdefault("fill_source_hash", True)
        data = _config_bytes(config)
        options = {{"annotations": "annotation", "layer_annotations": "layer_annotation"}.get(k, k): v for k, v in options.items()}
        return "build", [path_bytes(directory), kind.encode(), data, len(data)], options


def _config_bytes(config: Config) -> bytes:
    if isinstance(config, _Config):
        return config.to_json()
    if isinstance(config, Mapping):
        return json.dumps(config, ensure_ascii=False, separators=(",", ":")).encode()
    if isinstance(config, str):
        return config.encode()
    return config or b""


class Client(_Base):
    """A blocking client. Every verb takes the options of a call as keywords, and ``cancel``, a
    :class:`threading.Event` that ends it with :class:`CancelledError` once it is set; the long ones take
    ``progress``, called with a :class:`Progress` about ten times a second, on the calling thread.

    Ctrl-C interrupts a verb, and so does what ``progress`` raises. A verb that raises for one of these has ended
    and has removed what it made, except where that takes more than five seconds or another operation goes on."""

    def _run(self, verb: str, arguments: List[Any], options: Mapping[str, Any], progress: Optional[ProgressCallback]) -> Result:
        options = dict(options)
        cancel = options.pop("cancel", None)
        operation = self._start(verb, arguments, options)
        try:
            while not operation.wait(_STEP_MS):
                if cancel is not None and cancel.is_set():
                    raise CancelledError("cancelled")
                if progress is not None:
                    progress(progress_of(operation.progress()))
            if progress is not None:
                progress(progress_of(operation.progress()))
            return Result(operation.result())
        except BaseException as error:
            if not operation.ended():
                operation.cancel()
                while not operation.ended(_STEP_MS):
                    pass
                operation.close()
                tidy()
            self._explain(error)
            raise
        finally:
            operation.close()

    def build(self, directory: Any, kind: str, config: Config = None, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Artifact:
        """Builds a directory into an artifact. ``kind`` is ``component``, ``datacenter``, ``module`` or an
        artifact type; ``annotations`` and ``layer_annotations`` are mappings."""
        return self.build_result(directory, kind, config, progress=progress, **options).artifact

    def build_result(self, directory: Any, kind: str, config: Config = None, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """The same with what was left out, warnings and counters."""
        verb, arguments, options = self._build(directory, kind, config, options)
        return self._run(verb, arguments, options, progress)

    def build_and_push(self, directory: Any, kind: str, config: Config, reference: Reference, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """Builds and pushes, in one pass where the registry allows it: the layer is sent while it is packed,
        without being asked for before."""
        _, arguments, options = self._build(directory, kind, config, options)
        return self._run("build_and_push", arguments + [reference_handle(reference)], options, progress)

    def push(self, artifact: Artifact, reference: Reference, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """Pushes an artifact to a registry or a layout."""
        return self._run("push", [artifact, reference_handle(reference)], options, progress)

    def pull(self, reference: Reference, destination: Any, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """Pulls an artifact into a directory, all or nothing."""
        return self._run("pull", [reference_handle(reference), path_bytes(destination)], options, progress)

    def pull_config(self, reference: Reference, **options: Any) -> bytes:
        """The config's bytes as they were pushed."""
        return self._run("pull_config", [reference_handle(reference)], options, None).bytes or b""

    def exists(self, reference: Reference, **options: Any) -> bool:
        """Whether it is there; raises where that can't be told."""
        return self._run("exists", [reference_handle(reference)], options, None).exists

    def resolve(self, reference: Reference, **options: Any) -> Result:
        """Digest, media type and size of the manifest, without a download."""
        return self._run("resolve", [reference_handle(reference)], options, None)

    def tag(self, source: Reference, target: Reference, **options: Any) -> Result:
        """Gives what is at ``source`` the name ``target`` too."""
        return self._run("tag", [reference_handle(source), reference_handle(target)], options, None)

    def copy(self, source: Reference, target: Reference, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """Copies an artifact or an index; ``recursive=True`` takes referrers along."""
        return self._run("copy", [reference_handle(source), reference_handle(target)], options, progress)

    def list_tags(self, reference: Reference, **options: Any) -> List[str]:
        """The tags of a repository or a layout."""
        return self._run("list_tags", [reference_handle(reference)], options, None).tags

    def inspect(self, reference: Reference, **options: Any) -> Artifact:
        """The artifact without its layers' bytes."""
        return self._run("inspect", [reference_handle(reference)], options, None).artifact

    def read_manifest(self, reference: Reference, **options: Any) -> Result:
        """What lies there as it lies there: ``bytes`` has the manifest, ``entries`` what an index lists; no platform
        is chosen."""
        return self._run("read_manifest", [reference_handle(reference)], options, None)

    def delete(self, reference: Reference, **options: Any) -> None:
        """Deletes a tag, or by digest a manifest."""
        self._run("delete", [reference_handle(reference)], options, None)

    def collect_garbage(self, reference: Reference, **options: Any) -> int:
        """Removes what nothing refers to from a layout; the bytes that were freed."""
        return self._run("collect_garbage", [reference_handle(reference)], options, None).size

    def login(self, registry: str, username: str, password: str, **options: Any) -> Result:
        """Verifies a credential against a registry and keeps it as docker does."""
        return self._run("login", [registry.encode(), username.encode(), password.encode()], options, None)

    def logout(self, registry: str, **options: Any) -> bool:
        """Removes a registry's credential; whether there was one."""
        return self._run("logout", [registry.encode()], options, None).exists

    def attach(self, artifact: Artifact, subject: Reference, **options: Any) -> Result:
        """Pushes an artifact that refers to what is at ``subject``."""
        return self._run("attach", [artifact, reference_handle(subject)], options, None)

    def referrers(self, reference: Reference, **options: Any) -> List[Referrer]:
        """What refers to the artifact."""
        return self._run("referrers", [reference_handle(reference)], options, None).referrers

    def read_layer(self, artifact: Artifact, index: int = 0, **options: Any) -> bytes:
        """One layer's bytes, verified."""
        return self._run("read_layer", [artifact, index], options, None).bytes or b""

    def save_layer(self, artifact: Artifact, index: int, file: BinaryIO, **options: Any) -> Result:
        """Writes one layer's bytes into an open binary file."""
        file.flush()
        return self._run("save_layer", [artifact, index, file.fileno()], options, None)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class AsyncClient(_Base):
    """The same verbs as coroutines. Cancelling the task cancels the verb, which has ended and removed what it made,
    as :class:`Client` says, when the task raises :class:`asyncio.CancelledError`."""

    async def _run(self, verb: str, arguments: List[Any], options: Mapping[str, Any], progress: Optional[ProgressCallback]) -> Result:
        operation = self._start(verb, arguments, options)
        loop = asyncio.get_running_loop()
        ticker = loop.create_task(_report(operation, progress)) if progress is not None else None
        try:
            await _done(loop, operation)
            if progress is not None:
                progress(progress_of(operation.progress()))
            operation.wait(0)
            return Result(operation.result())
        except BaseException as error:
            if not operation.ended():
                operation.cancel()
                # A coroutine that is closed, or whose loop stops, can't wait.
                if isinstance(error, (Exception, asyncio.CancelledError)):
                    await _done(loop, operation)
                    operation.close()
                    await loop.run_in_executor(None, tidy)
            self._explain(error)
            raise
        finally:
            if ticker is not None:
                ticker.cancel()
            operation.close()

    async def build(self, directory: Any, kind: str, config: Config = None, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Artifact:
        """See :meth:`Client.build`."""
        verb, arguments, options = self._build(directory, kind, config, options)
        return (await self._run(verb, arguments, options, progress)).artifact

    async def build_result(self, directory: Any, kind: str, config: Config = None, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """See :meth:`Client.build_result`."""
        verb, arguments, options = self._build(directory, kind, config, options)
        return await self._run(verb, arguments, options, progress)

    async def build_and_push(self, directory: Any, kind: str, config: Config, reference: Reference, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """See :meth:`Client.build_and_push`."""
        _, arguments, options = self._build(directory, kind, config, options)
        return await self._run("build_and_push", arguments + [reference_handle(reference)], options, progress)

    async def push(self, artifact: Artifact, reference: Reference, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """See :meth:`Client.push`."""
        return await self._run("push", [artifact, reference_handle(reference)], options, progress)

    async def pull(self, reference: Reference, destination: Any, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """See :meth:`Client.pull`."""
        return await self._run("pull", [reference_handle(reference), path_bytes(destination)], options, progress)

    async def pull_config(self, reference: Reference, **options: Any) -> bytes:
        """See :meth:`Client.pull_config`."""
        return (await self._run("pull_config", [reference_handle(reference)], options, None)).bytes or b""

    async def exists(self, reference: Reference, **options: Any) -> bool:
        """See :meth:`Client.exists`."""
        return (await self._run("exists", [reference_handle(reference)], options, None)).exists

    async def resolve(self, reference: Reference, **options: Any) -> Result:
        """See :meth:`Client.resolve`."""
        return await self._run("resolve", [reference_handle(reference)], options, None)

    async def tag(self, source: Reference, target: Reference, **options: Any) -> Result:
        """See :meth:`Client.tag`."""
        return await self._run("tag", [reference_handle(source), reference_handle(target)], options, None)

    async def copy(self, source: Reference, target: Reference, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Result:
        """See :meth:`Client.copy`."""
        return await self._run("copy", [reference_handle(source), reference_handle(target)], options, progress)

    async def list_tags(self, reference: Reference, **options: Any) -> List[str]:
        """See :meth:`Client.list_tags`."""
        return (await self._run("list_tags", [reference_handle(reference)], options, None)).tags

    async def inspect(self, reference: Reference, **options: Any) -> Artifact:
        """See :meth:`Client.inspect`."""
        return (await self._run("inspect", [reference_handle(reference)], options, None)).artifact

    async def read_manifest(self, reference: Reference, **options: Any) -> Result:
        """See :meth:`Client.read_manifest`."""
        return await self._run("read_manifest", [reference_handle(reference)], options, None)

    async def delete(self, reference: Reference, **options: Any) -> None:
        """See :meth:`Client.delete`."""
        await self._run("delete", [reference_handle(reference)], options, None)

    async def collect_garbage(self, reference: Reference, **options: Any) -> int:
        """See :meth:`Client.collect_garbage`."""
        return (await self._run("collect_garbage", [reference_handle(reference)], options, None)).size

    async def login(self, registry: str, username: str, password: str, **options: Any) -> Result:
        """See :meth:`Client.login`."""
        return await self._run("login", [registry.encode(), username.encode(), password.encode()], options, None)

    async def logout(self, registry: str, **options: Any) -> bool:
        """See :meth:`Client.logout`."""
        return (await self._run("logout", [registry.encode()], options, None)).exists

    async def attach(self, artifact: Artifact, subject: Reference, **options: Any) -> Result:
        """See :meth:`Client.attach`."""
        return await self._run("attach", [artifact, reference_handle(subject)], options, None)

    async def referrers(self, reference: Reference, **options: Any) -> List[Referrer]:
        """See :meth:`Client.referrers`."""
        return (await self._run("referrers", [reference_handle(reference)], options, None)).referrers

    async def read_layer(self, artifact: Artifact, index: int = 0, **options: Any) -> bytes:
        """See :meth:`Client.read_layer`."""
        return (await self._run("read_layer", [artifact, index], options, None)).bytes or b""

    async def save_layer(self, artifact: Artifact, index: int, file: BinaryIO, **options: Any) -> Result:
        """See :meth:`Client.save_layer`."""
        file.flush()
        return await self._run("save_layer", [artifact, index, file.fileno()], options, None)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()


def _done(loop: asyncio.AbstractEventLoop, operation: Operation) -> Awaitable[None]:
    """Waits on the operation's own descriptor, so that no thread is used up."""
    descriptor = operation.descriptor()
    future = loop.create_future()

    def ready() -> None:
        loop.remove_reader(descriptor)
        if not future.done():
            future.set_result(None)

    def ended(_: Any) -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)

    future.add_done_callback(ended)
    loop.add_reader(descriptor, ready)
    return future


async def _report(operation: Operation, progress: ProgressCallback) -> None:
    while True:
        await asyncio.sleep(_STEP_MS / 1000)
        progress(progress_of(operation.progress()))


__all__ = ["AsyncClient", "Client"]
