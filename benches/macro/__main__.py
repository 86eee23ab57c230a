"""Measures whole verbs against the peers, and each stage against the machine; writes docs/performance.md.

  python3 benches/macro          what `make bench` runs: at most 15 minutes on two cores
  python3 benches/macro --full   what `make bench-full` runs: all trees, 8 GiB, 1,000,000 files
  … --only PART...               some parts of either
  python3 benches/macro --trial  the everyday parts and ten files once, to see that all works; prints alone

Needs `make cli` and `scripts/install-tools.sh`. Everything lies on tmpfs; the registry is CNCF Distribution 3.
"""
import argparse
import os
import pathlib
import platform
import signal
import sys
import tempfile

import counts
import everyday
import guest
import limits
import loops
import report
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
    parser.add_argument("--trial", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="PART", help="requests, speed, everyday, loops, far, cold, tls, cores, memory, files, durable, large")
    arguments = parser.parse_args()
    full, large = arguments.full, {name: tree for name, tree in trees.FULL.items() if name not in trees.QUICK}
    if not os.path.isdir("/dev/shm"):
        sys.exit("there is no tmpfs at /dev/shm: figures of a disk would say more about the disk")
    # A run that is ended takes its registry and its trees along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with tempfile.TemporaryDirectory(prefix="cldoci-bench-", dir="/dev/shm") as work:
        bench = Bench(pathlib.Path(work), arguments.trial)
        report.keeps = not arguments.trial
        parts = {
            "requests": lambda: counts.requests(bench),
            "speed": lambda: speed(bench),
            "everyday": lambda: everyday.measure(bench),
            "loops": lambda: loops.loops(bench),
            "far": lambda: loops.far(bench),
            "cold": lambda: loops.cold(bench),
            "tls": lambda: verbs.over_tls(bench),
            "cores": lambda: scale.cores(bench),
            "memory": lambda: scale.memory(bench, [10, 100, 1000, 2000, 8000] if full else [10, 100, 1000]),
            "files": lambda: scale.files(bench, [10 ** n for n in range(1, 7 if full else 5)]),
            "durable": lambda: guest.durable(bench),
            "large": lambda: verbs.speed(bench, large, "speed-large"),
        }
        chosen = arguments.only or [part for part in parts if full or part != "large"]
        if arguments.trial:
            parts["speed"] = lambda: verbs.speed(bench, {"component (10 files)": (trees.component, 1)}, "speed") and None
            chosen = arguments.only or ["requests", "speed", "everyday", "loops", "far", "cold"]
        if not arguments.only:
            section("machine", f"{machine()}; `make bench{'-full' * full}`.")
        found = {}
        for part in chosen:
            found |= parts[part]() or {}
        if found:
            verbs.throughput(found)


def speed(bench):
    """Whole verbs, and what is held against them."""
    found = verbs.speed(bench, trees.QUICK, "speed")
    section("goals", verbs.goals(found["Go's source"]))
    limits.stages(bench, found["Go's source"])
    guest.startup(bench, found["component (10 files)"])
    return found


main()
