"""The tools side by side: how a user of each builds, pushes, pulls. A verb that a tool lacks is None."""
from measure import ROOT, Command

BIN = ROOT / "build/tools/bin"
KIND = "component"


class Tool:
    """`host` is the registry's; artifacts of `seed` are those that this tool can pull. With `tls` it can only push."""

    def __init__(self, bench, host, tls=False):
        self.bench, self.host, self.tls = bench, host, tls
        self.seed = self

    def at(self, repository, tag="v1"):
        return f"{self.host}/{repository}:{tag}"

    build = build_push = push = pull = tag = copy = resolve = config = tags = None


class Cldoci(Tool):
    """The tool in C on the release library."""

    name = "cldoci"

    def run(self, *arguments, fresh=()):
        return Command([ROOT / "build/cli/cldoci", *arguments], fresh=fresh)

    def build(self, tree, layout):
        return self.run("build", tree, f"ocidir://{layout}:v1", "--kind", KIND, fresh=(layout,))

    def build_push(self, tree, reference):
        return self.run("build-and-push", tree, reference, "--kind", KIND)

    def push(self, layout, reference):
        return self.run("push", f"ocidir://{layout}:v1", reference)

    def pull(self, reference, out, again=False):
        return self.run("pull", reference, out, fresh=() if again else (out,))

    def tag(self, reference, tag):
        return self.run("tag", reference, self.at(reference.split("/", 1)[1].rsplit(":", 1)[0], tag))

    def copy(self, reference, other):
        return self.run("tag", reference, other)

    def resolve(self, reference):
        return self.run("resolve", reference)

    def config(self, reference):
        return self.run("config", reference)

    def tags(self, repository):
        return self.run("tags", f"{self.host}/{repository}")


class Todays(Tool):
    """What cldctl's Go package does today."""

    name = "today's Go package"

    def build(self, tree, _layout):
        return Command([BIN / "todays", "build", tree])

    def build_push(self, tree, reference):
        return Command([BIN / "todays", "push", tree, reference])

    def pull(self, reference, out, again=False):
        return Command([BIN / "todays", "pull", reference, out], fresh=() if again else (out,))

    def config(self, reference):
        return Command([BIN / "todays", "config", reference])


class Oras(Tool):
    name = "oras"

    def run(self, *arguments, cwd=None, fresh=()):
        return Command([BIN / "oras", *arguments], cwd=cwd, fresh=fresh)

    def build(self, tree, layout):
        return self.run("push", "--oci-layout", f"{layout}:v1", tree.name, cwd=tree.parent, fresh=(layout,))

    def build_push(self, tree, reference):
        return self.run("push", "--plain-http", reference, tree.name, cwd=tree.parent)

    def push(self, layout, reference):
        plain = [] if self.tls else ["--to-plain-http"]
        return self.run("cp", "--from-oci-layout", *plain, f"{layout}:v1", reference)

    def pull(self, reference, out, again=False):
        return self.run("pull", "--plain-http", "-o", out, reference, fresh=() if again else (out,))

    def tag(self, reference, tag):
        return self.run("tag", "--plain-http", reference, tag)

    def copy(self, reference, other):
        return self.run("cp", "--from-plain-http", "--to-plain-http", reference, other)

    def resolve(self, reference):
        return self.run("resolve", "--plain-http", reference)

    def config(self, reference):
        return self.run("manifest", "fetch-config", "--plain-http", reference)

    def tags(self, repository):
        return self.run("repo", "tags", "--plain-http", f"{self.host}/{repository}")


class Regctl(Tool):
    """It packs no directories."""

    name = "regctl"

    def run(self, *arguments, fresh=()):
        return Command([BIN / "regctl", "--host", f"reg={self.host},tls={'enabled' if self.tls else 'disabled'}", *arguments], fresh=fresh)

    def push(self, layout, reference):
        return self.run("image", "copy", f"ocidir://{layout}:v1", reference)

    def tag(self, reference, tag):
        return self.run("image", "copy", reference, self.at(reference.split("/", 1)[1].rsplit(":", 1)[0], tag))

    def copy(self, reference, other):
        return self.run("image", "copy", reference, other)

    def resolve(self, reference):
        return self.run("image", "digest", reference)

    def tags(self, repository):
        return self.run("tag", "ls", f"{self.host}/{repository}")


class Crane(Tool):
    """It packs no directories; its export is a tar of all layers."""

    name = "crane"

    def run(self, *arguments):
        return Command([BIN / "crane", *arguments])

    def push(self, layout, reference):
        return self.run("push", layout, reference)

    def pull(self, reference, out, again=False):
        script = 'set -o pipefail; mkdir -p "$2" && "$0" export "$1" - | tar -x -C "$2"'
        return Command(["bash", "-c", script, BIN / "crane", reference, out], fresh=() if again else (out,))

    def tag(self, reference, tag):
        return self.run("tag", reference, tag)

    def copy(self, reference, other):
        return self.run("copy", reference, other)

    def resolve(self, reference):
        return self.run("digest", reference)

    def config(self, reference):
        return self.run("config", reference)

    def tags(self, repository):
        return self.run("ls", f"{self.host}/{repository}")


class Skopeo(Tool):
    """It packs and unpacks nothing. Its cache of known blobs is removed before each push, so that it sends them."""

    name = "skopeo"

    def run(self, *arguments, fresh=()):
        return Command([BIN / "skopeo", "--insecure-policy", *arguments], fresh=fresh)

    def push(self, layout, reference):
        verify = f"--dest-tls-verify={'true' if self.tls else 'false'}"
        return self.run("copy", verify, f"oci:{layout}:v1", f"docker://{reference}", fresh=(self.bench.work / "data",))

    def tag(self, reference, tag):
        return self.copy(reference, self.at(reference.split("/", 1)[1].rsplit(":", 1)[0], tag))

    def copy(self, reference, other):
        return self.run("copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{reference}", f"docker://{other}",
                        fresh=(self.bench.work / "data",))

    def resolve(self, reference):
        return self.run("inspect", "--tls-verify=false", "--raw", f"docker://{reference}")

    def tags(self, repository):
        return self.run("list-tags", "--tls-verify=false", f"docker://{self.host}/{repository}")


def every(bench, host, tls=False):
    """All tools on one registry, ours first. crane pulls what we push."""
    tools = [tool(bench, host, tls) for tool in (Cldoci, Todays, Oras, Regctl, Crane, Skopeo)]
    tools[4].seed = tools[0]
    return tools
