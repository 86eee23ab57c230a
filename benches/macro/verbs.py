"""Whole verbs as a user runs them: each tree, each verb, each tool, in turn."""
import statistics

import tools
import trees
from measure import MIB, median, ratio, remove
from registry import Meter, Registry
from report import amount, mib, plot, seconds, section, spread, table
import plots

# Beyond this a tree is not sent through the meter, which holds bodies in memory, nor is there a round to warm up.
METERED = 300 * MIB
BUILD, BUILD_PUSH, PUSH, AGAIN = "build", "build and push", "push of a ready artifact", "the same pushed again"
PULL, PULL_AGAIN = "pull", "pulled again"


def commands(bench, host, tree, layout):
    """Verb → tool's name → function that gives the next command; what each tool pulls is at `seed/…`."""
    every = tools.every(bench, host)

    def fresh(tool):
        return tool.at(f"fresh/r{bench.unique()}")

    def seeded(tool):
        return tool.seed.at("seed/" + tool.seed.name.split()[0].replace("'", ""))

    out = {tool.name: bench.work / f"out{index}" for index, tool in enumerate(every)}
    rows = {
        BUILD: lambda t: t.build and (lambda: t.build(tree, bench.work / "built")),
        BUILD_PUSH: lambda t: t.build_push and (lambda: t.build_push(tree, fresh(t))),
        PUSH: lambda t: t.push and (lambda: t.push(layout, fresh(t))),
        AGAIN: lambda t: t.push and (lambda: t.push(layout, t.at("again/app"))),
        PULL: lambda t: t.pull and (lambda: t.pull(seeded(t), out[t.name])),
        PULL_AGAIN: lambda t: t.pull and (lambda: t.pull(seeded(t), out[t.name], again=True)),
    }
    found = {verb: {t.name: make(t) for t in every if make(t)} for verb, make in rows.items()}
    seeds = {t.name: (lambda t=t: t.build_push(tree, seeded(t))) for t in every if t.build_push}
    return found, seeds


def measure(bench, name, make, rounds):
    """Runs of every verb on one tree, and the requests and bytes that each took."""
    tree, layout = bench.work / "tree", bench.work / "layout"
    make(tree)
    count, size = trees.measure(tree)
    bench.run(tools.Cldoci(bench, "").build(tree, layout))
    runs, costs = {}, {}
    with Registry(bench.work) as registry:
        verbs, seeds = commands(bench, registry.host, tree, layout)
        stored = {}
        for tool, seed in seeds.items():
            before = registry.stored()
            bench.run(seed())
            stored[tool] = registry.stored() - before
        for verb, by_tool in verbs.items():
            runs[verb] = bench.pairs(by_tool, rounds, registry, warm_up=size < METERED or verb == AGAIN)
        with Meter(registry.host) as meter:
            verbs, seeds = commands(bench, meter.host, tree, layout)
            for verb, by_tool in verbs.items() if size < METERED else ():
                if verb == BUILD:
                    continue
                for tool, command in by_tool.items():
                    if verb in (AGAIN, PULL_AGAIN):
                        bench.run(command())
                    meter.reset()
                    bench.run(command())
                    costs[verb, tool] = (meter.requests, meter.sent)
    for path in bench.work.iterdir():
        if path.name.startswith(("tree", "layout", "built", "out", "registry", "store", "data")):
            remove(path)
    return {"name": name, "count": count, "size": size, "rounds": rounds, "stored": stored, "runs": runs, "costs": costs}


