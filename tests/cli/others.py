"""What others make and serve: a registry for each, filled by a function. Their names stand in docs/interoperability.md."""
import base64
import gzip
import io
import json
import re
import tarfile
from pathlib import Path

from wire import INDEX, MANIFEST, Answer, digest_of, refusal

LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
TITLE = "org.opencontainers.image.title"
UNPACK = "io.deis.oras.content.unpack"
AMD64 = {"architecture": "amd64", "os": "linux"}
CERTIFICATES = Path(__file__).resolve().parents[1] / "it/registry/certificates"

INPUTS = []


class Input:
    """One thing to read. `refused` has for a verb the quirk's ID that says why it is refused here."""

    def __init__(self, name, quirk, make, verbs, refused, tls):
        self.name, self.quirk, self.make, self.verbs, self.tls = name, quirk, make, verbs, tls
        self.refused = refused or {}


def of(name, quirk, verbs=("copy",), refused=None, tls=None):
    def add(make):
        INPUTS.append(Input(name, quirk, make, verbs, refused, tls))
        return make
    return add


def tar(files, end=b"\0" * 1024):
    out = io.BytesIO()
    for name, content in files.items():
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        out.write(entry.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (-len(content) % 512))
    return out.getvalue() + end


def gzipped(content):
    return gzip.compress(content, mtime=0)


HELLO = tar({"hello.txt": b"hello\n"})
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"


def image(registry, layers=None, tag="v1", change=None, platform=AMD64, content=HELLO, **more):
    """An image that every tool takes for one, with layers of this content; `change` spoils its manifest."""
    if layers is None:
        layers = [registry.blob(LAYER + "+gzip", gzipped(HELLO))]
    config = json.dumps({**platform, "rootfs": {"type": "layers", "diff_ids": [digest_of(content)] * len(layers)}, "config": {}})
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": registry.blob(IMAGE_CONFIG, config.encode()), "layers": layers, **more}
    if change:
        change(document)
    return registry.manifest(document, tag, MANIFEST)


def artifact(registry, layers, tag="v1", **more):
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example", "config": registry.blob(EMPTY, b"{}"), "layers": layers, **more}
    return registry.manifest(document, tag)


def index(registry, entries, tag="v1", **more):
    return registry.manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, **more}, tag)


@of("an image as everybody makes it", "", ("copy", "files", "tags", "push"))
def plain(registry):
    image(registry)


# Documents that Go wrote (Q81).

def nulls(name, change, refused=None):
    of(f"null for {name}", "Q81", ("copy",), refused)(lambda registry: image(registry, change=change))


nulls("annotations", lambda m: m.update(annotations=None))
nulls("a layer's annotations", lambda m: m["layers"][0].update(annotations=None))
nulls("a layer's urls", lambda m: m["layers"][0].update(urls=None))
nulls("the config's annotations", lambda m: m["config"].update(annotations=None))
nulls("mediaType", lambda m: m.update(mediaType=None))
nulls("subject", lambda m: m.update(subject=None))
nulls("a value of annotations", lambda m: m.update(annotations={"a": None}))
nulls("layers", lambda m: m.update(layers=None), {"copy": "Q81"})
nulls("a layer's digest", lambda m: m["layers"][0].update(digest=None), {"copy": "Q81"})
nulls("config", lambda m: m.update(config=None), {"copy": "Q81"})


def index_nulls(name, change):
    @of(f"an index with null for {name}", "Q81")
    def make(registry):
        document = {"annotations": {}, "manifests": [{**image(registry, tag=None), "platform": dict(AMD64)}]}
        change(document)
        index(registry, document.pop("manifests"), **document)


index_nulls("annotations", lambda i: i.update(annotations=None))
index_nulls("an entry's annotations", lambda i: i["manifests"][0].update(annotations=None))
index_nulls("an entry's urls", lambda i: i["manifests"][0].update(urls=None))
index_nulls("an entry's os.features", lambda i: i["manifests"][0]["platform"].update({"os.features": None}))


def answers(part, change):
    """Each answer at a path with this in it is changed."""
    def hook(request, answer):
        if part in request.path and request.method in ("GET", "HEAD"):
            return change(answer, request)
    return hook


