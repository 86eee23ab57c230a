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
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

from measure import ROOT


def certificate(work, signs=False):
    """Makes a certificate that signs itself; what the registry's settings say of it. That whose key also `signs` tokens is
    of RSA: openssl writes its signatures as tokens have them."""
    key = ["-newkey", "rsa:2048"] if signs else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    place = work / "tls"
    place.mkdir()
    subprocess.run(["openssl", "req", "-x509", *key, "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", place / "key.pem",
                    "-out", place / "cert.pem"], check=True, capture_output=True)
    return f", tls: {{certificate: {place / 'cert.pem'}, key: {place / 'key.pem'}}}"


class Tokens:
    """Gives whoever asks a token for the scopes that are asked for, over TLS with the registry's certificate, whose key signs
    them. One for the same scopes is given again, so that a client that asks each time waits for a request alone."""

    def __init__(self, place):
        tokens = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def log_message(self, *_):
                pass

            def do_GET(self):
                asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                body = json.dumps({"token": tokens.token(" ".join(asked.get("scope", [])))}).encode()
                self.send_response_only(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.place, self.made, self.lock = place, {}, threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(place / "cert.pem", place / "key.pem")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # The handshake is the thread's that serves, not that of the one which accepts.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self):
        """What the registry's settings say of it."""
        realm = f"https://127.0.0.1:{self.server.server_port}/token"
        return f"auth: {{token: {{realm: '{realm}', service: bench, issuer: bench, rootcertbundle: {self.place / 'cert.pem'}}}}}\n"

    def token(self, scopes):
        with self.lock:
            if scopes not in self.made:
                self.made[scopes] = self.signed(scopes)
            return self.made[scopes]

    def signed(self, scopes):
        """A JSON web token, whose header has the certificate."""
        certificate = "".join((self.place / "cert.pem").read_text().split("\n")[1:-2])
        access = [dict(zip(("type", "name", "actions"), scope.split(":"))) for scope in scopes.split()]
        access = [dict(scope, actions=scope["actions"].split(",")) for scope in access]
        now = int(time.time())
        claims = {"iss": "bench", "aud": "bench", "sub": "", "iat": now, "nbf": now - 60, "exp": now + 7200, "jti": secrets.token_hex(8),
                  "access": access}
        plain = b".".join(base64url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "RS256", "x5c": [certificate]}, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.place / "key.pem"], input=plain, capture_output=True, check=True)
        return (plain + b"." + base64url(signature.stdout)).decode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Registry:
    """Distribution 3 on a free loopback port, its data in `work`; with `tls`, its certificate is `work/tls/cert.pem`; with
    `tokens` too, it wants a token for each request, and `tokens` gives them."""

    def __init__(self, work, tls=False, tokens=False):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{port}"
        self.data = work / "registry"
        log = work / "registry.log"
        config = work / "registry.yml"
        secured = certificate(work, tokens) if tls else ""
        self.tokens = Tokens(work / "tls") if tokens else None
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage:\n  filesystem: {{rootdirectory: {self.data}}}\n  delete: {{enabled: true}}\nhttp: {{addr: {self.host}{secured}}}\n"
            + (self.tokens.settings() if tokens else ""))
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
        if self.tokens:
            self.tokens.close()


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
