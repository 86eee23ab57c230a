#!/usr/bin/env python3
"""Peak memory of verbs on shapes that a stranger may choose, against the promise of the header (G7).

  tests/memory.py TOOL LAUNCH [--full] [--only WORD...]

LAUNCH is benches/macro/launch.c, compiled: it measures a process without what its parent has. Each shape is tried small
enough for CI; with --full as large as docs/reliability.md has it. All is made in $TMPDIR, best on a tmpfs.
"""

import argparse
import gzip
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zlib

MIB = 1 << 20
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PROMISE = 24 + 4 * len(os.sched_getaffinity(0))
DOCUMENTS = 16


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def described(content, media_type, **more):
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


class Registry:
    """A registry in memory: documents may be made as they are asked for, and what is pushed is hashed and forgotten."""

    def __init__(self):
        own = self
        self.documents, self.blobs, self.pushed, self.uploads = {}, {digest_of(b"{}"): b"{}"}, {}, {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, content=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def do_GET(self):
                _, kind, name = self.path.rsplit("/", 2)
                if kind == "manifests" and name in own.documents:
                    content, media_type = own.documents[name]()
                    self.answer(200, content, Content_Type=media_type, Docker_Content_Digest=digest_of(content))
                elif kind == "manifests" and name in own.pushed:
                    self.answer(200, b"", Content_Type=own.pushed[name], Docker_Content_Digest=name)
                elif kind == "blobs" and name in own.blobs:
                    self.answer(200, own.blobs[name])
                else:
                    self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', Content_Type="application/json")

            do_HEAD = do_GET

            def body(self):
                hasher, left = hashlib.sha256(), int(self.headers.get("Content-Length") or 0)
                while left:
                    part = self.rfile.read(min(left, 1 << 16))
                    hasher.update(part)
                    left -= len(part)
                return "sha256:" + hasher.hexdigest()

            def do_POST(self):
                self.body()
                self.answer(202, Location=self.path.split("?")[0].rstrip("/") + "/one")

            def do_PUT(self):
                digest = self.body()
                if "/manifests/" in self.path:
                    own.pushed[digest] = self.headers["Content-Type"]
                    own.pushed[self.path.rsplit("/", 1)[1]] = self.headers["Content-Type"]
                self.answer(201, Docker_Content_Digest=digest)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.name = "127.0.0.1:%d" % self.server.server_address[1]

    def put(self, name, content, media_type):
        self.documents[name] = self.documents[digest_of(content)] = lambda: (content, media_type)


class Layout:
    def __init__(self, at):
        self.at, self.entries = at, []
        shutil.rmtree(at, ignore_errors=True)
        os.makedirs(at + "/blobs/sha256")
        with open(at + "/oci-layout", "w") as file:
            file.write('{"imageLayoutVersion":"1.0.0"}')
        self.blob(b"{}")

    def blob(self, content):
        with open(self.at + "/blobs/sha256/" + hashlib.sha256(content).hexdigest(), "wb") as file:
            file.write(content)

    def tag(self, name, content, media_type):
        self.blob(content)
        entry = described(content, media_type, annotations={"org.opencontainers.image.ref.name": name})
        self.entries.append(entry)
        with open(self.at + "/index.json", "w") as file:
            json.dump({"schemaVersion": 2, "manifests": self.entries}, file)
        return "ocidir://%s:%s" % (self.at, name)

    def layer(self, pieces):
        """Adds a layer of these pieces of tar; its descriptor."""
        hasher, size, temporary = hashlib.sha256(), 0, self.at + "/layer"
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        with open(temporary, "wb") as file:
            for piece in list_and_end(pieces):
                packed = packer.flush() if piece is None else packer.compress(piece)
                hasher.update(packed)
                size += len(packed)
                file.write(packed)
        os.rename(temporary, self.at + "/blobs/sha256/" + hasher.hexdigest())
        return {"mediaType": LAYER, "digest": "sha256:" + hasher.hexdigest(), "size": size}


def list_and_end(pieces):
    yield from pieces
    yield bytes(1024)
    yield None


def manifest(layers=(), annotations=None):
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described(b"{}", EMPTY), "layers": list(layers)}
    return json.dumps({**document, **({"annotations": annotations} if annotations else {})}).encode()


