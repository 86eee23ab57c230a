"""CNCF Distribution 3 on loopback, and a meter before it that counts, and asks for tokens where it is told to."""
import base64
import http.client
import http.server
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

from measure import ROOT


def certificate(work):
    """Makes a certificate that signs itself; what the registry's settings say of it."""
    place = work / "tls"
    place.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", place / "key.pem",
                    "-out", place / "cert.pem"], check=True, capture_output=True)
    return f", tls: {{certificate: {place / 'cert.pem'}, key: {place / 'key.pem'}}}"


class Registry:
    """Distribution 3 on a free loopback port, its data in `work`; with `tls`, its certificate is `work/tls/cert.pem`."""

    def __init__(self, work, tls=False):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{port}"
        self.data = work / "registry"
        log = work / "registry.log"
        config = work / "registry.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage:\n  filesystem: {{rootdirectory: {self.data}}}\n  delete: {{enabled: true}}\nhttp: {{addr: {self.host}{certificate(work) if tls else ''}}}\n")
        with open(log, "wb") as out:
            self.process = subprocess.Popen([ROOT / "build/tools/bin/registry3", "serve", config], stdout=out, stderr=out)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    sys.exit(f"the registry does not start: {log.read_text()[-500:]}")
                time.sleep(0.05)

    def cpu(self):
        """Seconds of CPU that it has used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stored(self):
        """Bytes of blobs that it holds."""
        return sum(path.stat().st_size for path in self.data.rglob("data") if "blobs" in path.parts)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Meter:
    """A relay before the registry: `requests` and `sent` (bytes of bodies) since `reset`. With `tokens`, every
    request needs a bearer token for its repository, which /token gives to the user `bench`; that counts, too."""

    def __init__(self, upstream, tokens=False):
        meter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one segment: else Nagle and delayed ACKs make each answer 40 ms late.
            wbufsize = -1
            disable_nagle_algorithm = True

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

            def body(self):
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def answer(self, status, headers, body=b""):
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                if not any(name.lower() == "content-length" for name, _ in headers) and status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def serve(self):
                body = self.body()
                with meter.lock:
                    meter.requests += 1
                    meter.sent += len(body)
                path = urllib.parse.urlsplit(self.path)
                if path.path == "/token":
                    return self.answer(200, [("Content-Type", "application/json")], meter.issue(self.headers, path.query, body))
                challenge = meter.challenge(self.command, path.path, self.headers)
                if challenge:
                    return self.answer(401, [("WWW-Authenticate", challenge), ("Content-Type", "application/json")],
                                       b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}')
                connection = http.client.HTTPConnection(upstream)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("transfer-encoding", "connection", "authorization", "expect", "content-length"):
                        connection.putheader(name, value)
                if body or self.command in ("POST", "PUT", "PATCH"):
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body or None)
                reply = connection.getresponse()
                kept = [(name, value) for name, value in reply.getheaders()
                        if name.lower() not in ("transfer-encoding", "connection")]
                self.answer(reply.status, kept, reply.read())
                connection.close()

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        self.lock = threading.Lock()
        self.tokens = {} if tokens else None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.reset()

    def reset(self):
        self.requests = self.sent = 0

    def issue(self, headers, query, body):
        """A token for the scopes that are asked for, to the user `bench` alone."""
        asked = urllib.parse.parse_qs(query + "&" + body.decode())
        basic = headers.get("Authorization", "").removeprefix("Basic ")
        known = asked.get("password") == ["bench"] or base64.b64decode(basic) == b"bench:bench"
        token = secrets.token_hex(8)
        if known and self.tokens is not None:
            self.tokens[token] = " ".join(asked.get("scope", [])).split()
        return json.dumps({"token": token, "access_token": token, "expires_in": 300}).encode()

    def challenge(self, method, path, headers):
        """The challenge of a 401, or none where the request may pass."""
        if self.tokens is None:
            return None
        found = re.match(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/", path)
        scopes = self.tokens.get(headers.get("Authorization", "").removeprefix("Bearer "))
        scope = ""
        if found:
            action = "pull" if method in ("GET", "HEAD") else "push"
            wanted = f"repository:{found[1]}:"
            if scopes and any(s.startswith(wanted) and action in s.removeprefix(wanted).split(",") for s in scopes):
                return None
            scope = f',scope="{wanted}{"pull" if action == "pull" else "pull,push"}"'
        elif scopes is not None:
            return None
        return f'Bearer realm="http://{self.host}/token",service="bench"{scope}'

    def login(self, bench):
        """The configuration file of docker that every tool reads."""
        auth = base64.b64encode(b"bench:bench").decode()
        (bench.work / "docker/config.json").write_text(json.dumps({"auths": {self.host: {"auth": auth}}}))

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
