"""What the tests of the tool share: a directory for each test, the tool as a process, a terminal, a server."""
import base64
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = os.environ["CLDOCI_TOOL"]
PASSWORD = "canary-of-the-tool"

# Who runs the tests in the background may have them ignored, and the tool leaves an ignored signal so.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


class Done:
    """How a run ended."""

    def __init__(self, code, out, err):
        self.code, self.raw, self.err = code, out, err
        self.out = out.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.raw.decode("utf-8"))


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.work = Path(tempfile.mkdtemp(prefix="cldoci-cli-"))
        self.addCleanup(shutil.rmtree, self.work)
        (self.work / "site").mkdir()
        (self.work / "site/index.html").write_text("<p>hello\n")
        (self.work / "config.json").write_text('{"schemaVersion": "v1"}\n')
        (self.work / "home").mkdir()
        self.environment = {
            "PATH": f"{Path(TOOL).parent}:/usr/bin:/bin",
            "HOME": str(self.work / "home"),
            "CLDOCI_STORE": str(self.work / "home/store"),
            "LC_ALL": "C.UTF-8",
        }

    def start(self, *arguments, **more):
        environment = {**self.environment, **more.pop("environment", {})}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen([TOOL, *map(str, arguments)], cwd=self.work, env=environment, **pipes)

    def run_tool(self, *arguments, input=None, **more):
        if input is not None:
            more["stdin"] = subprocess.PIPE
        with self.start(*arguments, **more) as process:
            try:
                out, err = process.communicate(input, timeout=60)
            finally:
                process.kill()
        return Done(process.returncode, out or b"", (err or b"").decode(errors="replace"))

    def ok(self, *arguments, **more):
        done = self.run_tool(*arguments, **more)
        self.assertEqual(done.code, 0, f"{arguments}: {done.err}")
        return done

    def usage(self, *arguments, **more):
        """A usage error, as one line; the usage follows it."""
        done = self.run_tool(*arguments, **more)
        self.assertEqual((done.code, done.out), (2, ""), f"{arguments}: {done.err}")
        first, rest = done.err.split("\n", 1)
        self.assertIn("usage: cldoci", rest)
        self.assertTrue(first.startswith("cldoci: error: "), first)
        return first[len("cldoci: error: "):]

    def built(self, tag="v1", size=0):
        """A layout with an artifact; `size` bytes that don't compress."""
        if size:
            (self.work / "site/large").write_bytes(os.urandom(size))
        return self.ok("build", "site", f"ocidir://layout:{tag}", "--kind", "component").out.strip()

    def beside(self):
        """What lies in the directory, but for what every test has."""
        return sorted(set(os.listdir(self.work)) - {"site", "config.json", "home", "layout"})


class Terminal:
    """The tool on a terminal of its own; what it shows is read as it comes."""

    def __init__(self, case, *arguments, columns=80, environment=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [TOOL, *map(str, arguments)], cwd=case.work, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**case.environment, "TERM": "xterm", **(environment or {})})
        os.close(slave)
        self.shown = ""
        case.addCleanup(self.close)

    def read(self, until=None, timeout=30):
        """Reads until a pattern was shown, or to the end."""
        end = time.monotonic() + timeout
        while until is None or not re.search(until, self.shown):
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"{until!r} was not shown: {self.shown!r}")
            try:
                more = os.read(self.master, 65536)
            except OSError:
                more = b""
            if not more:
                if until is None:
                    return self.shown
                raise AssertionError(f"it ended without {until!r}: {self.shown!r}")
            self.shown += more.decode(errors="replace")
        return self.shown

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        self.read()
        return self.process.wait(30)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


class Server:
    """A registry for reading, on loopback: serves a layout, as slowly as it is asked to, to whom knows the password."""

    def __init__(self, case, layout=None, rate=None, password=None, answer=None):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in {"Content-Length": len(body), **headers}.items():
                    self.send_header(name.replace("_", "-"), str(value))
                self.end_headers()
                if self.command == "HEAD":
                    return
                piece = max(1, rate // 20) if rate else max(1, len(body))
                for at in range(0, len(body), piece):
                    try:
                        self.wfile.write(body[at:at + piece])
                        self.wfile.flush()
                    except OSError:
                        self.close_connection = True
                        return
                    if rate and len(body) > 4096 and server.stopped.wait(piece / rate):
                        self.close_connection = True
                        return

            def do_GET(self):
                if password is not None:
                    expected = "Basic " + base64.b64encode(f"user:{password}".encode()).decode()
                    if self.headers.get("Authorization") != expected:
                        return self.reply(401, WWW_Authenticate='Basic realm="test"')
                if answer is not None:
                    return self.reply(answer[0], answer[1].encode(), Content_Type="application/json")
                found = re.fullmatch(r"/v2/.+/(manifests|blobs)/(.+)", self.path)
                if not found or layout is None:
                    return self.reply(200 if self.path == "/v2/" else 404)
                kind, name = found.groups()
                index = json.loads((layout / "index.json").read_text())["manifests"]
                tags = {entry.get("annotations", {}).get("org.opencontainers.image.ref.name"): entry for entry in index}
                digest = tags[name]["digest"] if name in tags else name
                file = layout / "blobs" / digest.replace(":", "/")
                if not file.is_file():
                    return self.reply(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', Content_Type="application/json")
                body = file.read_bytes()
                media = json.loads(body)["mediaType"] if kind == "manifests" else "application/octet-stream"
                self.reply(200, body, Content_Type=media, Docker_Content_Digest="sha256:" + hashlib.sha256(body).hexdigest())

            do_HEAD = do_GET

        self.stopped = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.host = "127.0.0.1:%d" % self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        case.addCleanup(self.close)

    def close(self):
        self.stopped.set()
        self.http.shutdown()
        self.http.server_close()