def noted(count, size, seed=0):
    """A manifest of about so many bytes, in so many annotations."""
    room = max(8, size // count - 28)
    return manifest(annotations={"org.example.%08d" % n: ("%d-%d-" % (seed, n)).ljust(room, "x")[:room] for n in range(count)})


def header(name, kind=b"0", size=0):
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108], block[108:116], block[116:124] = (b"0000755\0" if kind == b"5" else b"0000644\0"), b"0000000\0", b"0000000\0"
    block[124:136], block[136:148], block[148:156] = b"%011o\0" % size, b"00000000000\0", b"        "
    block[156:157], block[257:265] = kind, b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return block


def entries(names, kind=b"0"):
    """Headers of empty entries, a thousand at once. The checksum is corrected, not counted anew."""
    base = header(b"", kind)
    plain = sum(base) - sum(base[148:156]) + 8 * 32
    batch = []
    for name in names:
        block = bytearray(base)
        block[: len(name)] = name
        block[148:156] = b"%06o\0 " % (plain + sum(name))
        batch.append(block)
        if len(batch) == 1000:
            yield b"".join(batch)
            batch = []
    yield b"".join(batch)


def extended(path):
    """The header of a file whose path is longer than a tar's name may be."""
    body = b" path=" + path + b"\n"
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    body = b"%d%s" % (length, body)
    return bytes(header(b"p", b"x", len(body))) + body + bytes(-len(body) % 512) + bytes(header(b"f"))


class Room:
    def __init__(self, tool, launch, at, full, only):
        self.tool, self.launch, self.at, self.full, self.only = os.path.abspath(tool), os.path.abspath(launch), at, full, only
        self.failed = False
        self.environment = {"PATH": os.environ["PATH"], "HOME": at, "CLDOCI_STORE": at + "/store", "DOCKER_CONFIG": at + "/none"}

    def path(self, name):
        return os.path.join(self.at, name)

    def fresh(self, *names):
        for name in names:
            subprocess.run(["rm", "-rf", self.path(name)], check=True)

    def run(self, *arguments, status=0, words="", options=()):
        """A verb's peak in MiB. It ends with this status, and says these words where that is a failure."""
        report = self.path("report")
        command = [self.launch, report, self.tool, *arguments]
        for option in options:
            command += ["--option", option]
        done = subprocess.run(command, env=self.environment, cwd=self.at, capture_output=True, text=True, errors="replace")
        if (done.returncode != 0) != (status != 0) or words not in done.stderr:
            sys.exit("error: %s ended with %d: %s" % (" ".join(arguments), done.returncode, done.stderr.strip()[:1000]))
        with open(report) as file:
            return int(file.read().split()[3]) / 1024

    def bound(self, what, peak, most=PROMISE):
        if peak > most:
            self.failed = True
        print("%-76s %6.1f  at most %4d  %s" % (what, peak, most, "ok" if peak <= most else "TOO MUCH"), flush=True)


