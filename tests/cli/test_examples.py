"""Every example of every help, run as it stands: on a layout and on a real registry."""
import os
import re
import subprocess
import unittest
from pathlib import Path

from harness import PASSWORD, TOOL, Case, Server
from test_help import VERBS, said

EXAMPLE = "registry.example"


def examples(verb):
    lines = said("help", verb).split("\nExamples:\n")[1].splitlines()
    return [line[2:] for line in lines if not line.startswith("  #")]


class ExamplesTest(Case):
    def shell(self, command):
        done = subprocess.run(["bash", "-ec", command], cwd=self.work, env=self.environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        self.assertNotIn("error:", done.stderr, command)
        return done

    def run_all(self, place, first):
        """`place` says where the registry of the examples is. What an example may find is made before each of them."""
        self.built()
        (self.work / "sbom.json").write_text("{}")
        (self.work / "token").write_text(PASSWORD)
        for verb in VERBS:
            for number, example in enumerate(examples(verb)):
                with self.subTest(example=example):
                    if verb == "login":
                        self.shell(example.replace(EXAMPLE, self.guarded.host))
                        continue
                    if verb == "pull" and number == 0:
                        self.assertFalse((self.work / "out").exists())
                    command = place(example)
                    self.shell(command)
                    # What the next ones find in the registry.
                    if verb == "build" and number == 0:
                        self.shell(place(first))

    def setUp(self):
        super().setUp()
        self.guarded = Server(self, password=PASSWORD, answer=(200, "{}"))

    def test_on_a_layout(self):
        first = f"cldoci push ocidir://layout:v1 {EXAMPLE}/team/app:v1"

        def place(command):
            command = re.sub(rf"{EXAMPLE}/([a-z]+)/([a-z]+)", r"ocidir://\1-\2", command)
            return command.replace(f" {EXAMPLE}", f" {self.guarded.host}")

        self.run_all(place, first)

    @unittest.skipUnless(os.environ.get("REGISTRY"), "no registry")
    def test_on_a_registry(self):
        first = f"cldoci push ocidir://layout:v1 {EXAMPLE}/team/app:v1"
        host = f"{os.environ['REGISTRY']}/cli-{os.getpid()}"

        def place(command):
            command = command.replace(f"{EXAMPLE}/", f"{host}/")
            return command.replace(f" {EXAMPLE}", f" {self.guarded.host}")

        self.run_all(place, first)

    @unittest.skipUnless(os.environ.get("REGISTRY"), "no registry")
    def test_the_ci_job_publishes_a_version_once_and_never_over_another(self):
        repository = f"{os.environ['REGISTRY']}/publish-{os.getpid()}/app"
        script = Path(__file__).parents[2] / "examples/ci/publish.sh"
        for content, code in (("one", 0), ("one", 0), ("two", 1)):
            (self.work / "tree").mkdir(exist_ok=True)
            (self.work / "tree/file").write_text(content)
            command = ["bash", script, "tree", repository, "1.2.3"]
            done = subprocess.run(command, cwd=self.work, env=self.environment, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(f"{repository}:1.2.3 is sha256:", done.stderr)
        self.assertEqual(self.ok("tags", repository).out.split(), ["1", "1.2.3", "latest"])

    def test_there_is_an_example_of_every_verb(self):
        for verb in VERBS:
            self.assertTrue(any(f"cldoci {verb}" in example for example in examples(verb)), verb)
            for example in examples(verb):
                self.assertIn("cldoci", example)
        self.assertTrue(os.access(TOOL, os.X_OK))
