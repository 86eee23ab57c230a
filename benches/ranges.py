"""A pull of one large blob over one connection and over four, through a relay that caps the rate of each connection and
delays it, and on loopback without one. Pairs alternate; writes its table into docs/performance.md.

  python3 benches/ranges.py [--rounds N] [--mib N]

Needs `make examples` and `scripts/install-tools.sh`.
"""
import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent / "macro"))

import tools
from measure import Bench, median, ratio
from registry import Registry
from relay import Relay
from report import mib, seconds, section, spread, table

# Name, bytes a second on a connection, round trip in seconds, every how many connections one is lame.
LINES = [
    ("4 MB/s a connection, 20 ms", 4e6, 0.020, 0),
    ("4 MB/s a connection, 100 ms", 4e6, 0.100, 0),
    ("2 MB/s a connection, 20 ms", 2e6, 0.020, 0),
    ("4 MB/s, 20 ms, each third connection of a pull 0.2 MB/s", 4e6, 0.020, 3),
    ("loopback, no relay", None, 0, 0),
]
WAYS = {"one": "1", "four": "4"}


def counters(bench, command):
    """What a run says it cost."""
    for path in command.fresh:
        subprocess.run(["rm", "-rf", path], check=True)
    done = subprocess.run([*map(str, command.arguments), "--json"], env=bench.environment, capture_output=True, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=64)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="cldoci-bench-", dir="/dev/shm") as work:
        bench = Bench(pathlib.Path(work))
        tree, out = bench.work / "tree", bench.work / "out"
        tree.mkdir()
        (tree / "noise").write_bytes(os.urandom(arguments.mib << 20))
        with Registry(bench.work) as registry:
            ours = tools.Cldoci(bench, registry.host)
            bench.run(ours.build_push(tree, ours.at("ranges/app")))
            for name, rate, round_trip, lame in LINES:
                relay = Relay(registry.host, rate, round_trip, lame) if rate else contextlib.nullcontext()
                with relay:
                    tool = tools.Cldoci(bench, relay.host if rate else registry.host)

                    def pull(ranges, tool=tool, relay=relay):
                        if relay:
                            relay.connections = 0
                        return tool.run("pull", tool.at("ranges/app"), out, "--option", f"ranges={ranges}", fresh=(out,))

                    rounds = arguments.rounds if rate else 5 * arguments.rounds
                    runs = bench.pairs({way: lambda ranges=ranges: pull(ranges) for way, ranges in WAYS.items()}, rounds,
                                       warm_up=not rate)
                    cost = counters(bench, pull(WAYS["four"]))
                peak = max(run.rss for run in runs["four"])
                rows.append([name, seconds(median(runs["one"])), seconds(median(runs["four"])),
                             spread(ratio(runs["one"], runs["four"])), cost["requests"], cost["retries"],
                             f"{cost['bytesReceived'] / 1e6:.1f}", mib(peak)])
                print(rows[-1], flush=True)
    section("ranges", f"A layer of {arguments.mib} MiB, {arguments.rounds} rounds (loopback: {5 * arguments.rounds}).\n\n" + table(
        ["line", "one connection", "up to four", "times as fast: median of ratios (min–max)", "requests", "asked again",
         "MB received", "peak RSS, MiB"], rows))


main()