def documents(room):
    """One manifest of 8 MiB; an index of many, which are not all kept."""
    registry, most = Registry(), PROMISE + DOCUMENTS
    for count, what in [(100_000, "100,000 annotations"), (200, "200 annotations")]:
        large = noted(count, 8 * MIB - 2000)
        at, layout = registry.name + "/large:v%d" % count, Layout(room.path("layout"))
        registry.put("v%d" % count, large, MANIFEST)
        local = layout.tag("v1", large, MANIFEST)
        for verb, arguments in [
            ("resolve", ["resolve", at]),
            ("inspect", ["inspect", at]),
            ("pull", ["pull", at, room.path("out")]),
            ("tag", ["tag", at, "v2"]),
            ("copy to a layout", ["copy", at, "ocidir://" + room.path("copy") + ":v1"]),
            ("copy from a layout", ["copy", local, registry.name + "/other:v1"]),
            ("copy to a registry", ["copy", at, registry.name + "/other:v1"]),
            ("tag in a layout", ["tag", local, "v2"]),
            ("pull from a layout", ["pull", local, room.path("out2")]),
            ("inspect in a layout", ["inspect", local]),
        ]:
            room.fresh("out", "out2", "copy")
            # The texts of annotations that a caller asks for are the caller's.
            more = DOCUMENTS if verb.startswith("inspect") else 0
            room.bound("%s: a manifest of 8 MiB with %s" % (verb, what), room.run(*arguments), most + more)
    one = described(b"{}", "application/vnd.example", annotations={"k%d" % n: "v" for n in range(12)})
    registry.put("layers", manifest([one] * 9000), MANIFEST)
    at, what = registry.name + "/layers:layers", "a manifest of 9,000 layers with 12 annotations each"
    room.fresh("copy")
    room.bound("inspect: " + what, room.run("inspect", at), most + DOCUMENTS)
    room.bound("tag: " + what, room.run("tag", at, "v2"), most)
    room.bound("copy to a layout: " + what, room.run("copy", at, "ocidir://" + room.path("copy") + ":v1"), most)
    number, size = (100, 8 * MIB - 2000) if room.full else (8, 6 * MIB)
    for count in [200, 100_000] if room.full else [70_000]:
        layout = Layout(room.path("layout"))
        listed = []
        for n in range(number):
            one = noted(count, size, n)
            listed.append(described(one, MANIFEST))
            layout.blob(one)
            name = listed[-1]["digest"]
            registry.documents[name] = lambda at=layout.at + "/blobs/sha256/" + name[7:]: (open(at, "rb").read(), MANIFEST)
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
        local = layout.tag("v1", index, INDEX)
        registry.put("index", index, INDEX)
        at, what = registry.name + "/index:index", "an index of %d manifests of %d MiB, %d annotations each" % (number, size // MIB + 1, count)
        room.fresh("copy")
        room.bound("copy to a layout: " + what, room.run("copy", at, "ocidir://" + room.path("copy") + ":v1"), most)
        room.fresh("copy")
        room.bound("copy from a layout: " + what, room.run("copy", local, registry.name + "/other:v1"), most)
        room.bound("copy to a registry: " + what, room.run("copy", at, registry.name + "/another:v1"), most)
        layers = [described(b"{}", EMPTY)]
    # An index in an index in an index, each large.
    depth = 8 if room.full else 4
    inner = manifest(layers)
    entry = described(inner, MANIFEST)
    registry.put("inner", inner, MANIFEST)
    for level in range(depth):
        inner = json.dumps({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry],
            "annotations": {"org.example.%08d" % n: ("%d" % level).ljust(50, "x") for n in range(80_000)},
        }).encode()
        entry = described(inner, INDEX)
        registry.put("nested", inner, INDEX)
    at, what = registry.name + "/nested:nested", "indexes of %.1f MiB, %d deep" % (len(inner) / MIB, depth)
    room.fresh("copy")
    room.bound("copy to a layout: " + what, room.run("copy", at, "ocidir://" + room.path("copy") + ":v1"), most)
    room.bound("copy to a registry: " + what, room.run("copy", at, registry.name + "/another:v1"), most)