def list_of(body):
    return lambda answer, _: Answer(200, json.dumps(body).encode(), [("Content-Type", INDEX)])


@of("referrers: null for the list", "Q81", ("referrers",))
def referrers_null(registry):
    image(registry)
    registry.hook = answers("/referrers/", list_of({"schemaVersion": 2, "mediaType": INDEX, "manifests": None}))
    registry.wanted = ""


@of("referrers: an entry with null annotations", "Q81", ("referrers",))
def referrer_null(registry):
    image(registry)
    entry = {"mediaType": MANIFEST, "digest": "sha256:" + "a" * 64, "size": 5, "artifactType": "x/y", "annotations": None}
    registry.hook = answers("/referrers/", list_of({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}))
    registry.wanted = entry["digest"]


def no_api(status):
    @of(f"referrers: no API is a {status}", "Q63", ("referrers",))
    def make(registry):
        subject = image(registry)
        signature = artifact(registry, [], tag=None, subject=subject)
        index(registry, [{**signature, "artifactType": "application/vnd.example"}], tag=subject["digest"].replace(":", "-"))
        registry.hook = answers("/referrers/", lambda *_: refusal(status, "UNSUPPORTED"))
        registry.wanted = signature["digest"]


for status in (404, 405, 410, 501):
    no_api(status)


@of("tags: null for the list", "Q70", ("tags",))
def tags_null(registry):
    registry.hook = answers("/tags/list", lambda *_: Answer(200, b'{"name":"team/app","tags":null}', [("Content-Type", "application/json")]))
    registry.wanted = ""


# Artifacts (Q82 to Q96).

@of("a zstd frame whose checksum is wrong", "Q82", ("copy", "files"), {"files": "Q82"})
def zstd_checksum(registry):
    # A raw block of 10240 bytes with a checksum of something else.
    content = tar({"hello.txt": b"hello\n"}, end=b"\0" * (10240 - 1024))
    frame = b"\x28\xb5\x2f\xfd" + b"\x04" + b"\x58" + (len(content) << 3 | 1).to_bytes(3, "little") + content + b"\1\2\3\4"
    image(registry, [registry.blob(LAYER + "+zstd", frame)], content=content)


@of("a directory that oras packed under a type of its own", "Q83", ("copy", "files"))
def own_type(registry):
    layer = registry.blob("application/vnd.acme.docs.v1+tar", gzipped(tar({"docs/a.txt": b"a"})))
    layer["annotations"] = {TITLE: "docs", UNPACK: "true"}
    artifact(registry, [layer])


@of("an artifact whose layer is the empty descriptor", "Q84", ("copy", "files"))
def empty_layer(registry):
    artifact(registry, [registry.blob(EMPTY, b"{}")])


@of("a file with a title, and a layer without one", "Q85", ("copy", "files"))
def other_layer(registry):
    chart = registry.blob("text/plain", b"chart")
    chart["annotations"] = {TITLE: "chart.txt"}
    artifact(registry, [chart, registry.blob("application/vnd.cncf.helm.chart.provenance.v1.prov", b"signed")])


@of("an archive that was not closed", "Q86", ("copy", "files"), {"files": "Q86"})
def not_closed(registry):
    content = tar({"hello.txt": b"hello\n"}, end=b"")
    image(registry, [registry.blob(LAYER + "+gzip", gzipped(content))], content=content)


@of("a diff_id that is not the layer's", "Q128", ("copy", "files"), {"files": "Q128"})
def other_diff_id(registry):
    image(registry, content=b"another")


@of("an absolute path as a title", "Q88", ("copy", "files"), {"files": "Q88"})
def absolute_title(registry):
    layer = registry.blob("text/plain", b"hello")
    layer["annotations"] = {TITLE: "/tmp/hello.txt"}
    artifact(registry, [layer])


@of("two layers with one title", "Q89", ("copy", "files"))
def same_title(registry):
    layers = [registry.blob("text/plain", content) for content in (b"a", b"b")]
    for layer in layers:
        layer["annotations"] = {TITLE: "name.txt"}
    artifact(registry, layers)


