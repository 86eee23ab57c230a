"""The clients: blocking and asyncio, one body for both."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any, Awaitable, Callable, Dict, List, Mapping, Optional, Tuple, Union

from ._handles import Handle, Operation, make, options_handle, path_bytes, reference_handle

from .types import Artifact, Layout, Progress, Result, _Config, progress_of

Reference = Union[str, Layout]
Config = Union[_Config, Mapping[str, Any], bytes, str, None]
ProgressCallback = Callable[[Progress], None]

# Long enough to cost nothing, short enough that Ctrl-C and progress feel immediate.
_STEP_MS = 100


class _Base:
    """Settings of a client, and how each verb's arguments become the C call's."""

    def __init__(self, *, hosts: Optional[Mapping[str, Mapping[str, Any]]] = None, **options: Any) -> None:
        """Options of a client by name (``store=…``, ``retries=…``; ``cldoci.options()`` lists them); ``hosts``
        has those of one host: ``{"ghcr.io": {"username": "u", "password": "p"}}``."""
        self._options: Dict[str, Any] = options
        self._hosts = dict(hosts or {})
        self._pid = os.getpid()
        self._client = self._new()

    def _new(self) -> Handle:
        options = options_handle(self._options, self._hosts)
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
        return Operation(verb, self._handle(), raw, options, keep)

    def _build(self, directory: Any, kind: str, config: Config, options: Dict[str, Any]) -> Tuple[str, List[Any], Dict[str, Any]]:
        if isinstance(config, _Config):
            options.setdefault("fill_source_hash", True)
            config = config.to_json()
        elif isinstance(config, Mapping):
            config = json.dumps(config, ensure_ascii=False, separators=(",", ":")).encode()
        elif isinstance(config, str):
            config = config.encode()
        config = config or b""
        options = {{"annotations": "annotation", "layer_annotations": "layer_annotation"}.get(k, k): v for k, v in options.items()}
        return "build", [path_bytes(directory), kind.encode(), config, len(config)], options


class Client(_Base):
    """A blocking client. Every verb takes the options of a call as keywords, ``progress`` (called with a
    :class:`Progress` about ten times a second, on the calling thread), and can be interrupted by Ctrl-C."""

    def _run(self, verb: str, arguments: List[Any], options: Mapping[str, Any], progress: Optional[ProgressCallback]) -> Result:
        operation = self._start(verb, arguments, options)
        try:
            while not operation.wait(_STEP_MS):
                if progress is not None:
                    progress(progress_of(operation.progress()))
            if progress is not None:
                progress(progress_of(operation.progress()))
            return Result(operation.result())
        except BaseException:
            operation.cancel()
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

    def referrers(self, reference: Reference, **options: Any) -> List[Any]:
        """What refers to the artifact."""
        return self._run("referrers", [reference_handle(reference)], options, None).referrers

    def read_layer(self, artifact: Artifact, index: int = 0, **options: Any) -> bytes:
        """One layer's bytes, verified."""
        return self._run("read_layer", [artifact, index], options, None).bytes or b""

    def save_layer(self, artifact: Artifact, index: int, file: Any, **options: Any) -> Result:
        """Writes one layer's bytes into an open binary file."""
        file.flush()
        return self._run("save_layer", [artifact, index, file.fileno()], options, None)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class AsyncClient(_Base):
    """The same verbs as coroutines. Cancelling the task cancels the verb."""

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
        except BaseException:
            operation.cancel()
            raise
        finally:
            if ticker is not None:
                ticker.cancel()
            operation.close()

    async def build(self, directory: Any, kind: str, config: Config = None, *, progress: Optional[ProgressCallback] = None, **options: Any) -> Artifact:
        """See :meth:`Client.build`."""
        verb, arguments, options = self._build(directory, kind, config, options)
        return (await self._run(verb, arguments, options, progress)).artifact

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

    async def referrers(self, reference: Reference, **options: Any) -> List[Any]:
        """See :meth:`Client.referrers`."""
        return (await self._run("referrers", [reference_handle(reference)], options, None)).referrers

    async def read_layer(self, artifact: Artifact, index: int = 0, **options: Any) -> bytes:
        """See :meth:`Client.read_layer`."""
        return (await self._run("read_layer", [artifact, index], options, None)).bytes or b""

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
