#!/usr/bin/env python3
"""Whole verbs, as a user runs them, against the peers: one machine, one run, pairs alternating.

  benches/run.py speed  [--rounds N]   build, build+push, push and pull of source code, each peer in turn
  benches/run.py memory [--check]      peak memory of large files and large trees; --check fails over the limit
  benches/run.py requests              requests of each verb at the registry

Needs `make examples` and `scripts/install-tools.sh`. Everything lies on tmpfs (/dev/shm); the registry is CNCF
Distribution 3 on loopback. Prints Markdown; the figures of docs/performance.md come from here.
"""
import argparse
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / "build/tools/bin"
OURS = ROOT / "build/examples/cldoci"
MIB = 1 << 20


class Run:
    """One finished command: wall and CPU seconds, peak memory of the process in bytes."""

    def __init__(self, command, cwd=None, env=None):
        started = time.perf_counter()
        child = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.wall = time.perf_counter() - started
        if child.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit {child.returncode}: {errors.decode(errors='replace')[-500:]}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.rss = usage.ru_maxrss * 1024


class Registry:
    """Distribution 3 on a free loopback port, its data on tmpfs."""

    def __init__(self, work):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.log = work / "registry.log"
        config = work / "registry.yml"
        config.write_text(
            "version: 0.1\nlog: {level: info}\nstorage:\n  filesystem: {rootdirectory: %s}\n  delete: {enabled: true}\n"
            "http: {addr: %s}\n" % (work / "registry", self.host))
        self.process = subprocess.Popen(
            [str(TOOLS / "registry3"), "serve", str(config)], stdout=open(self.log, "wb"), stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    sys.exit(f"the registry does not start: {self.log.read_text()[-500:]}")
                time.sleep(0.05)

    def requests(self):
        return sum(b"http.response.status" in line for line in self.log.read_bytes().splitlines())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def ours(work, *arguments):
    env = dict(os.environ, CLDOCI_STORE=str(work / "store"), DOCKER_CONFIG=str(work / "no-docker"))
    return Run([OURS, *arguments], env=env)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


def source_tree():
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    return pathlib.Path(root) / "src"


def speed(work, rounds):
    tree = work / "tree"
    # A copy, so that every tool reads the same files from the same file system.
    shutil.copytree(source_tree(), tree, symlinks=True)
    registry = Registry(work)
    host = registry.host
    todays = TOOLS / "todays"
    config = work / "config.json"
    config.write_text('{"schemaVersion":"v1","name":"bench"}')
    number = iter(range(1, 1 << 30))

    def fresh(name):
        return f"{host}/{name}/r{next(number)}:v1"

    def build_ours():
        layout = work / "layout"
        remove(layout)
        return ours(work, "build", tree, f"ocidir://{layout}:v1", "--kind", "component", "--config", config)

    def build_push_ours():
        return ours(work, "build", tree, fresh("ours"), "--kind", "component", "--config", config)

    def pull_ours(reference):
        out = work / "out"
        remove(out)
        return ours(work, "pull", reference, out)

    def pull_oras(reference):
        out = work / "out"
        remove(out)
        out.mkdir()
        return Run([TOOLS / "oras", "pull", "--plain-http", "-o", out, reference])

    def pull_todays(reference):
        out = work / "out"
        remove(out)
        return Run([todays, "pull", reference, out])

    build_ours()
    layer_ours = max(p.stat().st_size for p in (work / "layout/blobs/sha256").iterdir())
    at_ours = f"{host}/at/ours:v1"
    at_oras = f"{host}/at/oras:v1"
    at_todays = f"{host}/at/todays:v1"
    ours(work, "build", tree, at_ours, "--kind", "component", "--config", config)
    Run([TOOLS / "oras", "push", "--plain-http", at_oras, "tree"], cwd=work)
    Run([todays, "push", tree, at_todays])
    layout_reference = f"ocidir://{work / 'layout'}:v1"
    oci = work / "layout"
    verbs = {
        "build": {
            "cldoci": build_ours,
        },
        "build and push": {
            "cldoci": build_push_ours,
            "today's Go package": lambda: Run([todays, "push", tree, fresh("todays")]),
            "oras": lambda: Run([TOOLS / "oras", "push", "--plain-http", fresh("oras"), "tree"], cwd=work),
        },
        "push of a ready artifact": {
            "cldoci": lambda: ours(work, "push", layout_reference, fresh("ready")),
            "oras": lambda: Run([TOOLS / "oras", "cp", "--from-oci-layout", "--to-plain-http", f"{oci}:v1", fresh("ready")]),
            "regctl": lambda: Run([TOOLS / "regctl", "--host", f"reg={host},tls=disabled", "image", "copy",
                                   f"ocidir://{oci}:v1", fresh("ready")]),
            "skopeo": lambda: Run([TOOLS / "skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"oci:{oci}:v1",
                                   f"docker://{fresh('ready')}"]),
        },
        "pull": {
            "cldoci": lambda: pull_ours(at_ours),
            "today's Go package": lambda: pull_todays(at_todays),
            "oras": lambda: pull_oras(at_oras),
        },
    }
    size = sum(p.stat().st_size for p in tree.rglob("*") if p.is_file())
    print(f"Tree: Go's standard library, {size / 1e6:.0f} MB in files; {os.cpu_count()} cores; our layer {layer_ours / 1e6:.2f} MB; {rounds} rounds.\n")
    print("| verb | tool | wall, s (median) | CPU, s | peak RSS, MiB | wall against cldoci, median of ratios (min–max) |")
    print("|---|---|---|---|---|---|")
    for verb, tools in verbs.items():
        runs = {tool: [] for tool in tools}
        for command in tools.values():
            command()
        for _ in range(rounds):
            for tool, command in tools.items():
                runs[tool].append(command())
        base = runs["cldoci"]
        for tool, list_of_runs in runs.items():
            ratios = [run.wall / mine.wall for run, mine in zip(list_of_runs, base)]
            print(f"| {verb} | {tool} | {statistics.median(r.wall for r in list_of_runs):.2f} "
                  f"| {statistics.median(r.cpu for r in list_of_runs):.2f} "
                  f"| {max(r.rss for r in list_of_runs) / MIB:.0f} "
                  f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |", flush=True)
    registry.stop()


def memory(work, check):
    limit = (24 + 4 * os.cpu_count()) * MIB
    registry = Registry(work)
    worst = 0
    print(f"Limit: 24 MiB + 4 MiB a core = {limit // MIB} MiB.\n")
    print("| tree | verb | wall, s | peak RSS, MiB |")
    print("|---|---|---|---|")
    for name, make in TREES.items():
        tree, out, layout = work / "tree", work / "out", work / "layout"
        make(tree)
        local = f"ocidir://{layout}:v1"
        remote = f"{registry.host}/memory/app:v1"
        steps = {
            "build": ["build", tree, local, "--kind", "component"],
            "push": ["push", local, remote],
            "pull": ["pull", remote, out],
        }
        for verb, command in steps.items():
            run = ours(work, *command)
            worst = max(worst, run.rss)
            print(f"| {name} | {verb} | {run.wall:.1f} | {run.rss / MIB:.1f} |", flush=True)
        for path in (tree, out, layout, work / "registry", work / "store"):
            remove(path)
    registry.stop()
    if check and worst > limit:
        sys.exit(f"peak memory {worst / MIB:.1f} MiB is over the limit of {limit // MIB} MiB")


def one_file(tree):
    tree.mkdir()
    block = os.urandom(MIB // 2) + b"some text that repeats " * (MIB // 46)
    with open(tree / "large.bin", "wb") as file:
        for _ in range(2048):
            file.write(block)


def many_directories(tree):
    for d in range(200):
        (tree / f"d{d:03}").mkdir(parents=True)
        for f in range(1000):
            (tree / f"d{d:03}/f{f:04}").write_text(f"{d} {f}\n")


def one_directory(tree):
    tree.mkdir()
    for f in range(50_000):
        (tree / f"f{f:06}").write_text(f"{f}\n")


TREES = {
    "one file of 2 GiB": one_file,
    "200 directories of 1,000 files": many_directories,
    "one directory of 50,000 files": one_directory,
}


def requests(work):
    registry = Registry(work)
    tree = work / "tree"
    tree.mkdir()
    (tree / "file").write_text("x" * 4096)
    at, other = f"{registry.host}/r/app:v1", f"{registry.host}/r/app:v2"
    steps = [
        ("build and push, new repository", ["build", tree, at, "--kind", "application/vnd.example.thing"]),
        ("push of the same again", ["build", tree, at, "--kind", "application/vnd.example.thing"]),
        ("pull", ["pull", at, work / "out"]),
        ("pull again, unchanged", ["pull", at, work / "out"]),
        ("tag in one repository", ["tag", at, other]),
        ("tag into another repository", ["tag", at, f"{registry.host}/r/other:v1"]),
        ("exists, yes", ["exists", at]),
        ("resolve", ["resolve", at]),
        ("config", ["config", at]),
        ("list tags", ["tags", f"{registry.host}/r/app"]),
    ]
    print("| verb | requests |\n|---|---|")
    for name, command in steps:
        before = registry.requests()
        ours(work, *command)
        time.sleep(0.1)
        print(f"| {name} | {registry.requests() - before} |")
    registry.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "memory", "requests"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="cldoci-bench-", dir=base) as work:
        work = pathlib.Path(work)
        if arguments.what == "speed":
            speed(work, arguments.rounds)
        elif arguments.what == "memory":
            memory(work, arguments.check)
        else:
            requests(work)


if __name__ == "__main__":
    main()
