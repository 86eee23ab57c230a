"""The fully static tool, on musl, beside the one for glibc: what musl's allocator and the rest of it cost. Build into a
layout and pull from a registry, in pairs that alternate; writes its table into docs/performance.md.

  python3 benches/libcs.py [--rounds N]

Needs `make dist TARGET=…` for both of this machine, and `scripts/install-tools.sh registry debian`.
"""
import argparse
import pathlib
import platform
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent / "macro"))

import tools
import trees
from measure import ROOT, Bench, median, ratio, remove
from registry import Registry
from report import mib, seconds, section, spread, table

LIBCS = ("gnu", "musl")
# How often threads wait for one another is the scheduler's choice.
CHANCE = {"futex", "epoll_wait", "epoll_pwait", "sched_yield"}


def large(tree):
    """Noise and zeros, half and half."""
    trees.incompressible(tree)
    (tree / "zeros").write_bytes(bytes(128 << 20))


TREES = {"10 files": trees.component, "Go's source": trees.go_source, "256 MiB, half of it noise": large}


class Tool(tools.Cldoci):
    """The tool of a release archive."""

    def __init__(self, bench, host, libc):
        super().__init__(bench, host)
        places = list((ROOT / "build/dist" / f"{platform.machine()}-unknown-linux-{libc}").glob("cldoci-*/bin/cldoci"))
        if len(places) != 1:
            sys.exit(f"no release for {libc}: run make dist TARGET={platform.machine()}-unknown-linux-{libc}")
        self.program = places[0]

    def run(self, *arguments, fresh=()):
        command = super().run(*arguments, fresh=fresh)
        command.arguments[0] = self.program
        return command


def calls(bench, command):
    """System calls of one run, by strace."""
    for path in command.fresh:
        remove(path)
    log = bench.work / "strace"
    subprocess.run([tools.BIN / "strace", "-c", "-f", "-o", log, *map(str, command.arguments)], env=bench.environment,
                   stdout=subprocess.DEVNULL, check=True)
    lines = [line.split() for line in log.read_text().splitlines()]
    return sum(int(words[3]) for words in lines if len(words) > 4 and words[3].isdigit() and words[-1] not in CHANCE | {"total"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    rows = []
    with tempfile.TemporaryDirectory(prefix="cldoci-bench-", dir="/dev/shm") as work:
        bench = Bench(pathlib.Path(work))
        tree, layout, out = bench.work / "tree", bench.work / "layout", bench.work / "out"
        with Registry(bench.work) as registry:
            ours = {libc: Tool(bench, registry.host, libc) for libc in LIBCS}
            for tree_name, make in TREES.items():
                remove(tree)
                make(tree)
                at = ours["gnu"].at("libcs/app")
                bench.run(ours["gnu"].build_push(tree, at))
                verbs = {"build": lambda tool: tool.build(tree, layout), "pull": lambda tool, at=at: tool.pull(at, out)}
                for verb, command in verbs.items():
                    few = rounds if tree_name == "10 files" else (rounds + 2) // 3
                    runs = bench.pairs({libc: lambda tool=ours[libc], command=command: command(tool) for libc in LIBCS}, few)
                    counted = {libc: calls(bench, command(ours[libc])) for libc in LIBCS}
                    peak = {libc: median(runs[libc], "rss") for libc in LIBCS}
                    rows.append([verb, tree_name, seconds(median(runs["gnu"])), spread(ratio(runs["musl"], runs["gnu"])),
                                 spread(ratio(runs["musl"], runs["gnu"], "cpu")), f"{mib(peak['gnu'])}, {mib(peak['musl'])}",
                                 f"{counted['gnu']}, {counted['musl']}"])
                    print(*rows[-1], sep=" | ", flush=True)
    section("libcs", f"{rounds} rounds for ten files, {(rounds + 2) // 3} for the others; medians of the pairs' ratios (min–max).\n\n" + table(
        ["verb", "tree", "glibc, wall", "musl by glibc, wall", "CPU", "peak RSS, MiB: glibc, musl", "system calls: glibc, musl"], rows))


main()
