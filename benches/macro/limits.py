"""Each stage alone, and how far the whole verbs are from what their stages cost."""
import json
import statistics
import subprocess

import trees
from measure import ROOT, median, remove
from report import amount, seconds, section, table
from verbs import BUILD, BUILD_PUSH, PULL, PUSH

PACKING = ["walk", "read", "tar", "crc32", "compress", "sha256", "spool"]
STAGES = {
    BUILD: PACKING,
    BUILD_PUSH: [*PACKING, "loopback"],
    PUSH: ["load", "loopback"],
    # What is pulled is noted, so that the next pull finds it unchanged.
    PULL: ["loopback", "sha256", "inflate", "crc32", "untar", "write", "note"],
}


def stages(bench, source):
    """The stages of Go's source; `source` are the runs of whole verbs on it."""
    tree, scratch = bench.work / "tree", bench.work / "scratch"
    trees.go_source(tree)
    scratch.mkdir()
    done = subprocess.run(["cargo", "bench", "--quiet", "--locked", "--bench", "stages", "--", tree, scratch], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    remove(tree)
    remove(scratch)
    found = {stage["stage"]: stage for stage in map(json.loads, done.stdout.splitlines())}
    rows = []
    for name, stage in found.items():
        rate = stage["bytes"] / 1e6 / stage["all"]
        rows.append([name, amount(stage["bytes"]) if stage["bytes"] else "–", seconds(stage["one"]), seconds(stage["all"]),
                     seconds(stage["cpu"]), f"{rate:,.0f}" if stage["bytes"] else "–"])
    section("stages", table(["stage", "bytes", "one thread", "all cores", "CPU", "MB/s on all cores"], rows))

    cores = found["walk"]["cores"]
    rows = []
    for verb, names in STAGES.items():
        runs = source["runs"][verb]["cldoci"]
        registry = 0 if verb == BUILD else statistics.mean(run.registry_cpu for run in runs)
        # A layer is one request, so what the registry does with it is done by one of its threads.
        alone = {name: found[name]["all"] for name in names} | {"the registry": registry}
        slowest = max(alone, key=alone.get)
        shared = (sum(found[name]["cpu"] for name in names) + registry) / cores
        limit = max(alone[slowest], shared)
        wall = median(runs)
        rows.append([verb, seconds(wall), f"{slowest}, {seconds(alone[slowest])}", seconds(registry), seconds(shared),
                     f"{wall / limit:.2f}", "yes" if wall / limit <= 1.25 else "**no**"])
    section("limits", table(["verb", "wall", "slowest stage on all cores", "CPU of the registry",
                             "CPU of all stages and the registry, by cores", "wall against the larger", "within 1.25"], rows))
