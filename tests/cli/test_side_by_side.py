"""The tool beside oras, crane, regctl and skopeo on what others make and serve: nothing that two of them read fails
here, but for what docs/registry-quirks.md refuses. CLDOCI_GOLDEN=write writes docs/interoperability.md."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import others
from harness import ROOT, TOOL
from wire import Registry

PAGE = ROOT / "docs/interoperability.md"
TOOLS = ("cldoci", "oras", "crane", "regctl", "skopeo")
BIN = ROOT / "build/tools/bin"
LAYOUT = "layout"

# By verb and tool: what is run in an empty directory. FROM, HOST and TO are filled in; a tool without a row has no such verb.
COMMANDS = {
    "copy": {
        "cldoci": "copy FROM ocidir://out:v1",
        "oras": "copy --no-tty PLAIN-FROM FROM --to-oci-layout out:v1",
        "crane": "pull --format oci FROM out",
        "regctl": "HOSTS image copy FROM ocidir://out:v1",
        "skopeo": "--insecure-policy copy --all --src-tls-verify=VERIFY docker://FROM oci:out:v1",
    },
    "files": {
        "cldoci": "pull FROM out",
        "oras": "pull --no-tty PLAIN FROM --output out",
        "crane": "export FROM out.tar",
        "regctl": "HOSTS artifact get FROM --output out",
    },
    "platform": {
        "cldoci": "pull FROM out --option platform=PLATFORM",
        "oras": "manifest fetch PLAIN --platform PLATFORM FROM",
        "crane": "digest --platform PLATFORM FROM",
        "regctl": "HOSTS manifest head --require-digest --platform PLATFORM FROM",
    },
    "recursive": {
        "cldoci": "copy FROM ocidir://out:v1 --option recursive=true",
        "oras": "copy --no-tty --recursive PLAIN-FROM FROM --to-oci-layout out:v1",
        "regctl": "HOSTS image copy --referrers FROM ocidir://out:v1",
    },
    "tags": {
        "cldoci": "tags REPOSITORY",
        "oras": "repo tags PLAIN REPOSITORY",
        "crane": "ls REPOSITORY",
        "regctl": "HOSTS tag ls REPOSITORY",
        "skopeo": "list-tags --tls-verify=VERIFY docker://REPOSITORY",
    },
    "referrers": {
        "cldoci": "referrers FROM",
        "oras": "discover PLAIN --format json FROM",
        "regctl": "HOSTS artifact list FROM",
    },
    "push": {
        "cldoci": "copy ocidir://layout:v1 HOST/new/app:v1",
        "oras": "copy --no-tty --from-oci-layout layout:v1 PLAIN-TO HOST/new/app:v1",
        "crane": "push layout HOST/new/app:v1",
        "regctl": "HOSTS image copy ocidir://layout:v1 HOST/new/app:v1",
        "skopeo": "--insecure-policy copy --dest-tls-verify=VERIFY oci:layout:v1 docker://HOST/new/app:v1",
    },
    "across": {
        "cldoci": "copy FROM HOST/new/app:v1",
        "oras": "copy --no-tty PLAIN-FROM PLAIN-TO FROM HOST/new/app:v1",
        "crane": "copy FROM HOST/new/app:v1",
        "regctl": "HOSTS image copy FROM HOST/new/app:v1",
        "skopeo": "--insecure-policy copy --src-tls-verify=VERIFY --dest-tls-verify=VERIFY docker://FROM docker://HOST/new/app:v1",
    },
    "layout": {
        "cldoci": "copy ocidir://layout:v1 ocidir://out:v1",
        "oras": "copy --no-tty --from-oci-layout layout:v1 --to-oci-layout out:v1",
        "crane": "push layout HOST/new/app:v1",
        "regctl": "image copy ocidir://layout:v1 ocidir://out:v1",
        "skopeo": "--insecure-policy copy oci:layout:v1 oci:out:v1",
    },
}
ABOUT = {
    "copy": "Copied from a registry into a layout",
    "files": "Pulled as files",
    "platform": "Found for a platform",
    "recursive": "Copied with what refers to it",
    "tags": "All tags listed",
    "referrers": "Referrers listed",
    "push": "Pushed to a registry",
    "across": "Copied within a registry",
    "layout": "Copied from a layout (crane: pushed)",
}


def command(verb, tool, registry, tls):
    words = {
        "FROM": f"{registry.host}/team/app:v1",
        "REPOSITORY": f"{registry.host}/team/app",
        "HOSTS": f"--host reg={registry.host},tls={'enabled' if tls else 'disabled'}",
        "PLAIN-FROM": "" if tls else "--from-plain-http",
        "PLAIN-TO": "" if tls else "--to-plain-http",
        "PLAIN": "" if tls else "--plain-http",
    }
    line = COMMANDS[verb][tool].replace("PLATFORM", registry.platform).replace("VERIFY", "true" if tls else "false").replace("HOST/", registry.host + "/")
    line = " ".join(words.get(word, word) for word in line.split()).replace("docker://FROM", "docker://" + words["FROM"])
    line = line.replace("docker://REPOSITORY", "docker://" + words["REPOSITORY"])
    return [TOOL if tool == "cldoci" else str(BIN / tool), *line.split()]


def a_layout(source, at, spoil=None):
    """The registry's image as a layout named v1, without any tool's help."""
    (at / "blobs/sha256").mkdir(parents=True)
    (at / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    media_type, content = source.manifests["v1"]
    name = {"org.opencontainers.image.ref.name": "v1"}
    entry = {"mediaType": media_type, "digest": others.digest_of(content), "size": len(content), "annotations": name}
    for blob in [content, *source.blobs.values()]:
        (at / "blobs/sha256" / others.digest_of(blob)[7:]).write_bytes(blob)
    document = {"schemaVersion": 2, "mediaType": others.INDEX, "manifests": [entry]}
    (at / "index.json").write_text(json.dumps(document))
    if spoil:
        spoil(at, document)
        (at / "index.json").write_text(json.dumps(document))


def run(one, verb, tool):
    """Whether the tool did it, and what it said."""
    registry = Registry(one.tls)
    registry.configuration = registry.authority = registry.wanted = registry.spoil = None
    registry.platform = "linux/amd64"
    work = Path(tempfile.mkdtemp(prefix="cldoci-peers-"))
    try:
        one.make(registry)
        if verb in ("push", "layout"):
            source = registry
            if "v1" not in registry.manifests:
                source = Registry()
                others.image(source)
                source.close()
            a_layout(source, work / LAYOUT, registry.spoil)
            if verb == "push":
                registry.manifests.clear()
        home = work / "home"
        (home / ".docker").mkdir(parents=True)
        if tool == "regctl" and verb == "files":
            (work / "out").mkdir()
        if registry.configuration:
            (home / ".docker/config.json").write_bytes(registry.configuration)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(work), "CLDOCI_STORE": "off", "LC_ALL": "C.UTF-8"}
        if registry.authority:
            (work / "authorities.pem").write_text(registry.authority)
            environment["SSL_CERT_FILE"] = str(work / "authorities.pem")
        try:
            done = subprocess.run(command(verb, tool, registry, one.tls), cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            return False, "it took over 120 s"
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        if tool == "cldoci" and re.search("canary|Y2FuYXJ5|NhbmFy|YW5hcn", said):
            raise AssertionError(f"{one.name}: a credential is told: {said}")
        read = done.returncode == 0
        if read and verb in ("tags", "referrers"):
            # Half a list is none.
            read = (registry.wanted if registry.wanted is not None else "v1") in done.stdout.decode(errors="replace")
        if read and verb in ("push", "across"):
            read = "v1" in registry.pushed
        if read and verb == "recursive":
            read = (work / "out/blobs" / registry.wanted.replace(":", "/")).is_file()
        return read, said
    finally:
        registry.close()
        shutil.rmtree(work, ignore_errors=True)


class SideBySideTest(unittest.TestCase):
    maxDiff = None

    def missing(self):
        strict = os.environ.get("CI") == "true" or os.environ.get("CLDOCI_REQUIRE_TOOLS")
        missing = [tool for tool in TOOLS[1:] if not (BIN / tool).is_file()]
        if missing and strict:
            self.fail(f"{missing[0]} is missing: run scripts/install-tools.sh")
        if missing:
            print(f"left out: the tool side by side with its peers ({missing[0]} is missing; scripts/install-tools.sh installs it)")
        return missing

    def test_nothing_that_two_peers_read_fails_here(self):
        if self.missing():
            return
        runs = [(one, verb, tool) for one in others.INPUTS for verb in one.verbs for tool in COMMANDS[verb]]
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda each: run(*each), runs))
        verdicts = {(one.name, verb, tool): result for (one, verb, tool), result in zip(runs, results)}
        quirks = others.quirk_ids((ROOT / "docs/registry-quirks.md").read_text())
        wrong, page = [], {verb: [] for verb in COMMANDS}
        for one in others.INPUTS:
            self.assertTrue(one.quirk in quirks or not one.quirk, one.quirk)
            for verb in one.verbs:
                row = {tool: verdicts.get((one.name, verb, tool)) for tool in TOOLS}
                read, said = row["cldoci"]
                peers = [tool for tool in TOOLS[1:] if row[tool] and row[tool][0]]
                reason = one.refused.get(verb)
                if not read and len(peers) > 1 and reason not in quirks:
                    wrong.append(f"{one.name} ({verb}): {', '.join(peers)} read it, and here: {said[-300:]}")
                if reason and read:
                    wrong.append(f"{one.name} ({verb}) is read, and {reason} is to refuse it")
                # What no quirk is about is read, or the comparison compares nothing.
                if not one.quirk and not (read and len(peers) > 1):
                    told = {tool: result[1][-300:] for tool, result in row.items() if result and not result[0]}
                    wrong.append(f"{one.name} ({verb}) is plain, and not read: {told}")
                cells = ["—" if not result else "yes" if result[0] else "no" for result in row.values()]
                if reason:
                    cells[0] += f" ({reason})"
                page[verb].append("| " + " | ".join([one.name, one.quirk, *cells]) + " |")
        self.assertEqual(wrong, [], "\n".join(wrong))
        self.check(self.text(page))

    @staticmethod
    def skopeo():
        return subprocess.run([BIN / "skopeo", "--version"], capture_output=True, text=True).stdout.split()[-1]

    def text(self, page):
        versions = re.findall(r'^  "(oras|crane|regctl) \S+ \S+ v(\S+) ', (ROOT / "scripts/install-tools.sh").read_text(), re.M)
        named = ", ".join(f"{name} {version}" for name, version in sorted(versions, key=lambda pair: TOOLS.index(pair[0])))
        parts = [f"""# Side by side

What others make and serve: what cldoci does with it by default, and what {named}
and skopeo {self.skopeo()} do. **What two of them read is read here**, but for the refusals that carry an ID, which
[registry-quirks.md](registry-quirks.md) explains. A test holds that, and writes this page
(`CLDOCI_GOLDEN=write scripts/test-cli.sh test_side_by_side`); the inputs are in `tests/cli/others.py`. A dash: the tool has
no such verb.
"""]
        for verb, rows in page.items():
            head = "| what | quirk | " + " | ".join(TOOLS) + " |\n|---|---|" + "---|" * len(TOOLS)
            parts.append(f"## {ABOUT[verb]}\n\n{head}\n" + "\n".join(rows) + "\n")
        return "\n".join(parts)

    def check(self, text):
        if os.environ.get("CLDOCI_GOLDEN") == "write":
            PAGE.write_text(text)
            return
        kept = PAGE.read_text()
        # Another skopeo has other verdicts; the law holds with any.
        if f"skopeo {self.skopeo()} do" in kept:
            self.assertEqual(kept, text, "docs/interoperability.md is stale")


if __name__ == "__main__":
    unittest.main()
