"""What a caller feels: start-up, a warm question, the typical component, what `durable` costs."""
import json
import os
import pathlib
import subprocess
import tempfile

import tools
import trees
from measure import ROOT, compile_c, median, ratio, remove
from registry import Registry
from report import seconds, section, spread, table
from verbs import BUILD_PUSH, PULL


def startup(bench, component):
    """`component` are the runs of whole verbs on the typical component."""
    program = compile_c("startup.c", "-I", ROOT / "include", "-ldl")
    tree = bench.work / "tree"
    trees.component(tree)
    with Registry(bench.work) as registry:
        tool = tools.Cldoci(bench, registry.host)
        bench.run(tool.build_push(tree, tool.at("start/app")))
        arguments = [program, ROOT / "target/release/libcldoci.so", *registry.host.split(":"), "start/app", "v1"]
        found = [json.loads(subprocess.run(arguments, env=bench.environment, capture_output=True, check=True).stdout) for _ in range(11)]
    for name in ("tree", "registry", "store"):
        remove(bench.work / name)

    def middle(name):
        return sorted(one[name] for one in found)[len(found) // 2] / 1e9

    whole = {tool: (median(component["runs"][BUILD_PUSH][tool]), median(component["runs"][PULL][tool])) for tool in ("cldoci", "oras")}
    load, added = middle("load") + middle("client"), middle("exists") - middle("wire")
    threads = max(one["threads"] for one in found)
    ours, oras = sum(whole["cldoci"]), whole["oras"][0]
    rows = [
        ["dlopen and client_new", "under 10 ms", seconds(load), load < 0.010],
        ["threads after client_new", "1, the caller's", threads, threads == 1],
        ["a warm exists, over the same HEAD on a socket of its own", "under 1 ms", f"{seconds(added)} ({seconds(middle('exists'))} and {seconds(middle('wire'))})", added < 0.001],
        ["ten files: build, push and pull by us, against the push alone by oras", "less", f"{seconds(ours)} and {seconds(oras)}", ours < oras],
    ]
    section("startup", table(["what", "goal", "median", "met"], [[*row[:3], "yes" if row[3] else "**no**"] for row in rows]))


def file_system(path):
    return subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", path], capture_output=True, text=True, check=True).stdout.split()[0]


def durable(bench, rounds=4):
    """Pulls of Go's source on tmpfs and on the disk. On the disk nothing is removed between runs: after many removals
    ext4 makes files slowly for minutes."""
    rows = []
    source = bench.work / "tree"
    trees.go_source(source)
    with Registry(bench.work) as registry, tempfile.TemporaryDirectory(prefix="cldoci-bench-", dir=ROOT / "build") as disk:
        for place in (bench.work, pathlib.Path(disk)):
            bench.environment["CLDOCI_STORE"] = str(place / "durable-store")
            tool = tools.Cldoci(bench, registry.host)
            bench.run(tool.build_push(source, tool.at("durable/app")))

            def pull(value):
                os.sync()
                command = tool.pull(tool.at("durable/app"), place / f"durable-out{bench.unique()}")
                command.arguments += ["--option", f"durable={value}"]
                return command

            runs = bench.pairs({"no": lambda: pull("false"), "yes": lambda: pull("true")}, rounds)
            rows.append([file_system(place), seconds(median(runs["no"])), seconds(median(runs["yes"])),
                         spread(ratio(runs["yes"], runs["no"]))])
    bench.environment["CLDOCI_STORE"] = str(bench.work / "store")
    for path in bench.work.glob("durable-*"):
        remove(path)
    remove(source)
    remove(bench.work / "registry")
    section("durable", table(["file system", "pull", "pull with durable", "ratio: median (min–max)"], rows))
