"""Each verb on a layout: what it prints, as text and as JSON, and what it ends with."""
import base64
import hashlib
import json
import os
import re
import stat
import subprocess

from harness import TOOL, Case, Server, Terminal

PAGE = subprocess.run([TOOL, "help", "json"], check=True, capture_output=True, text=True, timeout=60).stdout


def names(text):
    """The members that a line of the page lists; those of an object within one are not the object's own."""
    return set(re.findall(r"\w+", re.sub(r"[\[({].*?[\])}]+", "", text)))


def rows(part):
    """Each line of a table of the page; a line without a name goes on with the one before."""
    found = {}
    for name, text in re.findall(r"^  (\S.*?|)  +(\S.*)$", part, re.M):
        name = name or list(found)[-1]
        found[name] = found.get(name, "") + " " + text
    return found


EVERY, EACH, ERROR = PAGE.split("and also:")[0], PAGE.split("and also:")[1].split("A failure is")[0], PAGE.split("A failure is")[1]
COMMON = set(rows(EVERY))
COUNTERS = names(rows(EVERY)["counters"])
ARTIFACT = names(re.search(r"ARTIFACT is ([^.]*)\.", EACH)[1])
PROMISED = {verb: names(text) for listed, text in rows(EACH).items() for verb in listed.split(", ")}
ERROR_MEMBERS = (set(rows(ERROR)) | {"code"}) - {"--progress"}


def promised(verb):
    members = PROMISED[verb]
    if "ARTIFACT" in members:
        members = members - {"ARTIFACT"} | ARTIFACT
    return members | (set() if verb in ("options", "version") else COMMON)