@of("an artifact manifest", "Q91", ("copy", "files"))
def artifact_manifest(registry):
    media_type = "application/vnd.oci.artifact.manifest.v1+json"
    blob = registry.blob("text/plain", b"hello")
    blob["annotations"] = {TITLE: "hello.txt"}
    registry.manifest({"mediaType": media_type, "artifactType": "a/b", "blobs": [blob]}, "v1", media_type)


@of("a foreign layer without a blob", "Q92")
def foreign(registry):
    media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    base = {"mediaType": media_type, "digest": "sha256:" + "b" * 64, "size": 5, "urls": ["https://layers.test/b"]}
    image(registry, [base, registry.blob(LAYER + "+gzip", gzipped(HELLO))])


@of("an index of layers, as of a build's cache", "Q93")
def build_cache(registry):
    layer = registry.blob(LAYER + "+gzip", gzipped(HELLO))
    index(registry, [layer, registry.blob("application/vnd.buildkit.cacheconfig.v0", b"{}")])


@of("an index with an entry of XML beside an image", "Q93")
def xml(registry):
    entry = {**image(registry, tag=None), "platform": AMD64}
    index(registry, [entry, registry.blob("application/xml", b"<a/>")])


def partial(name, platform):
    @of(f"an index entry whose platform is {name}", "Q95", ("copy",))
    def make(registry):
        good = {**image(registry, tag=None), "platform": AMD64}
        odd = image(registry, tag=None, org=1)
        index(registry, [good, odd if platform is None else {**odd, "platform": platform}])


partial("empty", {})
partial("half", {"architecture": "wasm"})
partial("absent", None)


@of("an index in an index", "")
def nested(registry):
    inner = index(registry, [{**image(registry, tag=None), "platform": AMD64}], tag=None)
    index(registry, [inner])


@of("a zstd frame with a window of 32 MiB", "Q90", ("copy", "files"))
def zstd_window(registry):
    frame = b"\x28\xb5\x2f\xfd\x00\x78" + (len(HELLO) << 3 | 1).to_bytes(3, "little") + HELLO
    image(registry, [registry.blob(LAYER + "+zstd", frame)])


@of("a PAX path that is not UTF-8", "Q87", ("copy", "files"))
def pax_bytes(registry):
    record = b"17 path=caf\xe9.txt\n"
    entry = tarfile.TarInfo("PaxHeaders/x")
    entry.size, entry.type = len(record), tarfile.XHDTYPE
    content = entry.tobuf(tarfile.USTAR_FORMAT) + record + b"\0" * (512 - len(record)) + HELLO
    image(registry, [registry.blob(LAYER + "+gzip", gzipped(content))], content=content)


@of("a manifest of Docker's", "", ("copy", "files"))
def docker(registry):
    docker = "application/vnd.docker."
    layer = registry.blob(docker + "image.rootfs.diff.tar.gzip", gzipped(HELLO))
    config = registry.blob(docker + "container.image.v1+json", json.dumps({**AMD64, "rootfs": {"type": "layers", "diff_ids": [digest_of(HELLO)]}}).encode())
    media_type = docker + "distribution.manifest.v2+json"
    registry.manifest({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]}, "v1", media_type)


def for_platform(name, quirk, listed, wanted):
    @of(f"{wanted} where the index has {name}", quirk, ("platform",))
    def make(registry):
        registry.platform = wanted
        entries = []
        for number, platform in enumerate(listed):
            entry = image(registry, tag=None, platform=platform or AMD64, annotations={"number": str(number)})
            entries.append({**entry, "platform": platform} if platform else entry)
        index(registry, entries)


ARM64 = {"architecture": "arm64", "os": "linux"}
for_platform("that", "", [ARM64, AMD64], "linux/amd64")
for_platform("arm64", "Q94", [AMD64, ARM64], "linux/arm64/v8")
for_platform("arm64/v8", "Q94", [AMD64, {**ARM64, "variant": "v8"}], "linux/arm64")
for_platform("an empty platform, too", "Q95", [{}, AMD64], "linux/amd64")
for_platform("half a platform, too", "Q95", [{"architecture": "wasm"}, AMD64], "linux/amd64")
for_platform("no platforms", "Q95", [None], "linux/amd64")