def directories(room):
    """Very many files in one directory, and in a thousand; directories in one directory."""
    count = 1_000_000 if room.full else 50_000
    tail = b"n" * 80
    shapes = [
        ("files in one directory", (b"%07d" % n + tail for n in range(count)), b"0"),
        ("files in %d directories" % (count // 1000), (b"%04d/%07d" % (n // 1000, n) + tail for n in range(count)), b"0"),
        ("directories in one", (b"d/%07d" % n + tail for n in range(count // 5)), b"5"),
    ]
    for what, names, kind in shapes:
        layout = Layout(room.path("layout"))
        layer = layout.layer(entries(names, kind))
        wrong = layout.layer([bytes(header(b"../out"))])
        before = layout.layer([bytes(header(b"first"))])
        at = layout.tag("v1", manifest([layer]), MANIFEST)
        two = layout.tag("v2", manifest([before, layer]), MANIFEST)
        refused = layout.tag("v3", manifest([layer, wrong]), MANIFEST)
        what = "%d %s" % (count if kind == b"0" else count // 5, what)
        room.fresh("out")
        out = room.path("out")
        room.bound("pull: " + what, room.run("pull", at, out))
        room.bound("pull again, unchanged: " + what, room.run("pull", at, out))
        room.bound("pull over them, replace: " + what, room.run("pull", two, out, options=["existing=replace"]))
        room.bound("pull over them, merge: " + what, room.run("pull", at, out, options=["existing=merge"]))
        room.fresh("out")
        room.bound("pull, a layer behind the first: " + what, room.run("pull", two, out))
        room.fresh("out")
        room.bound("removal of what was refused: " + what, room.run("pull", refused, out, status=1, words="../out"))
        if os.path.exists(out) or [name for name in os.listdir(room.at) if "cldoci-" in name]:
            sys.exit("error: a refused pull left something behind: %s" % os.listdir(room.at))
        room.bound("pull that is out of time: " + what, room.run("pull", at, out, status=1, options=["timeout_ms=%d" % (count // 1000)]))
        room.fresh("out")


def builds(room):
    """What a build needs grows with its largest directory alone: so many bytes for each name."""
    sizes = [100_000, 1_000_000] if room.full else [20_000, 60_000]
    for tail, each in [("", "7 bytes"), ("n" * 80, "87 bytes")]:
        peaks = []
        for count in sizes:
            room.fresh("tree", "layout")
            os.makedirs(room.path("tree"))
            for n in range(count):
                os.close(os.open(room.path("tree/%07d" % n + tail), os.O_CREAT | os.O_WRONLY))
            peaks.append(room.run("build", room.path("tree"), "ocidir://" + room.path("layout") + ":v1", "--kind", "component"))
            print("%-76s %6.1f" % ("build of one directory of %d names of %s" % (count, each), peaks[-1]), flush=True)
        grown = (peaks[1] - peaks[0]) * MIB / (sizes[1] - sizes[0])
        room.bound("build: bytes for each name of %s in the largest directory" % each, grown, 7 * 60 + 2 * len(tail))
        room.fresh("tree", "layout")
    room.fresh("tree")
    for n in range(sizes[1]):
        if n % 1000 == 0:
            os.makedirs(room.path("tree/%04d" % (n // 1000)))
        os.close(os.open(room.path("tree/%04d/%07d" % (n // 1000, n)), os.O_CREAT | os.O_WRONLY))
    peak = room.run("build", room.path("tree"), "ocidir://" + room.path("layout") + ":v1", "--kind", "component")
    room.bound("build of %d names in directories of 1,000" % sizes[1], peak)
    room.fresh("tree", "layout")


def ignored(room):
    """Patterns of a .cldignore: what is taken is within the promise, what is not says line and cure."""
    for what, text, taken in [
        ("6,000 names", "".join("name%d\n" % n for n in range(6000)), True),
        ("30,000 names", "".join("name%d\n" % n for n in range(30_000)), False),
        ("2,000 patterns", "".join("p%06d*q\n" % n for n in range(2000)), True),
        ("30,000 patterns", "".join("p%06d*q\n" % n for n in range(30_000)), False),
        ("20 KB of classes in one line", "[ab]" * 5000, True),
        ("400 KB of classes in one line", "[ab]" * 100_000, False),
        ("1 MiB of *a*N*b*", "".join("*a*%05d*b*\n" % n for n in range(80_000)), False),
        ("1,500 of *a*N*b*", "".join("*a*%05d*b*\n" % n for n in range(1500)), True),
        ("1,500 of **/N/**/x", "".join("**/%04d/**/x\n" % n for n in range(1500)), True),
    ]:
        room.fresh("tree", "layout")
        os.makedirs(room.path("tree"))
        for name, content in [(".cldignore", text), ("file", "x"), ("abab" * 50, "x")]:
            with open(room.path("tree/" + name), "w") as file:
                file.write(content)
        arguments = ["build", room.path("tree"), "ocidir://" + room.path("layout") + ":v1", "--kind", "component"]
        peak = room.run(*arguments) if taken else room.run(*arguments, status=1, words="write fewer and shorter ones")
        room.bound(".cldignore of %s, %s" % (what, "taken" if taken else "refused"), peak)


def implied(room):
    """Directories that no entry of an archive names are entries all the same."""
    many = 2000 if room.full else 200
    for files in (5, many):
        layout = Layout(room.path("layout"))
        deep = b"/".join([b"d"] * 250)
        layer = layout.layer(extended(b"%d/" % n + deep + b"/f") for n in range(files))
        at = layout.tag("v1", manifest([layer]), MANIFEST)
        made, out = files * 252, room.path("out")
        room.fresh("out")
        options = ["max_depth=300", "max_entries=%d" % (made // 2)]
        peak = room.run("pull", at, out, status=1, words="max_entries", options=options)
        room.bound("implied directories over max_entries: %d files of %d KB" % (files, layer["size"] >> 10), peak)
        # Each has an extension header, which counts too.
        peak = room.run("pull", at, out, options=["max_depth=300", "max_entries=%d" % (made + files)])
        found = int(subprocess.run("find '%s' -mindepth 1 | wc -l" % out, shell=True, capture_output=True, check=True).stdout)
        if found != made:
            sys.exit("error: %d entries were made, not %d" % (found, made))
        room.bound("implied directories within it: %d made" % made, peak)
        room.fresh("out")


SHAPES = [documents, directories, builds, ignored, implied]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("launch")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", nargs="*", default=[shape.__name__ for shape in SHAPES])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as at:
        room = Room(given.tool, given.launch, at, given.full, given.only)
        print("peak memory in MiB")
        for shape in SHAPES:
            if shape.__name__ in given.only:
                shape(room)
    sys.exit(1 if room.failed else 0)


if __name__ == "__main__":
    main()