class VerbsTest(Case):
    def json_of(self, verb, *arguments, code=0, of=None):
        """The object that a verb prints; it has exactly the members that `help json` promises."""
        members = promised(of or verb)
        arguments = (verb, *arguments)
        done = self.run_tool(*arguments, "--json")
        self.assertEqual(done.code, code, done.err)
        self.assertEqual(set(done.json), set(members))
        if "counters" in members:
            self.assertEqual(set(done.json["counters"]), COUNTERS)
        return done.json

    def error_of(self, *arguments, code=1):
        done = self.run_tool(*arguments, "--json")
        self.assertEqual((done.code, set(done.json)), (code, {"error"}), done.err)
        self.assertEqual(set(done.json["error"]), ERROR_MEMBERS)
        return done.json["error"]

    def test_build_tells_the_digest_and_what_it_left_out(self):
        (self.work / "site/.git").mkdir()
        (self.work / "site/.cldignore").write_text("*.log\n")
        for name in ("a.log", "b.log", "c.log"):
            (self.work / "site" / name).write_text("x")
        done = self.ok("build", "site", "--kind", "component")
        self.assertRegex(done.out, r"^sha256:[0-9a-f]{64}\n$")
        self.assertRegex(done.err, r"^cldoci: left out 4 paths: 3 \(.*\), 1 \(.*\); --verbose lists them\n$")
        lines = self.ok("build", "site", "--kind", "component", "--verbose").err.splitlines()
        self.assertEqual(len(lines), 5)
        self.assertTrue(lines[0].startswith("cldoci: left out: .git ("), lines[0])
        self.assertEqual(self.ok("build", "site", "--kind", "component", "-q").err, "")
        self.assertEqual(self.beside(), [], "without a layout nothing is kept")

        built = self.json_of("build", "site",
                             "--kind", "component", "-c", "config.json", "-a", "k=v", "ocidir://layout:v1")
        self.assertEqual((built["leftOutTotal"], len(built["leftOut"])), (4, 4))
        self.assertEqual(set(built["leftOut"][0]), {"path", "reason"})
        self.assertEqual((built["reference"], built["annotations"], built["kind"]), ("ocidir://layout:v1", {"k": "v"}, "component"))
        self.assertEqual(self.ok("config", "ocidir://layout:v1").raw, (self.work / "config.json").read_bytes())
        from_stdin = self.ok("build", "site", "-k", "component", "-c", "-", "-a", "k=v", input=(self.work / "config.json").read_bytes())
        self.assertEqual(from_stdin.out.strip(), built["digest"])
        self.assertIn("absent.json: No such file", self.run_tool("build", "site", "-k", "component", "-c", "absent.json").err)

    def test_push_copy_and_pull_move_the_same_digest(self):
        digest = self.built()
        self.assertEqual(self.ok("push", "ocidir://layout:v1", "ocidir://b:v1").out.strip(), digest)
        self.assertEqual(self.ok("build-and-push", "site", "ocidir://c:v1", "-k", "component").out.strip(), digest)
        for verb, to in (("push", "ocidir://d:v1"), ("copy", "ocidir://e:v1"), ("copy", "ocidir://e:v2")):
            moved = self.json_of(verb, "ocidir://layout:v1", to)
            self.assertEqual((moved["digest"], moved["reference"]), (digest, to))
        pulled = self.json_of("pull", "ocidir://layout:v1", "out")
        self.assertEqual((pulled["digest"], pulled["unchanged"]), (digest, False))
        self.assertEqual((self.work / "out/index.html").read_text(), "<p>hello\n")
        again = self.run_tool("pull", "ocidir://layout:v1", "out")
        self.assertEqual((again.out.strip(), again.err), (digest, "cldoci: out holds it already\n"))
        (self.work / "out/other").write_text("x")
        refused = self.run_tool("pull", "ocidir://layout:v1", "out", "--json")
        self.assertEqual((refused.code, refused.json["error"]["status"]), (1, "EXISTS"))
        self.ok("pull", "ocidir://layout:v1", "out", "--existing", "replace")
        self.assertEqual(os.listdir(self.work / "out"), ["index.html"])

    def test_exists_ends_with_0_1_or_2(self):
        self.built()
        self.assertEqual(self.ok("exists", "ocidir://layout:v1").out, "yes\n")
        no = self.run_tool("exists", "ocidir://layout:v2")
        self.assertEqual((no.code, no.out, no.err), (1, "no\n", ""))
        self.assertTrue(self.json_of("exists", "ocidir://layout:v1")["exists"])
        no = self.json_of("exists", "ocidir://layout:v2", code=1)
        self.assertEqual((no["exists"], no["digest"]), (False, None))
        (self.work / "layout/index.json").write_text("broken")
        self.error_of("exists", "ocidir://layout:v1", code=2)
        self.error_of("resolve", "ocidir://layout:v1")

    def test_resolve_inspect_config_and_tags_look_without_changing(self):
        digest = self.built()
        self.ok("tag", "ocidir://layout:v1", "latest")
        resolved = self.json_of("resolve", "ocidir://layout:v1")
        manifest = (self.work / "layout/blobs" / digest.replace(":", "/")).read_bytes()
        self.assertEqual((resolved["digest"], resolved["size"]), (digest, len(manifest)))
        inspected = self.json_of("inspect", "ocidir://layout:v1")
        self.assertEqual(inspected["manifest"], json.loads(manifest))
        self.assertEqual(set(inspected["config"]), {"mediaType", "digest", "size"})
        self.assertEqual(set(inspected["layers"][0]), {"mediaType", "digest", "size", "annotations"})
        self.assertRegex(self.ok("inspect", "ocidir://layout:v1").out,
                         rf"^reference  ocidir://layout:v1\nkind       component\ndigest     {digest}\nconfig     sha256:\S+  \S+  2\nlayer 0    sha256:\S+  \S+  \d+\n$")
        self.assertEqual(self.ok("manifest", "ocidir://layout:v1").out, manifest.decode())
        raw = self.json_of("manifest", "ocidir://layout:v1")
        self.assertEqual((raw["digest"], raw["size"], raw["entries"]), (digest, len(manifest), []))
        self.assertEqual(raw["manifest"], json.loads(manifest))
        config = self.json_of("config", "ocidir://layout:v1")
        self.assertEqual(base64.b64decode(config["data"]), b"{}")
        self.assertEqual(self.ok("config", "ocidir://layout:v1").out, "{}")
        self.assertEqual(self.ok("tags", "ocidir://layout").out, "latest\nv1\n")
        self.assertEqual(self.json_of("tags", "ocidir://layout")["tags"], ["latest", "v1"])

    def test_base64_of_every_length_is_right(self):
        for size in (1, 2, 3, 4, 100):
            text = json.dumps("x" * size).encode()
            self.ok("build", "site", "ocidir://layout:v1", "-k", "application/vnd.example.x", "-c", "-", input=text)
            self.assertEqual(base64.b64decode(self.ok("config", "ocidir://layout:v1", "--json").json["data"]), text)

    def test_attached_files_are_found_by_referrers(self):
        digest = self.built()
        (self.work / "sbom.json").write_text('{"spdx": 1}')
        attached = self.ok("attach", "ocidir://layout:v1", "sbom.json", "config.json", "-k", "application/spdx+json",
                           "--media-type", "application/spdx+json", "-a", "by=me").out.strip()
        listed = self.ok("referrers", "ocidir://layout:v1").out
        self.assertRegex(listed, rf"^{attached}  application/spdx\+json  \d+\n$")
        found = self.json_of("referrers", "ocidir://layout:v1")["referrers"]
        self.assertEqual(set(found[0]), {"digest", "mediaType", "kind", "size", "annotations"})
        self.assertEqual(found[0]["annotations"], {"by": "me"})
        self.assertEqual(self.ok("referrers", "ocidir://layout:v1", "--kind", "application/other").out, "")
        whole = self.ok("inspect", f"ocidir://layout@{attached}", "--json").json
        self.assertEqual(whole["subject"], digest)
        self.assertEqual([layer["annotations"] for layer in whole["layers"]],
                         [{"org.opencontainers.image.title": name} for name in ("sbom.json", "config.json")])
        again = self.json_of("attach", "ocidir://layout:v1", "config.json", "-k", "application/other")
        self.assertEqual(again["subject"], digest)
        self.ok("attach", "ocidir://layout:v1", "-k", "application/note", "-a", "text=only")
        self.assertEqual(self.ok("referrers", "ocidir://layout:v1", "-k", "application/note", "--json").json["referrers"][0]["annotations"], {"text": "only"})
        self.assertIn("is a directory: attach takes files", self.usage("attach", "ocidir://layout:v1", "site", "-k", "application/other"))
        # A recursive copy takes them along, another does not.
        self.ok("copy", "ocidir://layout:v1", "ocidir://alone:v1")
        self.ok("copy", "-r", "ocidir://layout:v1", "ocidir://all:v1")
        self.assertEqual(self.ok("referrers", "ocidir://alone:v1").out, "")
        self.assertEqual(len(self.ok("referrers", "ocidir://all:v1").out.splitlines()), 3)

    def test_layers_are_listed_and_saved_whole(self):
        self.built()
        listed = self.json_of("layers", "ocidir://layout:v1")
        layer = listed["layers"][0]["digest"]
        self.assertRegex(self.ok("layers", "ocidir://layout:v1").out, rf"^0  {layer}  \S+  \d+\n$")
        os.umask(0o022)
        for which, to in (("0", "a.tar.gz"), (layer, "b.tar.gz")):
            self.assertEqual(self.ok("layers", "ocidir://layout:v1", "--save", which, "-o", to).err, f"cldoci: saved {layer} as {to}\n")
            self.assertEqual("sha256:" + hashlib.sha256((self.work / to).read_bytes()).hexdigest(), layer)
            self.assertEqual(stat.S_IMODE((self.work / to).stat().st_mode), 0o644)
        to_stdout = self.ok("layers", "ocidir://layout:v1", "--save=0")
        self.assertEqual("sha256:" + hashlib.sha256(to_stdout.raw).hexdigest(), layer)
        saved = self.json_of("layers", "ocidir://layout:v1", "--save", "0", "--output", "c", of="layers --save")
        self.assertEqual((saved["digest"], saved["output"], saved["size"]), (layer, "c", len(to_stdout.raw)))
        for wrong in ("1", "sha256:" + "0" * 64, "x", ""):
            self.assertEqual(self.run_tool("layers", "ocidir://layout:v1", "--save", wrong, "-o", "d").code, 1)
        # What does not have its digest leaves no file.
        blob = self.work / "layout/blobs" / layer.replace(":", "/")
        blob.chmod(0o644)
        blob.write_bytes(b"x" * blob.stat().st_size)
        broken = self.run_tool("layers", "ocidir://layout:v1", "--save", "0", "-o", "d", "--json")
        self.assertEqual((broken.code, broken.json["error"]["status"]), (1, "DIGEST"))
        self.assertEqual(self.beside(), ["a.tar.gz", "b.tar.gz", "c"])
        self.usage("layers", "ocidir://layout:v1", "-o", "d")
        terminal = Terminal(self, "layers", "ocidir://layout:v1", "--save", "0")
        self.assertEqual(terminal.end(), 2)
        self.assertIn("standard output is a terminal", terminal.shown)
        self.assertEqual(self.run_tool("layers", "ocidir://layout:v1", "--save", "0", "--json").code, 2)

    def test_delete_and_gc_free_what_nothing_needs(self):
        self.built()
        (self.work / "site/more").write_bytes(os.urandom(50000))
        self.built("v2")
        done = self.ok("delete", "ocidir://layout:v2")
        self.assertEqual((done.out, done.err), ("", "cldoci: deleted ocidir://layout:v2\n"))
        self.assertEqual(self.ok("tags", "ocidir://layout").out, "v1\n")
        self.assertGreater(int(self.ok("gc", "ocidir://layout").out), 50000)
        self.assertEqual(self.json_of("gc", "ocidir://layout")["freedBytes"], 0)
        self.assertEqual(self.json_of("delete", "ocidir://layout:v1")["reference"], "ocidir://layout:v1")
        self.error_of("delete", "ocidir://layout:v1")

    def test_tags_are_given_many_at_once(self):
        digest = self.built()
        done = self.json_of("tag", "ocidir://layout:v1", "a", "b")
        self.assertEqual((done["references"], done["digest"]), (["ocidir://layout:a", "ocidir://layout:b"], digest))

    def test_options_are_listed_with_their_meaning(self):
        self.assertRegex(self.ok("options", "timeout_ms").out, r"^timeout_ms \(int \d+\.\.\d+, default 0\)\n    deadline of a whole")
        self.assertEqual(self.usage("options", "timeout"), "unknown option 'timeout': did you mean timeout_ms?")
        options = self.json_of("options")["options"]
        self.assertEqual(set(options[0]), {"name", "type", "scope", "values", "default", "environment", "help"})
        by_name = {option["name"]: option for option in options}
        self.assertEqual(by_name["store"]["environment"], "CLDOCI_STORE")
        self.assertIsNone(by_name["password"]["environment"])
        for name in by_name:
            self.assertIn(f"{name} (", self.ok("options").out)

    def test_strange_names_leave_json_valid_and_terminals_alone(self):
        (self.work / "site/.cldignore").write_text("x*\n")
        for name in (b'x"q\\', b"x\xff\xfe", b"x\x1b[31m", "xü\u2028".encode(), b"x\xed\xa0\x80", b"x\nnew"):
            (self.work / "site").joinpath(os.fsdecode(name)).write_text("1")
        done = self.ok("build", "site", "-k", "component", "--json", "-v")
        paths = [entry["path"] for entry in done.json["leftOut"]]
        self.assertIn('x"q\\', paths)
        self.assertIn("x\ufffd\ufffd", paths)
        self.assertIn("xü\u2028", paths)
        self.assertNotIn("\x1b", done.err)
        self.assertEqual(len([line for line in done.err.splitlines() if "left out: x" in line]), 6)

    def test_an_index_is_shown_where_no_platform_fits(self):
        digest = self.built()
        entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1,
                 "platform": {"os": "plan9", "architecture": "mips"}, "artifactType": "application/vnd.x"}
        kind = "application/vnd.oci.image.index.v1+json"
        index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [entry, entry]})
        listed = hashlib.sha256(index.encode()).hexdigest()
        (self.work / "layout/blobs/sha256" / listed).write_text(index)
        named = {"mediaType": kind, "digest": f"sha256:{listed}", "size": len(index),
                 "annotations": {"org.opencontainers.image.ref.name": "all"}}
        (self.work / "layout/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
        self.assertEqual(self.error_of("inspect", "ocidir://layout:all")["status"], "NOT_FOUND")
        self.assertEqual(self.ok("manifest", "ocidir://layout:all").out, index)
        row = {"digest": digest, "mediaType": entry["mediaType"], "size": 1, "platform": "plan9/mips", "kind": "application/vnd.x"}
        self.assertEqual(self.json_of("manifest", "ocidir://layout:all")["entries"], [row, row])

    def test_an_error_has_the_facts_of_the_registry(self):
        refused = Server(self, answer=(403, '{"errors":[{"code":"DENIED","message":"no"},{"code":"B","detail":[1]}]}'))
        error = self.error_of("resolve", f"{refused.host}/app:v1")
        self.assertEqual((error["status"], error["code"], error["httpStatus"], error["registryCode"], error["retryable"]),
                         ("DENIED", -45, 403, "DENIED", False))
        self.assertEqual(error["registryErrors"], [{"code": "DENIED", "message": "no", "detail": None},
                                                   {"code": "B", "message": "", "detail": [1]}])
        down = self.error_of("resolve", "127.0.0.1:1/app:v1", "--option", "retries=0")
        self.assertEqual((down["status"], down["httpStatus"], down["retryable"]), ("NETWORK", None, True))

    def test_a_time_limit_ends_a_verb(self):
        self.built(size=300000)
        slow = Server(self, self.work / "layout", rate=20000)
        error = self.error_of("pull", f"{slow.host}/app:v1", "out", "--timeout", "1")
        self.assertEqual(error["status"], "TIMEOUT")

    def test_debug_shows_requests_and_no_secrets(self):
        self.built()
        server = Server(self, self.work / "layout")
        done = self.ok("resolve", f"{server.host}/app:v1", "--debug")
        self.assertRegex(done.err, rf"(?m)^cldoci: debug: .*{server.host}.*manifests/v1")
        self.assertRegex(done.out, r"^sha256:\w+\n$")
        self.assertEqual(self.ok("resolve", f"{server.host}/app:v1").err, "")