@of("a signature of an image", "", ("recursive",))
def signed_image(registry):
    registry.wanted = artifact(registry, [], tag=None, subject=image(registry))["digest"]


@of("a signature that is an artifact manifest", "Q91", ("recursive",))
def signed_by_artifact(registry):
    media_type = "application/vnd.oci.artifact.manifest.v1+json"
    document = {"mediaType": media_type, "artifactType": "a/b", "blobs": [], "subject": image(registry)}
    registry.wanted = registry.manifest(document, None, media_type)["digest"]


@of("a signature of a platform's manifest, beside the index", "Q123", ("recursive",))
def signed_platform(registry):
    child = image(registry, tag=None)
    registry.wanted = artifact(registry, [], tag=None, subject=child)["digest"]
    index(registry, [{**child, "platform": AMD64}])


# The wire (Q98 to Q115). What NO_PROXY says (Q102) needs addresses beyond loopback: tests/it/registry/proxy.rs.

def labelled(label):
    @of(f"blobs with Content-Encoding: {label}", "Q98", ("copy",))
    def make(registry):
        image(registry)
        registry.hook = answers("/blobs/", lambda answer, _: answer.set("Content-Encoding", label))


for label in ("aws-chunked", "utf-8", "identity"):
    labelled(label)


def passing(status):
    @of(f"a manifest is a {status} once", "Q99")
    def make(registry):
        image(registry)
        seen = set()

        def hook(request, _):
            if "/manifests/" in request.path and request.method not in seen:
                seen.add(request.method)
                return Answer(status, b"later")
        registry.hook = hook


for status in (499, 502, 503, 504, 522, 529):
    passing(status)


@of("a header that is folded over two lines", "Q100")
def folded(registry):
    image(registry)
    registry.hook = answers("/v2/", lambda answer, _: answer.set("X-Policy", "a;\r\n b"))


@of("a redirect with bytes beyond ASCII", "Q101")
def beyond_ascii(registry):
    image(registry)

    def hook(request, answer):
        if request.path.startswith("/größe") or "%C3%B6" in request.path or "\u00c3" in request.path:
            return registry.read_blob(request, "", request.query)
        if "/blobs/" in request.path and answer.status == 200:
            return Answer(307, b"", [("Location", "/größe?" + request.path.rsplit("/", 1)[1])])
    registry.hook = hook


@of("a blob that breaks off in the middle, once", "Q104", ("copy",))
def breaks_off(registry):
    layer = registry.blob(LAYER + "+gzip", gzipped(HELLO) * 2000)
    image(registry, [layer])
    cut = []

    def hook(request, answer):
        if layer["digest"] in request.path and request.method == "GET" and not cut:
            cut.append(1)
            answer.cut = 10_000
            return answer
    registry.hook = hook


def redirected(refusals):
    @of("blobs at a signed URL" + (" that has ended" if refusals else ""), "Q108" if refusals else "")
    def make(registry):
        image(registry)
        refused = []

        def storage(request, _):
            if len(refused) < refusals:
                refused.append(1)
                return Answer(403, b"<Error><Code>AccessDenied</Code></Error>", [("Content-Type", "application/xml")])
            return registry.read_blob(request, "", request.path.split("/")[-1])

        def hook(request, answer):
            if "/blobs/" in request.path and answer.status == 200:
                name = request.path.split("/")[-1]
                return Answer(307, b"", [("Location", f"http://{registry.beside().host}/bucket/{name}?X-Signature={len(refused)}")])
        registry.hook = hook
        registry.beside().hook = storage


redirected(0)
redirected(1)


def unsized(short):
    @of("a blob without a length" + (" that breaks off, once" if short else ""), "Q104")
    def make(registry):
        layer = registry.blob(LAYER + "+gzip", gzipped(HELLO) * 2000)
        image(registry, [layer])
        cut = []

        def hook(request, answer):
            if layer["digest"] in request.path and request.method == "GET" and not cut:
                answer.length = False
                if short:
                    cut.append(1)
                    answer.cut = 10_000
                return answer
        registry.hook = hook


