"""Progress: a bar on a terminal, nothing in a pipe, lines or JSON where they are asked for."""
import json
import re
import shutil

from harness import Case, Server, Terminal

SIZE = 400_000


class ProgressTest(Case):
    def setUp(self):
        super().setUp()
        self.built(size=SIZE)
        self.server = Server(self, self.work / "layout", rate=500_000)

    def pull(self, *flags, columns=80, environment=None):
        return Terminal(self, "pull", f"{self.server.host}/app:v1", "out", *flags, columns=columns, environment=environment)

    def bars(self, shown):
        """Each line that was drawn, without its colours."""
        plain = re.sub(r"\x1b\[\d+m", "", shown)
        return [line.replace("\x1b[K", "") for line in re.split(r"[\r\n]+", plain) if line.startswith("downloading")]

    def test_a_terminal_has_a_bar_with_percent_bytes_rate_and_time_left(self):
        terminal = self.pull()
        self.assertEqual(terminal.end(), 0)
        bars = self.bars(terminal.shown)
        whole = [bar for bar in bars if re.fullmatch(r"downloading \[#* *\] +\d+%  [\d.]+ k?B of 400 kB  [\d.]+ [kM]?B/s  0:\d\d left", bar)]
        self.assertGreater(len(whole), 2, bars)
        percents = [int(re.search(r"(\d+)%", bar)[1]) for bar in whole]
        self.assertEqual(percents, sorted(percents))
        self.assertLess(percents[0], percents[-1])
        filled = [bar.count("#") for bar in whole]
        self.assertEqual(filled, sorted(filled))
        # Nothing of it stays: the last drawing is cleared, and what follows is the digest.
        self.assertRegex(terminal.shown, r"\r\x1b\[Ksha256:[0-9a-f]{64}\r\n$")
        self.assertIn("\x1b[36m", terminal.shown)

    def test_no_line_is_wider_than_the_terminal(self):
        for columns in (1, 5, 12, 20, 40, 60, 200):
            terminal = self.pull(columns=columns)
            self.assertEqual(terminal.end(), 0)
            bars = [line for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[\dK]+m?", "", terminal.shown)) if line and "sha256" not in line]
            for bar in bars:
                self.assertLess(len(bar), max(columns, 2), repr(bar))
            if columns in (40, 60, 200):
                self.assertTrue(any(re.search(r"\[#+ *\] +\d+%", bar) for bar in bars), bars)
            shutil.rmtree(self.work / "out")

    def test_no_color_is_heeded(self):
        terminal = self.pull(environment={"NO_COLOR": "1"})
        self.assertEqual(terminal.end(), 0)
        self.assertNotRegex(terminal.shown, r"\x1b\[\d+m")
        self.assertTrue(self.bars(terminal.shown))

    def test_nothing_is_drawn_where_it_is_not_wanted(self):
        for flags, environment in ((["-q"], {}), (["--progress", "none"], {}), ([], {"TERM": "dumb"})):
            terminal = self.pull(*flags, environment=environment)
            self.assertEqual(terminal.end(), 0)
            self.assertRegex(terminal.shown, r"^sha256:[0-9a-f]{64}\r\n$", flags)
            shutil.rmtree(self.work / "out")

    def test_pipes_are_silent(self):
        done = self.ok("pull", f"{self.server.host}/app:v1", "out")
        self.assertEqual(done.err, "")

    def test_plain_progress_is_lines(self):
        done = self.ok("pull", f"{self.server.host}/app:v1", "out", "--progress", "plain")
        for line in done.err.splitlines():
            self.assertRegex(line, r"^cldoci: \w+( \d+%, [\d.]+ \w+ of [\d.]+ \w+.*)?$")
        self.assertIn("100%", done.err.splitlines()[-1])

    def test_json_progress_is_an_object_in_each_line(self):
        done = self.ok("pull", f"{self.server.host}/app:v1", "out", "--progress=json", "--json")
        steps = [json.loads(line) for line in done.err.splitlines()]
        self.assertGreater(len(steps), 3)
        for step in steps:
            self.assertEqual(set(step), {"phase", "bytesDone", "bytesTotal", "entriesDone", "entriesTotal"})
        self.assertEqual([step["bytesDone"] for step in steps], sorted(step["bytesDone"] for step in steps))
        self.assertEqual(steps[-1]["phase"], "done")
        self.assertEqual(done.json["digest"][:7], "sha256:")
