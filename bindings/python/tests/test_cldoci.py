"""The package against the library it finds, on a local layout and, where CLDOCI_TEST_REGISTRY names one, on a
registry."""

import asyncio
import gc
import hashlib
import http.server
import inspect
import json
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing
import unittest

import cldoci
from cldoci._library import C


def _tree(root: pathlib.Path) -> pathlib.Path:
    (root / "src").mkdir(parents=True)
    (root / "README.md").write_text("# api\n")
    (root / "src/main.py").write_text("print('hi')\n" * 50)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    return root


def _content(root: pathlib.Path) -> dict:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o111 != 0)
        for path in sorted(root.rglob("*")) if path.is_file()
    }


def _in_child(store: str, reference: str, queue) -> None:
    queue.put(cldoci.Client(store=store).exists(reference))


def _inherited(client: cldoci.Client, reference: str, queue) -> None:
    queue.put(client.exists(reference))


class Case(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.work = pathlib.Path(holder.name)
        self.store = str(self.work / "store")
        self.tree = _tree(self.work / "tree")
        self.client = cldoci.Client(store=self.store)
        registry = os.environ.get("CLDOCI_TEST_REGISTRY")
        self.place = f"{registry}/python/{self._testMethodName}" if registry else f"ocidir://{self.work}/layout"


class Verbs(Case):
    def test_the_seeds_workflow(self) -> None:
        config = cldoci.ComponentConfig(schema_version="v1", name="api", description="API component")
        artifact = self.client.build(self.tree, "component", config)
        self.assertRegex(artifact.digest, "^sha256:[0-9a-f]{64}$")
        self.assertIn(artifact.layers[0].digest.encode(), artifact.config)
        pushed = self.client.push(artifact, f"{self.place}:v1.0.0")
        self.assertEqual(pushed.digest, artifact.digest)
        self.client.tag(f"{self.place}:v1.0.0", f"{self.place}:latest")
        self.assertTrue(self.client.exists(f"{self.place}:latest"))
        self.assertFalse(self.client.exists(f"{self.place}:none"))
        self.assertEqual(self.client.list_tags(self.place), ["latest", "v1.0.0"])
        self.assertEqual(self.client.resolve(f"{self.place}:latest").digest, artifact.digest)
        self.assertEqual(self.client.pull_config(f"{self.place}:latest"), artifact.config)
        out = self.work / "out"
        result = self.client.pull(f"{self.place}:v1.0.0", out)
        self.assertEqual(_content(out), _content(self.tree))
        self.assertEqual(result.artifact.type, "component")
        self.assertTrue(self.client.pull(f"{self.place}:v1.0.0", out).unchanged)
        inspected = self.client.inspect(f"{self.place}:v1.0.0")
        self.assertEqual(self.client.read_layer(inspected), self.client.read_layer(artifact))

    def test_built_and_pushed_in_one_pass(self) -> None:
        result = self.client.build_and_push(self.tree, "component", {"name": "api"}, f"{self.place}:one")
        artifact = self.client.build(self.tree, "component", {"name": "api"})
        self.assertEqual(result.digest, artifact.digest)
        self.assertEqual(self.client.read_layer(result.artifact), self.client.read_layer(artifact))

    def test_idle_once_nothing_goes_on(self) -> None:
        client = cldoci.Client(store="off")
        self.assertTrue(cldoci.wait_idle(10))
        del client
        self.assertTrue(cldoci.wait_idle())
        self.assertTrue(cldoci.wait_idle(0))

    def test_what_is_left_out_is_told(self) -> None:
        (self.tree / ".env").write_text("SECRET=1")
        result = self.client.build_result(self.tree, "component")
        self.assertIn(".env", [left.path for left in result.left_out])

    def test_annotations_and_custom_kinds(self) -> None:
        artifact = self.client.build(self.tree, "application/vnd.example", annotations={"a": "1", "b": "x=y"})
        self.assertEqual(artifact.annotations, {"a": "1", "b": "x=y"})
        self.assertEqual(artifact.config, b"{}")

    def test_errors_have_classes_and_facts(self) -> None:
        with self.assertRaises(cldoci.NotFoundError) as caught:
            self.client.pull(f"{self.place}:none", self.work / "out")
        self.assertEqual(caught.exception.status, -43)
        self.assertEqual(caught.exception.name, "NOT_FOUND")
        self.assertIn("none", str(caught.exception))
        self.assertIsInstance(caught.exception, LookupError)
        with self.assertRaises(cldoci.ArgumentError):
            self.client.exists("ghcr.io/Org/app")
        with self.assertRaises(cldoci.ArgumentError) as caught:
            self.client.build(self.tree, "component", linkss="skip")
        self.assertIn("known are", str(caught.exception))
        with self.assertRaises(cldoci.Error) as caught:
            self.client.build(self.work / "absent", "component")
        self.assertEqual(caught.exception.errno, 2)

    def test_an_error_has_all_that_the_registry_listed(self) -> None:
        listed = [{"code": "DENIED", "message": "no\nway", "detail": [{"Action": "pull"}]}, {"code": "X"}]

        class Refuses(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"errors": listed}).encode()
                self.send_response(403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.addCleanup(server.shutdown)
            with self.assertRaises(cldoci.DeniedError) as caught:
                cldoci.Client(store="off").inspect(f"127.0.0.1:{server.server_port}/org/app:v1")
            server.shutdown()
        want = [cldoci.RegistryError("DENIED", "no\\nway", [{"Action": "pull"}]), cldoci.RegistryError("X", "", None)]
        self.assertEqual(caught.exception.registry_errors, want)
        self.assertEqual(caught.exception.registry_code, "DENIED")
        with self.assertRaises(cldoci.NotFoundError) as none:
            self.client.inspect(f"ocidir://{self.work}/nowhere:v1")
        self.assertEqual(none.exception.registry_errors, [])

    def test_an_index_lists_its_entries(self) -> None:
        layout = self.work / "many"
        place = f"ocidir://{layout}"
        artifact = self.client.build(self.tree, "component")
        self.client.push(artifact, f"{place}:v1")
        image = self.client.read_manifest(f"{place}:v1")
        self.assertEqual((image.bytes, image.digest, image.entries), (artifact.manifest, artifact.digest, []))
        kind = "application/vnd.oci.image.index.v1+json"
        platform = {"os": "plan9", "architecture": "mips", "variant": "v2"}
        one = {"mediaType": image.media_type, "digest": image.digest, "size": image.size}
        two = {**one, "artifactType": "application/vnd.x"}
        index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [{**one, "platform": platform}, two]}).encode()
        digest = hashlib.sha256(index).hexdigest()
        (layout / "blobs/sha256" / digest).write_bytes(index)
        named = {"org.opencontainers.image.ref.name": "all"}
        listed = {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(index), "annotations": named}
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [listed]}))
        with self.assertRaisesRegex(cldoci.NotFoundError, "plan9/mips/v2; read_manifest lists its entries"):
            self.client.inspect(f"{place}:all")

        async def main() -> cldoci.Result:
            async with cldoci.AsyncClient(store="off") as client:
                return await client.read_manifest(f"{place}:all")

        for found in (self.client.read_manifest(f"{place}:all"), asyncio.run(main())):
            self.assertEqual((found.bytes, found.digest, found.media_type), (index, f"sha256:{digest}", kind))
            base = (image.digest, image.media_type)
            self.assertEqual(
                found.entries,
                [
                    cldoci.Entry(*base, None, image.size, "plan9/mips/v2"),
                    cldoci.Entry(*base, "application/vnd.x", image.size, None),
                ],
            )

    def test_secrets_are_in_no_error(self) -> None:
        with self.assertRaises(cldoci.ArgumentError) as caught:
            cldoci.Client(hosts={"ghcr.io": {"password": "canary\n"}})
        self.assertNotIn("canary", str(caught.exception))

    def test_garbage_is_collected_from_a_layout(self) -> None:
        layout = f"ocidir://{self.work}/layout"
        self.client.push(self.client.build(self.tree, "component"), f"{layout}:v1")
        self.client.delete(f"{layout}:v1")
        self.assertGreater(self.client.collect_garbage(layout), 0)

    def test_login_and_logout(self) -> None:
        with tempfile.TemporaryDirectory() as config:
            code = "import cldoci; client = cldoci.Client(); print(client.logout('registry.example.com'))"
            env = dict(os.environ, DOCKER_CONFIG=config)
            done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
            self.assertEqual(done.stdout, "False\n")
        with self.assertRaises(cldoci.ArgumentError) as caught:
            self.client.login("Not A Host", "user", "canary")
        self.assertNotIn("canary", str(caught.exception))

    def test_options_are_listed(self) -> None:
        names = [option["name"] for option in cldoci.options()]
        self.assertIn("existing", names)
        self.assertEqual(len(names), len(set(names)))

    def test_progress_ends_at_done(self) -> None:
        seen = []
        self.client.build(self.tree, "component", progress=seen.append)
        self.assertEqual(seen[-1].phase, "done")

    def test_progress_drives_a_bar(self) -> None:
        class Bar:  # what of tqdm's the README uses
            n, total = 0, None

            def update(bar, more: int) -> None:
                self.assertGreaterEqual(more, 0)
                bar.n += more

        (self.tree / "noise").write_bytes(os.urandom(8 << 20))
        self.client.push(self.client.build(self.tree, "component"), f"{self.place}:v1")
        for run in (
            lambda show: self.client.pull(f"{self.place}:v1", self.work / "out", progress=show),
            lambda show: asyncio.run(cldoci.AsyncClient(store=self.store).pull(f"{self.place}:v1", self.work / "out2", progress=show)),
        ):
            bar = Bar()

            def show(progress: cldoci.Progress) -> None:
                bar.total = progress.bytes_total or None
                bar.update(progress.bytes_done - bar.n)

            run(show)
            self.assertEqual(bar.n, bar.total)
            self.assertGreater(bar.n, 8 << 20)

    def test_handles_are_freed(self) -> None:
        del self.client
        gc.collect()
        before = [C.cldoci_debug_live_handles(kind) for kind in range(1, 12)]
        client = cldoci.Client(store=self.store)
        client.build(self.tree, "component")
        del client
        gc.collect()
        self.assertEqual([C.cldoci_debug_live_handles(kind) for kind in range(1, 12)], before)


