"""Ctrl-C and its like: cancelled, cleaned up, said."""
import json
import os
import random
import signal
import time
import unittest

from harness import Case, Server, Terminal

SEED = random.randrange(1 << 32)


class InterruptTest(Case):
    def setUp(self):
        super().setUp()
        self.built(size=400_000)
        self.server = Server(self, self.work / "layout", rate=200_000)

    def end(self, process):
        out, err = process.communicate(timeout=30)
        return process.returncode, out.decode(), err.decode()

    def test_a_pull_that_is_interrupted_at_any_moment_leaves_its_destination_as_it_was(self):
        moments = random.Random(SEED)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGINT, signal.SIGINT):
            after = moments.uniform(0.05, 1.2)
            with self.subTest(seed=SEED, after=after, number=number):
                process = self.start("pull", f"{self.server.host}/app:v1", "out")
                time.sleep(after)
                process.send_signal(number)
                code, out, err = self.end(process)
                self.assertEqual((code, out), (-number, ""), err)
                # Before it listens to signals there is nothing to clean up, and nothing is said.
                if err:
                    self.assertEqual(err, "cldoci: cancelling and cleaning up; once more ends at once\ncldoci: cancelled\n")
                self.assertEqual(self.beside(), [])

    def test_ctrl_c_on_a_terminal_clears_the_bar_and_says_so(self):
        terminal = Terminal(self, "pull", f"{self.server.host}/app:v1", "out")
        terminal.read("left")
        terminal.type("\x03")
        self.assertEqual(terminal.end(), -signal.SIGINT)
        self.assertRegex(terminal.shown, r"\r\x1b\[Kcldoci: cancelling and cleaning up; once more ends at once\r\n(\r\x1b\[K)?cldoci: cancelled\r\n$")
        self.assertEqual(self.beside(), [])

    def test_a_cancelled_verb_is_json_where_that_is_asked_for(self):
        process = self.start("pull", f"{self.server.host}/app:v1", "out", "--json", "--progress=json")
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        code, out, err = self.end(process)
        self.assertEqual((code, json.loads(out)["error"]["status"]), (-signal.SIGINT, "CANCELLED"))
        self.assertNotIn("error:", err)

    def test_a_layer_that_is_saved_is_whole_or_not_there(self):
        process = self.start("layers", f"{self.server.host}/app:v1", "--save", "0", "-o", "layer", "--progress=json")
        while b'"bytesDone":0' in (line := process.stderr.readline()) or b"downloading" not in line:
            self.assertTrue(line, "it ended before a byte came")
        process.send_signal(signal.SIGINT)
        code, _, err = self.end(process)
        self.assertEqual(code, -signal.SIGINT)
        self.assertTrue(err.endswith("cldoci: cancelled\n"), err)
        self.assertEqual(self.beside(), [])

    def test_a_build_that_is_interrupted_leaves_the_tag_as_it_was(self):
        for n in range(3000):
            (self.work / f"site/{n}").write_text(str(n))
        # On a busy machine a build may be over before it is interrupted.
        for number in range(10):
            (self.work / "site/round").write_text(str(number))
            before = self.ok("resolve", "ocidir://layout:v1").out
            process = self.start("build", "site", "ocidir://layout:v1", "-k", "component", "--progress=json")
            process.stderr.readline()
            process.send_signal(signal.SIGINT)
            code, out, err = self.end(process)
            if code != 0:
                break
        self.assertEqual(code, -signal.SIGINT, err)
        if not out:
            self.assertEqual(self.ok("resolve", "ocidir://layout:v1").out, before)

    @unittest.skipUnless(os.environ.get("REGISTRY"), "no registry")
    def test_a_push_that_is_interrupted_at_any_moment_leaves_the_whole_tag_or_none(self):
        moments = random.Random(SEED)
        digest = self.built(size=6_000_000)
        for run in range(6):
            target = f"{os.environ['REGISTRY']}/interrupt-{os.getpid()}/run{run}:v1"
            after = moments.uniform(0.02, 0.3)
            with self.subTest(seed=SEED, after=after):
                process = self.start("push", "ocidir://layout:v1", target)
                time.sleep(after)
                process.send_signal(signal.SIGINT)
                code, out, err = self.end(process)
                self.assertIn(code, (0, -signal.SIGINT), err)
                exists = self.run_tool("exists", target)
                self.assertIn(exists.code, (0, 1), exists.err)
                if out:
                    self.assertEqual((out.strip(), exists.code), (digest, 0))
                if exists.code == 0:
                    self.assertEqual(self.ok("pull", target, f"out{run}").out.strip(), digest)

    def test_a_second_signal_ends_it_at_once(self):
        # A server that never answers, and a library that is given no chance to clean up.
        terminal = Terminal(self, "pull", f"{self.server.host}/app:v1", "out")
        terminal.read("left")
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.process.send_signal(signal.SIGINT)
        terminal.process.send_signal(signal.SIGTERM)
        terminal.process.send_signal(signal.SIGCONT)
        self.assertIn(terminal.end(), (128 + signal.SIGINT, 128 + signal.SIGTERM))

    def test_an_ignored_signal_stays_ignored(self):
        process = self.start("pull", f"{self.server.host}/app:v1", "out", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        time.sleep(0.3)
        process.send_signal(signal.SIGHUP)
        self.assertEqual(self.end(process)[0], 0)