def over_tls(bench, rounds=7):
    """Pushes of a ready artifact over TLS, where the kernel can't copy a file into the socket for anybody."""
    tree, layout = bench.work / "tree", bench.work / "layout"
    trees.go_source(tree)
    bench.run(tools.Cldoci(bench, "").build(tree, layout))
    with Registry(bench.work, tls=True) as registry:
        bench.environment["SSL_CERT_FILE"] = str(bench.work / "tls/cert.pem")
        pushers = [tool for tool in tools.every(bench, registry.host, tls=True) if tool.push]
        runs = bench.pairs({t.name: lambda t=t: t.push(layout, t.at(f"tls/r{bench.unique()}")) for t in pushers}, rounds, registry)
        del bench.environment["SSL_CERT_FILE"]
    for name in ("tree", "layout", "registry", "store", "data", "tls"):
        remove(bench.work / name)
    ours = runs["cldoci"]
    section("tls", table(["tool", "wall", "CPU", "CPU of the registry", "wall against cldoci: median of ratios (min–max)",
                          "CPU against cldoci"],
                         [[name, seconds(median(by)), seconds(median(by, "cpu")), seconds(statistics.mean(r.registry_cpu for r in by)),
                           spread(ratio(by, ours)), spread(ratio(by, ours, "cpu"))] for name, by in runs.items()]))


def show(found):
    """The table of one tree."""
    rows = []
    for verb, by_tool in found["runs"].items():
        for tool, runs in by_tool.items():
            requests, sent = found["costs"].get((verb, tool), (None, None))
            server = statistics.mean(run.registry_cpu for run in runs)
            rows.append([
                verb, tool, seconds(median(runs)), seconds(median(runs, "cpu")), "–" if verb == BUILD else seconds(server),
                mib(max(run.rss for run in runs)), "–" if requests is None else requests,
                "–" if sent is None else amount(sent), spread(ratio(runs, by_tool["cldoci"]))])
    stored = ", ".join(f"{tool} {amount(size)}" for tool, size in found["stored"].items())
    return (f"### {found['name']}\n\n{found['count']:,} files, {amount(found['size'])}; {found['rounds']} rounds. "
            f"The registry stores of an artifact: {stored}.\n\n"
            + table(["verb", "tool", "wall", "CPU", "CPU of the registry", "peak RSS, MiB", "requests", "sent",
                     "wall against cldoci: median of ratios (min–max)"], rows))


def goals(source):
    """The goals that the figures on Go's source are held against."""
    runs, stored = source["runs"], source["stored"]
    todays = "today's Go package"

    def against(verb, peers, field="wall"):
        base = runs[verb]["cldoci"]
        return min(((ratio(runs[verb][peer], base, field), peer) for peer in peers), key=lambda found: found[0][0])

    pushers = [tool for tool in runs[PUSH] if tool != "cldoci"]
    fastest = min(pushers, key=lambda tool: median(runs[PUSH][tool]))
    rows = []
    for what, goal, (found, peer) in [
            ("build, times as fast as today's Go package", 6, against(BUILD, [todays])),
            ("build and push, times as fast as today's Go package", 5, against(BUILD_PUSH, [todays])),
            ("pull, times as fast as the fastest Go program", 3, against(PULL, [todays, "oras"])),
            ("pull, times as fast as `crane export` into GNU tar", 3, against(PULL, ["crane"])),
            ("push of a ready artifact, the fastest peer's time against ours", 1, against(PUSH, [fastest])),
            ("its CPU time against ours, of the peer with the least", 2, against(PUSH, pushers, "cpu"))]:
        rows.append([what, f"at least {goal}", f"{spread(found)}, {peer}", "yes" if found[0] >= goal else "**no**"])
    size = stored["cldoci"] / stored[todays]
    rows.append(["size of the layer against today's Go package", "at most 1", f"{size:.4f}", "yes" if size <= 1 else "**no**"])
    return table(["on Go's source", "goal", "found: median of ratios (min–max)", "met"], rows)


def speed(bench, chosen, part):
    """Every tree's table into the section `part`; what was found on each."""
    found = [measure(bench, name, make, rounds) for name, (make, rounds) in chosen.items()]
    section(part, "\n\n".join(map(show, found)))
    return {one["name"]: one for one in found}


def throughput(found):
    """The plot of throughput by kind of tree."""
    large = {name: one for name, one in found.items() if one["size"] > MIB}
    for verb in (BUILD, PULL):
        plot(f"throughput-{verb}", plots.bars(
            f"{verb.capitalize()}: throughput by kind of tree", "MB of files a second",
            {name: {tool: one["size"] / 1e6 / median(runs) for tool, runs in one["runs"][verb].items()} for name, one in large.items()}))