class Hints(unittest.TestCase):
    def test_every_public_name_has_its_types_and_words(self) -> None:
        package = pathlib.Path(cldoci.__file__).parent
        self.assertTrue((package / "py.typed").is_file())
        seen = 0
        for name in cldoci.__all__:
            found = getattr(cldoci, name)
            for part in [found, *vars(found).values()] if inspect.isclass(found) else [found]:
                if inspect.isfunction(part) and not part.__name__.startswith("_"):
                    seen += 1
                    self.assertTrue(part.__doc__, part)
                    parameters = [p for p in inspect.signature(part).parameters.values() if p.name != "self"]
                    hints = typing.get_type_hints(part)
                    self.assertEqual({p.name for p in parameters} | {"return"}, set(hints), part)
        self.assertGreaterEqual(seen, 40)

    def test_both_clients_have_the_same_verbs(self) -> None:
        def verbs(of: type) -> set:
            return {name for name in dir(of) if not name.startswith("_")}

        self.assertEqual(verbs(cldoci.Client), verbs(cldoci.AsyncClient))
        for name in verbs(cldoci.Client):
            blocking, coroutine = (inspect.signature(getattr(of, name)) for of in (cldoci.Client, cldoci.AsyncClient))
            self.assertEqual(str(blocking), str(coroutine), name)


