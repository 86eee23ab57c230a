"""Measures whole verbs against the peers, and each stage against the machine; writes docs/performance.md.

  python3 benches/macro          what `make bench` runs: at most 15 minutes on two cores
  python3 benches/macro --full   what `make bench-full` runs: all trees, 8 GiB, 1,000,000 files

Needs `make examples` and `scripts/install-tools.sh`. Everything lies on tmpfs; the registry is CNCF Distribution 3.
"""
import argparse
import os
import pathlib
import platform
import sys
import tempfile

import counts
import guest
import limits
import scale
import trees
import verbs
from measure import Bench
from report import section


def machine():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} cores of an {model}, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args().full
    if not os.path.isdir("/dev/shm"):
        sys.exit("there is no tmpfs at /dev/shm: figures of a disk would say more about the disk")
    with tempfile.TemporaryDirectory(prefix="cldoci-bench-", dir="/dev/shm") as work:
        bench = Bench(pathlib.Path(work))
        section("machine", f"{machine()}; `make bench{'-full' * full}`.")
        counts.requests(bench)
        found = verbs.speed(bench, trees.QUICK, "speed")
        section("goals", verbs.goals(found["Go's source"]))
        limits.stages(bench, found["Go's source"])
        guest.startup(bench, found["component (10 files)"])
        scale.cores(bench)
        scale.memory(bench, [10, 100, 1000, 2000, 8000] if full else [10, 100, 1000])
        scale.files(bench, [10, 100, 1000, 10_000, 100_000, 1_000_000] if full else [10, 100, 1000, 10_000])
        guest.durable(bench)
        if full:
            found |= verbs.speed(bench, {name: tree for name, tree in trees.FULL.items() if name not in trees.QUICK}, "speed-large")
        verbs.throughput(found)


main()
