"""Credentials and artifacts by hand; what needs a registry that wants to know who asks takes the one that
CLDOCI_TEST_PRIVATE_REGISTRY names (user "user", password "canary")."""

import asyncio
import gc
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import cldoci
from cldoci import _callbacks

PRIVATE = os.environ.get("CLDOCI_TEST_PRIVATE_REGISTRY")
RIGHT = cldoci.Credential("user", "canary")


@unittest.skipUnless(PRIVATE, "no private registry is named")
class Private(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.work = pathlib.Path(holder.name)
        self.reference = f"{PRIVATE}/python/{self._testMethodName}:v1"
        kept = os.environ.get("DOCKER_CONFIG")
        os.environ["DOCKER_CONFIG"] = str(self.work)
        self.addCleanup(lambda: os.environ.__setitem__("DOCKER_CONFIG", kept) if kept else os.environ.pop("DOCKER_CONFIG"))

    def client(self, **options: object) -> cldoci.Client:
        return cldoci.Client(store=self.work / "store", **options)

    def test_login_and_logout(self) -> None:
        client = self.client()
        with self.assertRaises(cldoci.UnauthorizedError) as caught:
            client.login(PRIVATE, "user", "canary-wrong")
        self.assertNotIn("canary", str(caught.exception))
        result = client.login(PRIVATE, "user", "canary")
        file = self.work / "config.json"
        self.assertIn(str(file), result.credential_source)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertFalse(client.exists(self.reference))
        self.assertTrue(client.logout(PRIVATE))
        self.assertFalse(client.logout(PRIVATE))
        with self.assertRaises(cldoci.UnauthorizedError):
            client.exists(self.reference)

    def test_a_callback_is_asked_once_for_a_repository(self) -> None:
        asked = []

        def ask(registry: str, repository: str) -> cldoci.Credential:
            asked.append((registry, repository, threading.current_thread() is threading.main_thread()))
            return RIGHT

        client = self.client(credential_callback=ask)
        pushed = client.push(client.make_artifact("application/vnd.test", layers=[b"x"]), self.reference)
        self.assertEqual(pushed.credential_source, "the credential callback")
        self.assertTrue(client.exists(self.reference))
        self.assertEqual(asked, [(PRIVATE, f"python/{self._testMethodName}", False)])

    def test_a_callback_with_an_action_is_asked_once_for_each(self) -> None:
        asked = []

        def ask(registry: str, repository: str, action: str) -> cldoci.Credential:
            asked.append(action)
            return RIGHT

        client = self.client(credential_callback=ask)
        for _ in range(2):
            client.exists(self.reference)
            client.push(client.make_artifact("application/vnd.test", layers=[b"x"]), self.reference)
        self.assertEqual(asked, ["pull", "push"])

    def test_a_callback_that_has_none_lets_the_next_source_answer(self) -> None:
        self.client().login(PRIVATE, "user", "canary")
        result = self.client(credential_callback=lambda *_: None).pull_config
        with self.assertRaises(cldoci.NotFoundError):
            result(self.reference)

    def test_what_a_callback_raises_is_the_cause(self) -> None:
        class Sealed(Exception):
            pass

        def ask(registry: str, repository: str) -> None:
            raise Sealed("the vault is sealed")

        for run in (lambda c: c.exists(self.reference), lambda c: asyncio.run(_exists(c, self.reference))):
            kind = cldoci.Client if run.__code__.co_names[0] == "exists" else cldoci.AsyncClient
            with self.assertRaises(cldoci.CredentialsError) as caught:
                run(kind(store="off", credential_callback=ask))
            self.assertIsInstance(caught.exception.__cause__, Sealed)
            self.assertIn("the vault is sealed", str(caught.exception))
        bad = self.client(credential_callback=lambda *_: cldoci.Credential("us:er", "canary"))
        with self.assertRaises(cldoci.CredentialsError) as caught:
            bad.exists(self.reference)
        self.assertNotIn("canary", str(caught.exception))

    def test_many_coroutines_wait_for_one_answer(self) -> None:
        asked = []

        async def main() -> None:
            async with cldoci.AsyncClient(store="off", credential_callback=lambda *of: asked.append(of) or RIGHT) as client:
                answers = await asyncio.gather(*(client.exists(self.reference) for _ in range(50)))
                self.assertFalse(any(answers))

        asyncio.run(main())
        self.assertEqual(len(asked), 1)

    def test_callbacks_are_let_go(self) -> None:
        before = set(_callbacks._lent)  # of clients of other tests, which may go meanwhile
        client = self.client(credential_callback=lambda *_: RIGHT, logger=logging.getLogger("cldoci.test"))
        client.exists(self.reference)
        lent = set(_callbacks._lent) - before
        self.assertEqual(len(lent), 2)
        del client
        gc.collect()
        deadline = time.monotonic() + 20
        while lent & set(_callbacks._lent) and time.monotonic() < deadline:
            time.sleep(0.005)
        self.assertFalse(lent & set(_callbacks._lent))

    def test_a_logger_hears_of_requests_and_of_no_secret(self) -> None:
        logger = logging.getLogger("cldoci.test.heard")
        with self.assertLogs(logger, logging.DEBUG) as heard:
            client = self.client(hosts={PRIVATE: {"username": "user", "password": "canary"}}, logger=logger)
            client.exists(self.reference)
            deadline = time.monotonic() + 20
            while not any("/manifests/v1" in line for line in heard.output) and time.monotonic() < deadline:
                time.sleep(0.005)
        self.assertTrue(any("/manifests/v1" in line for line in heard.output), heard.output)
        self.assertFalse(any("canary" in line for line in heard.output), heard.output)

    def test_python_ends_while_a_callback_runs(self) -> None:
        program = (
            "import sys, time, logging, threading, cldoci\n"
            "logging.basicConfig(level=logging.DEBUG)\n"
            "def ask(*_):\n    called.set()\n    time.sleep(0.3)\n    return cldoci.Credential('user', 'canary')\n"
            "called = threading.Event()\n"
            "client = cldoci.Client(store='off', credential_callback=ask, logger=logging.getLogger('x'))\n"
            "threading.Thread(target=client.exists, args=(sys.argv[1],), daemon=True).start()\n"
            "called.wait()\n"
        )
        done = subprocess.run([sys.executable, "-c", program, self.reference], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("canary", done.stderr)


async def _exists(client: cldoci.AsyncClient, reference: str) -> bool:
    return await client.exists(reference)


class ByHand(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.work = pathlib.Path(holder.name)
        self.client = cldoci.Client(store=self.work / "store")
        self.layout = f"ocidir://{self.work}/layout"

    def test_an_artifact_of_bytes_a_file_and_anothers_layer(self) -> None:
        (self.work / "model.bin").write_bytes(b"weights")
        first = self.client.make_artifact("application/vnd.test", layers=[b"one"])
        made = self.client.make_artifact(
            "application/vnd.test.model",
            config={"a": 1},
            config_media_type="application/vnd.test.config+json",
            layers=[
                b"bytes",
                cldoci.NewLayer(self.work / "model.bin", "application/octet-stream", {"org.opencontainers.image.title": "model.bin"}),
                cldoci.NewLayer((first, 0)),
            ],
            annotations={"k": "v"},
        )
        self.client.push(made, f"{self.layout}:v1")
        seen = self.client.inspect(f"{self.layout}:v1")
        self.assertEqual(seen.digest, made.digest)
        self.assertEqual((seen.type, seen.config, seen.annotations), ("application/vnd.test.model", b'{"a":1}', {"k": "v"}))
        self.assertEqual([self.client.read_layer(seen, index) for index in range(3)], [b"bytes", b"weights", b"one"])
        self.assertEqual(json.loads(seen.manifest)["config"]["mediaType"], "application/vnd.test.config+json")
        with open(self.work / "saved", "wb") as file:
            asyncio.run(cldoci.AsyncClient(store=self.work / "store").save_layer(seen, 1, file))
        self.assertEqual((self.work / "saved").read_bytes(), b"weights")
        with self.assertRaises(cldoci.SystemCallError):
            self.client.make_artifact("application/vnd.test", layers=[self.work / "absent"])

    def test_referrers_have_annotations(self) -> None:
        self.client.push(self.client.make_artifact("component", config={}, layers=[b"x"]), f"{self.layout}:v1")
        note = self.client.make_artifact("application/vnd.test.note", layers=[b"n"], annotations={"by": "me"})
        self.client.attach(note, f"{self.layout}:v1")
        found = self.client.referrers(f"{self.layout}:v1")
        self.assertEqual([(one.artifact_type, one.annotations["by"]) for one in found], [("application/vnd.test.note", "me")])

    def test_references_have_parts(self) -> None:
        parsed = cldoci.parse_reference("localhost:5000/a/b:v1")
        self.assertEqual((parsed.registry, parsed.repository, parsed.tag, parsed.digest), ("localhost:5000", "a/b", "v1", None))
        self.assertEqual(str(cldoci.parse_reference("nginx")), "docker.io/library/nginx:latest")
        self.assertEqual(cldoci.parse_reference("ocidir:///x/y:z").path, "/x/y")
        self.assertFalse(self.client.exists(cldoci.parse_reference(f"{self.layout}:none")))
        with self.assertRaises(cldoci.ArgumentError):
            cldoci.parse_reference("a b")

    def test_a_credential_shows_no_secret(self) -> None:
        self.assertNotIn("canary", repr(cldoci.Credential("user", "canary", "canary", "canary")))


if __name__ == "__main__":
    unittest.main()