class Asyncio(Case):
    def test_many_at_once(self) -> None:
        self.client.push(self.client.build(self.tree, "component"), f"{self.place}:v1")

        async def main() -> None:
            async with cldoci.AsyncClient(store=self.store) as client:
                answers = await asyncio.gather(*(client.exists(f"{self.place}:v1") for _ in range(100)))
                self.assertTrue(all(answers))
                result = await client.pull(f"{self.place}:v1", self.work / "out")
                self.assertEqual(_content(self.work / "out"), _content(self.tree))
                self.assertTrue(result.digest)

        asyncio.run(main())

    def test_cancel_of_the_task_cancels_the_verb(self) -> None:
        big = self.work / "big"
        big.mkdir()
        (big / "noise").write_bytes(os.urandom(64 << 20))

        async def main() -> None:
            client = cldoci.AsyncClient(store=self.store)
            task = asyncio.ensure_future(client.build(big, "component"))
            await asyncio.sleep(0.01)
            task.cancel()
            started = time.monotonic()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertLess(time.monotonic() - started, 5)

        asyncio.run(main())


class Cancelled(Case):
    """Nothing is left beside the destination when a cancelled pull raises."""

    def setUp(self) -> None:
        super().setUp()
        with open(self.tree / "zeros", "wb") as file:
            file.truncate(512 << 20)
        self.reference = f"{self.place}:v1"
        self.client.push(self.client.build(self.tree, "component"), self.reference)
        self.beside = self.work / "beside"
        self.beside.mkdir()

    def begun(self) -> bool:
        """Whether a pull is at work, which takes some tenths of a second from here."""
        return bool(os.listdir(self.beside))

    def nothing_left(self) -> None:
        self.assertEqual(os.listdir(self.beside), [])

    def test_by_an_event(self) -> None:
        stop = threading.Event()

        def watch() -> None:
            while not self.begun() and puller.is_alive():
                time.sleep(0.001)
            stop.set()

        puller = threading.current_thread()
        watcher = threading.Thread(target=watch)
        watcher.start()
        with self.assertRaises(cldoci.CancelledError):
            self.client.pull(self.reference, self.beside / "out", cancel=stop)
        self.nothing_left()
        watcher.join()
        self.client.pull(self.reference, self.beside / "out", cancel=threading.Event())
        self.assertEqual(os.listdir(self.beside), ["out"])

    def test_by_what_progress_raises(self) -> None:
        def show(_: cldoci.Progress) -> None:
            if self.begun():
                raise LookupError("enough")

        with self.assertRaisesRegex(LookupError, "enough"):
            self.client.pull(self.reference, self.beside / "out", progress=show)
        self.nothing_left()

    def test_by_the_task(self) -> None:
        async def main() -> None:
            async with cldoci.AsyncClient(store=self.store) as client:
                task = asyncio.ensure_future(client.pull(self.reference, self.beside / "out"))
                while not self.begun():
                    await asyncio.sleep(0.001)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                self.nothing_left()

        asyncio.run(main())


