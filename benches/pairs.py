"""Two builds of the library, each verb on the one and on the other in turn: whether any became slower.

  python3 benches/pairs.py --old OLD.so --new NEW.so [--rounds N] [--only VERB...] [--small] [--at-once N...] [--most RATIO]

One program (`macro/verbs.c`) runs on both, warm, from a registry and from a layout, on a tree of ten files and on Go's
source. A ratio is the new one's time by the old one's in one round's pair; the median and the extremes are told. With
`--most` it fails where a median is above. Needs `scripts/install-tools.sh go`.
"""
import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent / "macro"))

import trees
from measure import ROOT, Bench, compile_c, remove
from registry import Registry
from report import seconds, spread, table

OLD, NEW = "old", "new"
# Verb, whether it is asked of registries and of layouts or of neither.
VERBS = {"build": False, "push": True, "push-again": True, "pull": True, "pull-again": True, "config": True, "tag": True, "exists": True}
# Name → how it is made; operations of a round where they are quick, and of verbs that move its bytes.
TREES = {"10 files": (trees.component, 100, 100), "Go's source": (trees.go_source, 100, 2)}
MOVING = {"build", "push", "pull"}


class Library:
    """A build of the library where the loader finds it by its soname."""

    def __init__(self, bench, name, path):
        self.environment = dict(bench.environment, CLDOCI_STORE=str(bench.work / f"store-{name}"), LD_LIBRARY_PATH=str(bench.work / name))
        link(bench.work / name, path)

    def run(self, program, *arguments):
        done = subprocess.run([str(part) for part in (program, *arguments)], env=self.environment, capture_output=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr.decode(errors='replace')[-600:]}")
        return json.loads(done.stdout)


def link(directory, library):
    """The library under its soname and under the name that linkers look for."""
    directory.mkdir()
    read = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    soname = read.split("Library soname: [", 1)[1].split("]", 1)[0]
    for name in ("libcldoci.so", soname):
        (directory / name).symlink_to(library.resolve())


def ratios(runs, field):
    found = [new[field] / max(old[field], 1e-9) for old, new in zip(runs[OLD], runs[NEW])]
    return statistics.median(found), min(found), max(found)


def measure(bench, libraries, program, arguments):
    rows, slower = [], []
    for tree_name, (make, quick, moving) in list(TREES.items())[:1 if arguments.small else None]:
        tree = bench.work / "tree"
        make(tree)
        with Registry(bench.work) as registry:
            places = {"registry": f"{registry.host}/pairs/app:v1", "layout": f"ocidir://{bench.work}/layout:v1"}
            for reference in places.values():
                libraries[NEW].run(program, "push-again", reference, tree, 1, 1)
            for verb in arguments.only or VERBS:
                for place, reference in places.items() if VERBS[verb] else [("–", places["registry"])]:
                    for at_once in arguments.at_once:
                        operations = max(moving if verb in MOVING else quick, at_once)
                        runs = rounds(bench, libraries, program, (verb, place, reference, tree, at_once, operations), arguments.rounds)
                        wall, cpu = ratios(runs, "wall"), ratios(runs, "cpu")
                        new = sorted(runs[NEW], key=lambda run: run["wall"])[len(runs[NEW]) // 2]
                        rows.append([verb, tree_name, place, at_once, seconds(new["wall"]), spread(wall), seconds(new["cpu"]), spread(cpu),
                                     f"{new['waits']:.1f}", f"{ratios(runs, 'waits')[0]:.2f}", f"{new['rss'] / (1 << 20):.0f} MiB"])
                        print(*rows[-1], sep=" | ", flush=True)
                        if arguments.most and max(wall[0], cpu[0]) > arguments.most:
                            slower.append(f"{verb}, {tree_name}, {place}, {at_once} at once: {wall[0]:.2f}, CPU {cpu[0]:.2f}")
        for path in bench.work.iterdir():
            if path.name.startswith(("tree", "layout", "registry", "store")):
                remove(path)
    print(table(["verb", "tree", "place", "at once", "wall", "against the old one", "CPU", "against the old one", "waits", "against",
                 "peak memory"], rows))
    return slower


def rounds(bench, libraries, program, what, count):
    """Runs of both, in turn; each round begins with the other."""
    verb, place, reference, tree, at_once, operations = what
    runs = {OLD: [], NEW: []}
    for round_ in range(count):
        for name in (OLD, NEW) if round_ % 2 == 0 else (NEW, OLD):
            # What a push makes anew is not there from the last one, and what is pulled goes afterwards.
            number, out = bench.unique(), bench.work / "pulled"
            at = reference if verb != "push" else reference.replace(":v1", f"-{number}:v1")
            out.mkdir()
            runs[name].append(libraries[name].run(program, verb, at, out if verb.startswith("pull") else tree, at_once, operations))
            remove(out)
            if place == "layout":
                for made in bench.work.glob(f"layout-{number}*"):
                    remove(made)
    return runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=pathlib.Path, required=True)
    parser.add_argument("--new", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=VERBS, metavar="VERB")
    parser.add_argument("--small", action="store_true", help="the tree of ten files alone")
    parser.add_argument("--at-once", nargs="+", type=int, default=[1])
    parser.add_argument("--most", type=float)
    arguments = parser.parse_args()
    # A run that is ended takes its registry and its trees along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory(prefix="cldoci-bench-", dir="/dev/shm") as work:
        bench = Bench(pathlib.Path(work))
        libraries = {name: Library(bench, name, path) for name, path in ((OLD, arguments.old), (NEW, arguments.new))}
        # Compiled for the older, whose functions the newer has too.
        program = compile_c("verbs.c", f"-I{ROOT / 'include'}", "-pthread", f"-L{bench.work / OLD}", "-lcldoci", f"-Wl,-rpath-link,{bench.work / OLD}")
        slower = measure(bench, libraries, program, arguments)
    if slower:
        sys.exit("slower than allowed:\n" + "\n".join(slower))


main()
