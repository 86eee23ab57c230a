"""The everyday case in C (`verbs.c`): one program in a loop, its memory with many at once, round trips over a far line,
and a cold process beside curl and tar."""
import json
import shutil
import statistics
import subprocess
import sys

import tools
import trees
from measure import ROOT, Command, compile_c, median, ratio, remove
from registry import Registry
from report import section, spread, table

sys.path.insert(0, str(ROOT / "benches"))
from relay import Relay  # noqa: E402

ASKING = ["push", "push-again", "pull", "pull-again", "config", "tag", "exists"]
# Of the relay: each way takes half of it.
ROUND_TRIP = 0.020
MANIFEST = "Accept: application/vnd.oci.image.manifest.v1+json"
CURL = ('set -o pipefail; mkdir -p "$2" && layer=$(curl -sf -H "$0" "$1/manifests/v1" | grep -o \'"layers":.*\' | grep -o "sha256:[0-9a-f]*" | head -1) && '
        'curl -sf "$1/blobs/$layer" | tar -xz -C "$2"')


class Loop:
    """The program, on the release library."""

    def __init__(self, bench):
        self.bench = bench
        self.program = compile_c("verbs.c", "-I", ROOT / "include", "-pthread", "-L", ROOT / "build/lib", "-lcldoci", f"-Wl,-rpath,{ROOT}/build/lib")

    def command(self, verb, reference, directory, at_once, operations):
        return [str(part) for part in (self.program, verb, reference, directory, at_once, operations)]

    def run(self, verb, reference, tree, at_once, operations, wrap=()):
        """One run. What is pulled or made goes; a push to a new place goes to one."""
        out = self.bench.work / "made"
        if verb == "push":
            reference = reference.replace(":v1", f"-{self.bench.unique()}:v1")
        directory = tree
        if verb.startswith(("pull", "tree")):
            out.mkdir()
            directory = out
        done = subprocess.run([*wrap, *self.command(verb, reference, directory, at_once, operations)], env=self.bench.environment,
                              capture_output=True, check=False)
        if out.exists():
            remove(out)
        if done.returncode != 0:
            sys.exit(f"{verb} {reference}: {done.stderr.decode(errors='replace')[-600:]}")
        return json.loads(done.stdout)

    def calls(self, verb, reference, tree):
        """System calls of one more operation, but for waits."""
        log, found = self.bench.work / "strace", []
        for operations in (1, 21):
            self.run(verb, reference, tree, 1, operations, ["strace", "-f", "-c", "-o", log])
            rows = [line.split() for line in log.read_text().splitlines()]
            found.append(sum(int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] not in ("futex", "epoll_wait", "total")))
        return (found[1] - found[0]) / 20


def loops(bench):
    """Each verb, from a registry and from a layout, 1, 16 and 64 at once; a pull against the plainest copy of the tree."""
    loop, tree, rows = Loop(bench), bench.work / "tree", []
    trees.component(tree)
    rounds, operations = (1, 20) if bench.trial else (3, 200)
    with Registry(bench.work) as registry:
        places = {"registry": f"{registry.host}/loops/app:v1", "layout": f"ocidir://{bench.work}/layout:v1"}
        for reference in places.values():
            loop.run("push-again", reference, tree, 1, 1)
        pairs = [("build", "–", places["layout"])] + [(verb, place, at) for verb in ASKING for place, at in places.items()]
        for verb, place, reference in pairs:
            calls = f"{loop.calls(verb, reference, tree):.0f}" if shutil.which("strace", path=bench.environment["PATH"]) else "–"
            for at_once in (1, 16, 64):
                runs = [loop.run(verb, reference, tree, at_once, max(operations, 2 * at_once)) for _ in range(rounds)]
                middle = {field: statistics.median(run[field] for run in runs) for field in runs[0]}
                rows.append([verb, place, at_once, f"{1 / middle['wall']:,.0f}", f"{middle['p50'] * 1e3:.2f} ms", f"{middle['p99'] * 1e3:.2f} ms",
                             f"{middle['cpu'] * 1e3:.2f} ms", f"{middle['waits']:.1f}", calls if at_once == 1 else "",
                             f"{max(run['rss'] for run in runs) / (1 << 20):.0f} MiB"])
        ratios = [loop.run("pull", places["layout"], tree, 1, operations)["p50"] / loop.run("tree", tree, tree, 1, operations)["p50"]
                  for _ in range(1 if bench.trial else 7)]
    for name in ("tree", "layout", "registry", "store"):
        remove(bench.work / name)
    section("loops", table(["verb", "place", "at once", "a second", "p50", "p99", "CPU time", "waits", "system calls", "peak memory"], rows)
            + "\n\nA pull of ten files from a layout against a loop that makes the same tree by plain calls, p50: "
            + f"{spread((statistics.median(ratios), min(ratios), max(ratios)))} times; the goal is 2.")


def far(bench):
    """Round trips one after the other: what a verb takes over a line that takes 20 ms for each."""
    loop, tree, rows = Loop(bench), bench.work / "tree", []
    trees.component(tree)
    with Registry(bench.work) as registry:
        loop.run("push-again", f"{registry.host}/far/app:v1", tree, 1, 1)
        with Relay(registry.host, 1e9, ROUND_TRIP) as relay:
            for verb in ASKING:
                took = loop.run(verb, f"{relay.host}/far/app:v1", tree, 1, 5 if bench.trial else 20)["p50"]
                rows.append([verb, f"{took * 1e3:.1f} ms", f"{took / ROUND_TRIP:.1f}"])
    for name in ("tree", "registry", "store"):
        remove(bench.work / name)
    section("far", table(["verb, warm, ten files", "p50 over 20 ms", "round trips"], rows))


def cold(bench):
    """A process that begins cold and pulls ten files, beside curl for manifest and layer and tar."""
    tree, out = bench.work / "tree", bench.work / "out"
    trees.component(tree)
    with Registry(bench.work) as registry:
        tool = tools.Cldoci(bench, registry.host)
        bench.run(tool.build_push(tree, tool.at("cold/app")))
        runs = bench.pairs({
            "cldoci": lambda: tool.pull(tool.at("cold/app"), out),
            "curl": lambda: Command(["bash", "-c", CURL, MANIFEST, f"http://{registry.host}/v2/cold/app", out], fresh=(out,)),
        }, 3 if bench.trial else 31, registry)
    for name in ("tree", "out", "registry", "store"):
        remove(bench.work / name)
    rows = [[name, f"{median(by) * 1e3:.1f} ms", f"{median(by, 'cpu') * 1e3:.1f} ms"] for name, by in runs.items()]
    section("cold", table(["a cold pull of ten files", "wall", "CPU"], rows)
            + f"\n\ncldoci's wall time against curl's and tar's: {spread(ratio(runs['cldoci'], runs['curl']))}; the goal is 1.2.")