class Processes(Case):
    def setUp(self) -> None:
        super().setUp()
        self.reference = f"{self.place}:v1"
        self.client.push(self.client.build(self.tree, "component"), self.reference)

    def test_multiprocessing(self) -> None:
        for method in ("fork", "spawn"):
            with self.subTest(method):
                context = multiprocessing.get_context(method)
                queue = context.Queue()
                child = context.Process(target=_in_child, args=(self.store, self.reference, queue))
                child.start()
                self.assertTrue(queue.get(timeout=60))
                child.join(60)

    def test_a_client_goes_on_after_a_fork(self) -> None:
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_inherited, args=(self.client, self.reference, queue))
        child.start()
        self.assertTrue(queue.get(timeout=60))
        child.join(60)
        self.assertTrue(self.client.exists(self.reference))

    def test_ctrl_c_interrupts_a_verb(self) -> None:
        big = self.work / "big"
        big.mkdir()
        with open(big / "zeros", "wb") as file:
            file.truncate(40 << 30)
        program = (
            # A shell's background jobs are born deaf to it.
            "import signal, sys, cldoci\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "client = cldoci.Client(store=sys.argv[2])\nprint('started', flush=True)\n"
            "try:\n    client.build(sys.argv[1], 'component')\nexcept KeyboardInterrupt:\n    sys.exit(42)\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(big), self.store], stdout=subprocess.PIPE, text=True)
        self.assertEqual(child.stdout.readline(), "started\n")
        timer = threading.Timer(0.5, child.send_signal, (signal.SIGINT,))
        timer.start()
        self.addCleanup(child.stdout.close)
        self.assertEqual(child.wait(60), 42)
        timer.join()


if __name__ == "__main__":
    unittest.main()
