"""The everyday case: small artifacts, one after the other and many at once, in programs that are warm
(`benches/everyday`): cldoci's Go package beside today's, and a bare client that checks nothing."""
import json
import os
import pathlib
import statistics
import subprocess

import trees
from measure import BUILT, ROOT, remove
from registry import Registry
from report import section, table

TODAY, OURS, BARE = "today", "cldoci", "bare"
VERBS = ["exists", "config", "pull", "tag", "build", "push", "push-new"]
ROUNDS = 5
# How many times as fast as today's package: p50 where one goes on at a time; at 16 at once, throughput.
ALONE = {"exists": 2.2, "config": 1.8, "pull": 1.6, "tag": 3, "build": 2, "push": 2, "push-new": 2}
CROWD = {verb: 1.3 if verb == "pull" else 1 for verb in VERBS}
NAMES = {"push": "push again", "push-new": "push to a new repository"}


def program(name, module, **environment):
    """`benches/everyday` against the package of a Go module."""
    out = BUILT / f"everyday-{name}"
    subprocess.run(["go", "build", "-o", out, ROOT / "benches/everyday/main.go"], cwd=ROOT / module,
                   env=dict(os.environ, **environment), check=True)
    return out


def programs(bench):
    BUILT.mkdir(parents=True, exist_ok=True)
    prefix = bench.work / "prefix"
    subprocess.run([ROOT / "scripts/install.sh", "install", prefix], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    bench.environment["LD_LIBRARY_PATH"] = str(prefix / "lib")
    ours = program("cldoci", "bindings/go", PKG_CONFIG_PATH=str(prefix / "lib/pkgconfig"),
                   CGO_LDFLAGS=f"-g -O2 -Wl,-rpath-link,{prefix / 'lib'}")
    today = program("today", "tests/go/cldctl", CGO_ENABLED="0")
    return {TODAY: [today, "package"], OURS: [ours, "package"], BARE: [ours, "bare"]}


def run(bench, client, verb, reference, tree, at_once, operations):
    """One program's numbers."""
    directory = tree
    if verb == "pull":
        directory = bench.work / "pulled"
        directory.mkdir()
    command = [*client, verb, reference, directory, at_once, operations]
    done = subprocess.run([str(part) for part in command], env=bench.environment, capture_output=True, check=False)
    if directory != tree:
        remove(directory)
    if done.returncode != 0:
        raise SystemExit(f"everyday {verb} {reference}: {done.stderr.decode(errors='replace')[-600:]}")
    return json.loads(done.stdout)


def middle(runs, field):
    return statistics.median(run[field] for run in runs)


def times(runs, client, field, of=OURS):
    """How many times as good one client is as another: the median of the rounds' ratios."""
    pairs = zip(runs[client], runs[of])
    return statistics.median(one[field] / theirs[field] if field == "per_second" else theirs[field] / one[field] for theirs, one in pairs)


def against(runs, client, field):
    return f"{times(runs, client, field):.2f}" if client in runs else "–"


def speed(at_once):
    """What tells how fast it is."""
    return "p50" if at_once == 1 else "per_second"


def goals(found):
    """Ours against today's package and the bare client, and what the latter reaches against the former: nobody who sends
    these requests to this registry does better."""
    def verdict(value, goal, least):
        return f"{value:.2f} {'yes' if (value >= goal if least else value <= goal) else '**no**'}"

    def tail(runs, client):
        return statistics.median(run["p99"] / run["p50"] for run in runs[client])

    rows = []
    for (verb, at_once), runs in found.items():
        goal, field = (ALONE if at_once == 1 else CROWD)[verb], speed(at_once)
        rows.append([NAMES.get(verb, verb), at_once, goal, verdict(times(runs, TODAY, field), goal, True), f"{times(runs, TODAY, field, BARE):.2f}",
                     verdict(1 / times(runs, BARE, field), 1.25, False), verdict(1 / times(runs, BARE, "cpu"), 1.5, False),
                     verdict(tail(runs, OURS) / tail(runs, BARE), 1.3, False) if at_once > 1 else "–"])
    heads = ["verb", "at once", "goal", "times as fast as today's", "the bare client", "time against the bare client's, at most 1.25",
             "CPU time, at most 1.5", "p99/p50, at most 1.3"]
    section("everyday-goals", table(heads, rows))


def row(what, at_once, runs):
    ours = runs[OURS]
    field = speed(at_once)
    return [what, at_once, f"{middle(ours, 'per_second'):,.0f}", f"{middle(ours, 'p50') * 1e3:.2f} ms", f"{middle(ours, 'p99') * 1e3:.2f} ms",
            f"{middle(ours, 'cpu') * 1e3:.2f} ms", f"{middle(ours, 'waits'):.1f}", f"{middle(ours, 'rss') / (1 << 20):.0f} MiB",
            f"{middle(ours, 'threads'):.0f}", against(runs, TODAY, field), against(runs, TODAY, "cpu"),
            against(runs, BARE, field), against(runs, BARE, "cpu")]


def component(count):
    def make(tree: pathlib.Path):
        for n in range(count):
            path = tree / f"src{n % 7}" / f"part{n}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"key{line}: value {n} {line}\n" for line in range(20)), encoding="utf-8")
    return make


# What is pulled and built, by which verbs, how many operations of a round where one goes on at a time, and whether over TLS with
# tokens. There a push to a new repository would measure who makes its token.
CASES = [
    ("10 files", trees.component, VERBS, 100, False),
    ("10 files, tokens over TLS", trees.component, [verb for verb in VERBS if verb not in ("build", "push-new")], 100, True),
    ("100 files", component(100), ["pull", "build"], 100, False),
    ("1,000 files", component(1000), ["pull", "build"], 20, False),
]


def measure(bench):
    clients, rows, held = programs(bench), [], {}
    rounds = 1 if bench.trial else ROUNDS
    for name, make, verbs, alone, tls in CASES:
        alone = 5 if bench.trial else alone
        tree, layout = bench.work / "tree", bench.work / "layout"
        make(tree)
        subprocess.run([ROOT / "build/cli/cldoci", "build", tree, f"ocidir://{layout}:v1", "--kind", "component"],
                       env=bench.environment, stdout=subprocess.DEVNULL, check=True)
        with Registry(bench.work, tls=tls, tokens=tls) as registry:
            plain = dict(bench.environment)
            if tls:
                bench.environment.update(SSL_CERT_FILE=str(bench.work / "tls/cert.pem"),
                                         EVERYDAY_TOKEN=registry.tokens.token("repository:ours/app:pull,push"))
            places = {TODAY: f"{registry.host}/today/app:v1", OURS: f"{registry.host}/ours/app:v1"}
            places[BARE] = places[OURS]
            for client in (TODAY, OURS):
                run(bench, clients[client], "push", places[client], tree, 1, 1)
            for verb in verbs:
                for at_once in (1, 16):
                    runs = {client: [] for client in clients}
                    for round_ in range(rounds):
                        order = list(clients)[round_:] + list(clients)[:round_]
                        for client in order:
                            runs[client].append(run(bench, clients[client], verb, places[client], tree, at_once, alone * (1 if at_once == 1 else 4)))
                    rows.append(row(f"{NAMES.get(verb, verb)}, {name}", at_once, runs))
                    if name == "10 files":
                        held[verb, at_once] = runs
        bench.environment = plain
        for at_once in (1, 16) if not tls else ():
            runs = [run(bench, clients[OURS], "pull", f"ocidir://{layout}:v1", tree, at_once, alone * (1 if at_once == 1 else 4)) for _ in range(rounds)]
            rows.append(row(f"pull from a layout, {name}", at_once, {OURS: runs}))
        for made in (tree, layout, bench.work / "registry", bench.work / "tls", bench.work / "store"):
            remove(made)
    heads = ["verb", "at once", "a second", "p50", "p99", "CPU time", "waits", "peak memory", "threads", "times today's", "its CPU",
             "times a bare client's", "its CPU"]
    section("everyday", table(heads, rows))
    goals(held)