unsized(False)
unsized(True)


@of("a HEAD of a manifest says length 0", "Q105", ("copy",))
def head_zero(registry):
    image(registry)

    def hook(request, answer):
        if "/manifests/" in request.path and request.method == "HEAD":
            return answer.set("Content-Length", "0")
    registry.hook = hook


@of("no Docker-Content-Digest", "Q51", ("copy",))
def no_digest(registry):
    image(registry)
    registry.hook = answers("/manifests/", lambda answer, _: answer.set("Docker-Content-Digest", None))


def linked(name, link):
    @of(f"tags: the next page's Link {name}", "Q109", ("tags",))
    def make(registry):
        registry.wanted = "second"

        def hook(request, _):
            if "/tags/list" in request.path:
                more = "last=" in request.query
                body = json.dumps({"name": "team/app", "tags": ["second" if more else "first"]}).encode()
                headers = [("Content-Type", "application/json")] + ([] if more else [("Link", link.replace("AT", request.path + "?last=first"))])
                return Answer(200, body, headers)
        registry.hook = hook


linked("as the specification has it", '<AT>; rel="next"')
linked("without a relation", "<AT>")
linked("in single quotes", "<AT>; rel='next'")
linked("without quotes", "<AT>; rel=next")
linked("with REL", '<AT>; REL="next"')


def mount_refused(status):
    @of(f"push: a mount is a {status}", "Q48", ("across",))
    def make(registry):
        image(registry)
        registry.hook = lambda request, _: refusal(status, "UNSUPPORTED") if "mount=" in request.query else None


for status in (403, 404, 405, 500, 503):
    mount_refused(status)


@of("push: a manifest is answered 201 without a digest", "Q107", ("push",))
def bare_put(registry):
    registry.hook = lambda request, answer: answer.set("Docker-Content-Digest", None) if request.method == "PUT" else None


def unchangeable(status):
    @of(f"push: a tag that can't be changed ({status}) and is what is pushed", "Q106", ("across",))
    def make(registry):
        image(registry)
        registry.pushed.update(registry.manifests)

        def hook(request, _):
            if request.method == "PUT" and request.path.endswith("/manifests/v1"):
                return refusal(status, "DENIED")
        registry.hook = hook


unchangeable(403)
unchangeable(409)


@of("a Warning header", "Q112")
def warning(registry):
    image(registry)
    registry.hook = answers("/v2/", lambda answer, _: answer.set("Warning", '299 - "this registry ends soon"'))


# Who may read (Q103, Q110, Q127).

BASIC = "Basic " + base64.b64encode(b"user:canary-of-the-tool").decode()


def guard(registry, challenge='Basic realm="tests"', wanted=BASIC):
    def hook(request, _):
        if request.headers.get("Authorization") != wanted and not request.path.startswith("/token"):
            return refusal(401, "UNAUTHORIZED").set("WWW-Authenticate", challenge)
    registry.hook = hook


def kept(name, quirk, text, refused=None):
    """`docker login` left this; AUTH and HOST stand in it."""
    @of(f"a configuration {name}", quirk, ("copy",), refused)
    def make(registry):
        image(registry)
        guard(registry)
        registry.configuration = text.replace("AUTH", BASIC.split()[1]).replace("HOST", registry.host).encode()


kept("as docker writes it", "", '{"auths":{"HOST":{"auth":"AUTH"}}}')
kept("with names in another case", "Q127", '{"auths":{"HOST":{"Auth":"AUTH"}}}')
kept("with a user name and a password", "Q127", '{"auths":{"HOST":{"username":"user","password":"canary-of-the-tool"}}}')
kept("with a key twice", "Q127", '{"auths":{},"auths":{"HOST":{"auth":"AUTH"}}}')
kept("with null for a helper", "Q127", '{"auths":{"HOST":{"auth":"AUTH"}},"credHelpers":{"x.test":null},"credsStore":null}')
kept("with text after the object", "Q127", '{"auths":{"HOST":{"auth":"AUTH"}}}\n}\n')
kept("with a byte order mark", "Q127", '\ufeff{"auths":{"HOST":{"auth":"AUTH"}}}')


