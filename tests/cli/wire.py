"""A registry on loopback that answers as an input says: raw bytes, and what was asked is kept."""
import hashlib
import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Answer:
    def __init__(self, status, body=b"", headers=()):
        self.status, self.body, self.headers = status, body, list(headers)
        # How much of the body is sent before the connection ends, and whether its length is told.
        self.cut, self.length = None, True

    def set(self, name, value):
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))
        return self


def refusal(status, code):
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
    return Answer(status, body, [("Content-Type", "application/json")])


class Request:
    def __init__(self, handler):
        self.method = handler.command
        self.path, _, self.query = handler.path.partition("?")
        self.headers = handler.headers
        length = handler.headers.get("Content-Length")
        self.body = handler.rfile.read(int(length)) if length else b""
        if handler.headers.get("Transfer-Encoding", "").lower() == "chunked":
            self.body = self.chunks(handler.rfile)

    @staticmethod
    def chunks(source):
        body = b""
        while size := int(source.readline().split(b";")[0], 16):
            body += source.read(size)
            source.readline()
        source.readline()
        return body


class Registry:
    """Its repositories have one set of contents, but for `new/app`, which has what is put there.
    `hook(request, answer)` may give another answer."""

    def __init__(self, tls=None):
        self.manifests, self.blobs, self.uploads, self.hook = {}, {}, {}, None
        self.pushed, self.pushed_blobs = {}, set()
        self.referrers, self.other = True, None
        self.asked, self.lock = [], threading.Lock()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Answers that wait for one another's acknowledgement would cost 40 ms each.
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def handle_one(self):
                request = Request(self)
                with registry.lock:
                    answer = registry.answer(request)
                    if registry.hook:
                        answer = registry.hook(request, answer) or answer
                    registry.asked.append(request)
                self.wfile.write(registry.bytes_of(request, answer))
                if answer.cut is not None or not answer.length:
                    self.close_connection = True

            do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_one

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """A client that hangs up is no failure of the test."""

        self.http = Quiet(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.host = "127.0.0.1:%d" % self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def beside(self):
        """Another server, which ends with this one."""
        self.other = self.other or Registry()
        return self.other

    def close(self):
        if self.other:
            self.other.close()
        self.http.shutdown()
        self.http.server_close()

    @staticmethod
    def bytes_of(request, answer):
        headers = list(answer.headers)
        if answer.length and answer.status != 204 and not any(name == "Content-Length" for name, _ in headers):
            headers.append(("Content-Length", str(len(answer.body))))
        if not answer.length:
            headers.append(("Connection", "close"))
        head = f"HTTP/1.1 {answer.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
        body = b"" if request.method == "HEAD" else answer.body
        return head.encode("utf-8") + (body if answer.cut is None else body[:answer.cut])

    def blob(self, media_type, content, **more):
        """Puts a blob, and gives its descriptor."""
        self.blobs[digest_of(content)] = content
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}

    def manifest(self, document, tag=None, media_type=None):
        """Puts a manifest, and gives its descriptor."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        media_type = media_type or document["mediaType"]
        for name in filter(None, (tag, digest_of(content))):
            self.manifests[name] = (media_type, content)
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def answer(self, request):
        if request.path in ("/v2/", "/v2"):
            return Answer(200, b"{}", [("Content-Type", "application/json")])
        for pattern, handle in (
            (r"/v2/(.+)/blobs/uploads/(.*)", self.upload),
            (r"/v2/(.+)/blobs/(.+)", self.read_blob),
            (r"/v2/(.+)/manifests/(.+)", self.read_or_write_manifest),
            (r"/v2/(.+)/referrers/(.+)", self.list_referrers),
            (r"/v2/(.+)/tags/list", self.list_tags),
        ):
            if found := re.fullmatch(pattern, request.path):
                return handle(request, *found.groups())
        return refusal(404, "NOT_FOUND")

    def read_or_write_manifest(self, request, repository, name):
        manifests = self.pushed if repository == "new/app" else self.manifests
        if request.method == "PUT":
            manifests[name] = manifests[digest_of(request.body)] = (request.headers["Content-Type"], request.body)
            return Answer(201, b"", [("Location", request.path), ("Docker-Content-Digest", digest_of(request.body))])
        if name not in manifests:
            return refusal(404, "MANIFEST_UNKNOWN")
        media_type, content = manifests[name]
        return Answer(200, content, [("Content-Type", media_type), ("Docker-Content-Digest", digest_of(content))])

    def read_blob(self, request, repository, digest):
        if digest not in self.blobs or (repository == "new/app" and digest not in self.pushed_blobs):
            return refusal(404, "BLOB_UNKNOWN")
        content = self.blobs[digest]
        headers = [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest)]
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", "")):
            first, last = int(found[1]), int(found[2] or len(content) - 1)
            headers.append(("Content-Range", f"bytes {first}-{last}/{len(content)}"))
            return Answer(206, content[first:last + 1], headers)
        return Answer(200, content, headers)

    def upload(self, request, repository, session):
        at = f"/v2/{repository}/blobs/uploads/{session or len(self.uploads)}"
        if request.method == "POST":
            mount = re.search(r"mount=(sha256(?::|%3A)[0-9a-f]+)", request.query)
            if mount and mount[1].replace("%3A", ":") in self.blobs:
                self.pushed_blobs.add(mount[1].replace("%3A", ":"))
                return Answer(201, b"", [("Location", f"/v2/{repository}/blobs/{mount[1]}")])
            self.uploads[at] = b""
            return Answer(202, b"", [("Location", at), ("Range", "0-0")])
        if request.method == "DELETE":
            return Answer(204)
        self.uploads[at] += request.body
        if request.method == "PATCH":
            return Answer(202, b"", [("Location", at), ("Range", f"0-{len(self.uploads[at]) - 1}")])
        content = self.uploads.pop(at)
        self.uploads[at] = b""
        self.blobs[digest_of(content)] = content
        self.pushed_blobs.add(digest_of(content))
        return Answer(201, b"", [("Location", f"/v2/{repository}/blobs/{digest_of(content)}")])

    def list_tags(self, request, repository):
        tags = sorted(name for name in self.manifests if ":" not in name)
        return Answer(200, json.dumps({"name": repository, "tags": tags}).encode(), [("Content-Type", "application/json")])

    def list_referrers(self, request, _, subject):
        if not self.referrers:
            return refusal(404, "NOT_FOUND")
        found = []
        for name, (media_type, content) in self.manifests.items():
            document = json.loads(content)
            if ":" in name and (document.get("subject") or {}).get("digest") == subject:
                kind = document.get("artifactType") or document["config"]["mediaType"]
                found.append({"mediaType": media_type, "digest": name, "size": len(content), "artifactType": kind})
        return Answer(200, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}).encode(), [("Content-Type", INDEX)])
