"""How cost grows: memory with size, time with the number of files, time with cores."""
import os

import plots
import tools
import trees
from measure import MIB, median, remove
from registry import Registry
from report import mib, plot, seconds, section, table

# Beyond these the peers take minutes, and today's Go package the machine's memory.
PEERS_MIB = 1000
PEERS_FILES = 100_000


def steps(bench, make, tool_kinds):
    """Builds and pushes a tree, then pulls it, with each tool: name → (run of the push, run of the pull). The tree is
    gone before the pull, so that the largest has room."""
    tree, out = bench.work / "tree", bench.work / "out"
    with Registry(bench.work) as registry:
        every = [kind(bench, registry.host) for kind in tool_kinds]
        make(tree)
        pushes = {t.name: bench.run(t.build_push(tree, t.at(f"a{n}/app"))) for n, t in enumerate(every)}
        remove(tree)
        pulls = {t.name: bench.run(t.pull(t.at(f"a{n}/app"), out)) for n, t in enumerate(every)}
    for path in (out, bench.work / "registry", bench.work / "store"):
        remove(path)
    return {name: (pushes[name], pulls[name]) for name in pushes}


def kinds(all_of_them):
    return [tools.Cldoci, tools.Todays, tools.Oras] if all_of_them else [tools.Cldoci]


def memory(bench, sizes):
    """Peak memory by the size of one file, in MiB."""
    found = {size: steps(bench, trees.file_of(size * MIB), kinds(size <= PEERS_MIB)) for size in sizes}
    limit = 24 + 4 * os.cpu_count()
    rows = [[f"{size:,}", name, mib(push.rss), mib(pull.rss), seconds(push.wall), seconds(pull.wall)]
            for size, by_tool in found.items() for name, (push, pull) in by_tool.items()]
    shapes = {"200 directories of 1,000 files": trees.files(200_000), "one directory of 50,000 files": trees.files(50_000, 50_000)}
    many = {shape: steps(bench, make, kinds(True)) for shape, make in shapes.items()}
    heads = ["tool", "build and push: peak RSS, MiB", "pull: peak RSS, MiB", "build and push", "pull"]
    section("memory", f"Promised: 24 MiB and 4 MiB a core, here {limit} MiB.\n\n" + table(["file, MiB", *heads], rows)
            + "\n\n" + table(["tree", *heads], [[shape, name, mib(push.rss), mib(pull.rss), seconds(push.wall), seconds(pull.wall)]
                                              for shape, by_tool in many.items() for name, (push, pull) in by_tool.items()]))
    worst = {size: {name: max(run.rss for run in pair) / MIB for name, pair in by_tool.items()} for size, by_tool in found.items()}
    plot("memory", plots.lines("Peak memory of build, push and pull by size", "size of the file, MiB", "peak RSS, MiB",
                               by_name(worst), limit=(limit, f"promised: {limit} MiB")))


def files(bench, counts):
    """Time by the number of files."""
    found = {count: steps(bench, trees.files(count), kinds(count <= PEERS_FILES)) for count in counts}
    rows = [[f"{count:,}", name, seconds(push.wall), seconds(pull.wall), mib(max(push.rss, pull.rss))]
            for count, by_tool in found.items() for name, (push, pull) in by_tool.items()]
    section("files", table(["files", "tool", "build and push", "pull", "peak RSS, MiB"], rows))
    for index, verb in enumerate(("build and push", "pull")):
        walls = {count: {name: pair[index].wall for name, pair in by_tool.items()} for count, by_tool in found.items()}
        plot(f"files-{verb.split()[0]}", plots.lines(f"{verb.capitalize()}: time by number of files", "files", "seconds", by_name(walls)))


def by_name(found):
    """x → name → y, as name → [(x, y)]."""
    names = dict.fromkeys(name for group in found.values() for name in group)
    return {name: [(x, group[name]) for x, group in found.items() if name in group] for name in names}


def cores(bench, rounds=3):
    """Time by cores: all processes of a run, the registry's but for, are held on so many."""
    tree = bench.work / "tree"
    trees.go_source(tree)
    numbers = sorted({1, os.cpu_count(), *(n for n in (2, 4, 8, 16) if n < os.cpu_count())})
    available = sorted(os.sched_getaffinity(0))
    rows, series = [], {}
    with Registry(bench.work) as registry:
        ours, todays = (kind(bench, registry.host) for kind in (tools.Cldoci, tools.Todays))
        bench.run(ours.build_push(tree, ours.at("cores/app")))
        bench.run(todays.build_push(tree, todays.at("cores/todays")))
        verbs = {
            "build": {ours.name: lambda: ours.build(tree, bench.work / "built"), todays.name: lambda: todays.build(tree, None)},
            "pull": {ours.name: lambda: ours.pull(ours.at("cores/app"), bench.work / "out"),
                     todays.name: lambda: todays.pull(todays.at("cores/todays"), bench.work / "out")},
        }
        for number in numbers:
            wrap = ("taskset", "-c", ",".join(map(str, available[:number])))
            for verb, commands in verbs.items():
                runs = bench.pairs(commands, rounds, wrap=wrap)
                for name in commands:
                    series.setdefault(f"{verb}, {name}", []).append((number, median(runs[name])))
    for label, line in series.items():
        rows.append([label, *(seconds(wall) for _, wall in line), f"{line[0][1] / line[-1][1]:.2f}"])
    section("cores", table(["Go's source", *(f"{n} core{'s' * (n > 1)}" for n in numbers), "times as fast on all as on one"], rows))
    plot("cores", plots.bars("Go's source: time by cores", "seconds", {
        f"{number} core{'s' * (number > 1)}": {label: line[n][1] for label, line in series.items()} for n, number in enumerate(numbers)}))
    for name in ("tree", "built", "out", "registry", "store"):
        remove(bench.work / name)