def token(name, quirk, body, headers=()):
    @of(f"a token answer {name}", quirk)
    def make(registry):
        image(registry)
        guard(registry, f'Bearer realm="http://{registry.host}/token",service="tests"', "Bearer canary")
        guarded = registry.hook

        def hook(request, answer):
            if request.path == "/token":
                return Answer(200, body, [("Content-Type", "application/json"), *headers])
            return guarded(request, answer)
        registry.hook = hook


token("as everybody gives it", "", b'{"token":"canary"}')
token("with its name in another case", "Q127", b'{"Token":"canary"}')
token("with null beside it", "Q127", b'{"token":"canary","access_token":null}')
token("that is gzip", "Q103", gzipped(b'{"token":"canary"}'), [("Content-Encoding", "gzip")])


@of("a private repository that is a 404 without a credential", "Q110", ("copy",))
def hidden(registry):
    image(registry)
    registry.configuration = json.dumps({"auths": {registry.host: {"auth": BASIC.split()[1]}}}).encode()

    def hook(request, _):
        if request.headers.get("Authorization") == BASIC:
            return None
        if request.path in ("/v2/", "/v2"):
            return refusal(401, "UNAUTHORIZED").set("WWW-Authenticate", 'Basic realm="tests"')
        return refusal(404, "NAME_UNKNOWN")
    registry.hook = hook


def signed(name, quirk, chain, authority, beside=""):
    @of(f"TLS: {name}", quirk, tls=(CERTIFICATES / f"{chain}.pem", CERTIFICATES / "key.pem"))
    def make(registry):
        image(registry)
        registry.authority = beside + (CERTIFICATES / f"{authority}.pem").read_text()


signed("an authority of the registry's own", "", "sha256", "authority")
signed("an authority of P-521 with SHA-512", "Q115", "p521_sha512", "authority521")
signed("an authority of P-521 with SHA-256", "Q115", "p521_sha256", "authority521")
signed("an authority of P-256 with SHA-512", "Q115", "p256_sha512", "authority256")
broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
signed("a broken certificate before the authority's", "Q114", "sha256", "authority", broken)


# Layouts (Q81, Q95, Q96, Q126).

def layout(name, quirk, change=None, refused=None):
    """`change` spoils the layout's directory, and may change index.json."""
    @of(f"a layout {name}", quirk, ("layout",), refused)
    def make(registry):
        image(registry)
        registry.spoil = change


layout("as everybody makes it", "")
layout("with null for annotations of index.json", "Q81", lambda at, doc: doc.update(annotations=None))
layout("with null for urls of an entry", "Q81", lambda at, doc: doc["manifests"][0].update(urls=None))
layout("with an empty platform of an entry", "Q95", lambda at, doc: doc["manifests"][0].update(platform={}))


def linked_blobs(at, _):
    for number, blob in enumerate(sorted((at / "blobs/sha256").iterdir())):
        blob.rename(at / f"content{number}")
        blob.symlink_to(f"../../content{number}")


layout("whose blobs are links beneath it", "Q120", linked_blobs)


def linked_index(at, _):
    (at / "index.json").rename(at / "the-index")
    (at / "index.json").symlink_to("the-index")


layout("whose index.json is a link", "Q120", linked_index)


def with_xml(at, document):
    content = b"<a/>"
    (at / "blobs/sha256" / digest_of(content)[7:]).write_bytes(content)
    document["manifests"].append({"mediaType": "application/xml", "digest": digest_of(content), "size": len(content)})


layout("that lists XML, too", "Q93", with_xml)


def renamed(at, document):
    document["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "reg.test/team/app:v1"


layout("with a full name, as podman writes it", "Q126", renamed)


def of_two_platforms(at, document):
    entry = document["manifests"][0]
    document["manifests"] = [{**entry, "platform": ARM64}, {**entry, "platform": AMD64}]


layout("with one name for two platforms", "Q96", of_two_platforms)


def quirk_ids(page):
    return set(re.findall(r"^\| (Q\d+[a-z]?) ", page, re.M))
