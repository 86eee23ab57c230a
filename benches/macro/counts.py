"""Requests of each verb: ours and every peer's, anonymous and with tokens, counted by the meter."""
import tools
import trees
from measure import remove
from registry import Meter, Registry
from report import section, table


def count(bench, tokens):
    """Verb → tool's name → requests of a cold process."""
    tree, layout = bench.work / "tree", bench.work / "layout"
    trees.file_of(1 << 20)(tree)
    (tree / "large.bin").write_bytes(b"x" * 4096)
    bench.run(tools.Cldoci(bench, "").build(tree, layout))
    found = {}
    with Registry(bench.work) as registry, Meter(registry.host, tokens) as meter:
        if tokens:
            meter.login(bench)
        every = tools.every(bench, meter.host)
        for number, tool in enumerate(every):
            # Of a tool that only builds and pushes, what it built is pulled.
            at = tool.at(f"t{number}/{'app' if tool.push else 'built'}")
            out = bench.work / "out"
            rows = {
                "build and push to a new repository": tool.build_push and (lambda: tool.build_push(tree, tool.at(f"t{number}/built"))),
                "push of a ready artifact": tool.push and (lambda: tool.push(layout, at)),
                "the same pushed again": tool.push and (lambda: tool.push(layout, at)),
                "pull": tool.pull and (lambda: tool.pull(at, out)),
                "pull again, unchanged": tool.pull and (lambda: tool.pull(at, out, again=True)),
                "tag in one repository": tool.tag and (lambda: tool.tag(at, "v2")),
                "tag into another repository": tool.copy and (lambda: tool.copy(at, tool.at(f"t{number}/other"))),
                "resolve": tool.resolve and (lambda: tool.resolve(at)),
                "config": tool.config and (lambda: tool.config(at)),
                "list tags": tool.tags and (lambda: tool.tags(f"t{number}/app")),
            }
            for verb, command in rows.items():
                if command:
                    meter.reset()
                    bench.run(command())
                    found.setdefault(verb, {})[tool.name] = meter.requests
    (bench.work / "docker/config.json").write_text("{}")
    for name in ("tree", "layout", "out", "registry", "store", "data"):
        remove(bench.work / name)
    return found


def requests(bench):
    """The table of the peers."""
    anonymous, tokens = count(bench, False), count(bench, True)
    names = [tool.name for tool in tools.every(bench, "")]
    rows = [[verb, *(f"{anonymous[verb][name]} / {tokens[verb][name]}" if name in anonymous[verb] else "–" for name in names)]
            for verb in anonymous]
    section("peers-requests", table(["anonymous / with tokens", *names], rows))
