"""Help, man page, completions and docs/cli.md: all from one declaration, and as they were read and approved."""
import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import ROOT, TOOL, Case

GOLDEN = Path(__file__).parent / "golden"
WRITE = os.environ.get("CLDOCI_GOLDEN") == "write"


def said(*arguments):
    return subprocess.run([TOOL, *arguments], check=True, capture_output=True, text=True, timeout=60).stdout


OVERVIEW = said("help")
VERBS = re.findall(r"^  ([a-z-]+) ", OVERVIEW.split("Verbs:\n")[1].split("\nTopics:")[0], re.M)
TOPICS = re.findall(r"^  ([a-z-]+) ", OVERVIEW.split("Topics:\n")[1].split("\nA first try")[0], re.M)


class HelpTest(Case):
    def golden(self, name, text):
        file = GOLDEN / f"{name}.txt"
        if WRITE:
            GOLDEN.mkdir(exist_ok=True)
            file.write_text(text)
        self.assertEqual(text, file.read_text(), "is the change meant? CLDOCI_GOLDEN=write make test-cli takes it")

    def test_every_verb_of_the_library_is_there(self):
        wanted = """build push pull build-and-push tag copy exists resolve inspect manifest config tags attach referrers layers
            delete gc login logout options version help completion""".split()
        self.assertEqual(sorted(VERBS), sorted(wanted))

    def test_help_texts_are_the_ones_that_were_approved(self):
        self.golden("overview", OVERVIEW)
        for name in VERBS + TOPICS:
            self.golden(name, said("help", name))
        if WRITE:
            for file in GOLDEN.iterdir():
                if file.stem not in ["overview", *VERBS, *TOPICS]:
                    file.unlink()
        self.assertEqual(sorted(file.stem for file in GOLDEN.iterdir()), sorted(["overview", *VERBS, *TOPICS]))

    def test_help_fits_a_terminal_of_80_columns(self):
        self.assertLessEqual(max(map(len, OVERVIEW.splitlines())), 80)
        for name in VERBS + TOPICS:
            for line in said("help", name).splitlines():
                if not line.startswith("  cldoci "):
                    self.assertLessEqual(len(line), 100 if name in TOPICS else 80, f"{name}: {line}")

    def test_every_way_to_ask_for_help_gives_it(self):
        for verb in VERBS:
            text = said("help", verb)
            for arguments in ([verb, "--help"], [verb, "-h"], ["--help", verb], ["-h", verb], [verb, "--json", "-h", "a", "b", "c", "d"]):
                self.assertEqual(said(*arguments), text, arguments)
        self.assertEqual(said("--help"), OVERVIEW)
        self.assertEqual(said("-h"), OVERVIEW)

    def test_each_help_has_usage_flags_and_examples(self):
        for verb in VERBS:
            text = said("help", verb)
            self.assertRegex(text, rf"usage: cldoci {verb}\b")
            for part in ("--json", "Flags of every verb:", "Examples:", f"\n  cldoci {verb}" if verb not in ("login", "completion") else "cldoci"):
                self.assertIn(part, text)

    def test_without_arguments_it_says_what_there_is(self):
        done = self.run_tool()
        self.assertEqual((done.code, done.out, done.err), (2, "", OVERVIEW))

    def test_version_says_what_it_was_built_with(self):
        header = (ROOT / "include/cldoci.h").read_text()
        version = re.search(r'VERSION_STRING "(.*)"', header)[1]
        for arguments in (["version"], ["--version"], ["-V"]):
            self.assertRegex(said(*arguments), rf"^cldoci {version}\nlibrary {version}, ABI \d+\nbuilt with (gcc|clang) [\d.]+")
        told = self.ok("version", "--json").json
        self.assertEqual((told["version"], told["library"]), (version, version))

    def test_the_manual_page_has_every_verb_and_flag(self):
        page = said("manual", "man")
        plain = page.replace("\\-", "-")
        for verb in VERBS:
            self.assertIn(f'.SS "cldoci {verb}', plain)
        for flag in set(re.findall(r"--[a-z-]+", "".join(said("help", verb) for verb in VERBS))):
            self.assertIn(flag, plain)
        man = shutil.which("groff") or shutil.which("mandoc")
        if man:
            command = [man, "-ww", "-man", "-Tutf8"] if man.endswith("groff") else [man, "-T", "lint", "-W", "warning"]
            for page in ("cldoci.1", "libcldoci.3"):
                done = subprocess.run([*command, Path(TOOL).parent / page], capture_output=True, text=True, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_page_of_the_documentation_is_that_of_the_tool(self):
        page = ROOT / "docs/cli.md"
        begin, end = "<!-- from `cldoci manual markdown` -->\n", "<!-- to here -->\n"
        head, rest = page.read_text().split(begin)
        tail = rest.split(end)[1]
        wanted = head + begin + "\n" + said("manual", "markdown") + "\n" + end + tail
        if WRITE:
            page.write_text(wanted)
        self.assertEqual(page.read_text(), wanted, "CLDOCI_GOLDEN=write make test-cli writes it anew")


class SourceTest(Case):
    def test_the_tool_is_made_of_the_public_header_and_short_files(self):
        files = sorted((ROOT / "cli").glob("*.[ch]"))
        self.assertGreater(len(files), 10)
        for file in files:
            text = file.read_text()
            self.assertLessEqual(len(text.splitlines()), 400, file.name)
            for name in re.findall(r"#include (\S+)", text):
                self.assertRegex(name, r'^(<[a-z/]+\.h>|"cli\.h")$', file.name)
            self.assertNotIn("extern cldoci", text)


class CompletionTest(Case):
    def bash(self, *words):
        script = """source <(cldoci completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _cldoci
            printf '%s\\n' "${COMPREPLY[@]}" """
        done = subprocess.run(["bash", "-c", script, "bash", "cldoci", *words], cwd=self.work, env=self.environment,
                              capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_completes_verbs_flags_and_words(self):
        self.assertEqual(self.bash("bui"), ["build", "build-and-push"])
        self.assertEqual(sorted(self.bash("")), sorted([*VERBS, "--help", "--version"]))
        self.assertEqual(self.bash("copy", "--rec"), ["--recursive"])
        self.assertEqual(self.bash("pull", "--rec"), [])
        self.assertEqual(self.bash("pull", "--existing", "re"), ["refuse", "replace"])
        self.assertEqual(self.bash("pull", "--existing", "=", "m"), ["merge"])
        self.assertEqual(self.bash("build", "-k", "comp"), ["component"])
        self.assertIn("timeout_ms=", self.bash("--option", "time"))
        self.assertEqual(self.bash("completion", "z"), ["zsh"])

    def test_zsh_and_fish_have_every_verb_and_flag(self):
        for shell in ("zsh", "fish"):
            script = said("completion", shell)
            for verb in VERBS:
                self.assertIn(verb, script)
            for flag in set(re.findall(r"--([a-z-]+)", "".join(said("help", verb) for verb in VERBS))):
                self.assertIn(flag, script, shell)
            if shutil.which(shell):
                subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=60)
