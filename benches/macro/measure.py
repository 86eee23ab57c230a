"""Runs commands through `launch.c`, and makes medians and ratios of what it reports."""
import dataclasses
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / "build/bench"
MIB = 1 << 20


@dataclasses.dataclass
class Command:
    """What to run. `fresh` are paths that must not be there before it."""

    arguments: list
    cwd: pathlib.Path = None
    fresh: tuple = ()


@dataclasses.dataclass
class Run:
    """One finished command: seconds, and bytes of the process's own peak memory."""

    wall: float
    cpu: float
    rss: int
    registry_cpu: float = 0.0


def compile_c(name, *flags):
    """A program of ours, compiled; its path."""
    BUILT.mkdir(parents=True, exist_ok=True)
    program = BUILT / pathlib.Path(name).stem
    subprocess.run([os.environ.get("CC", "cc"), "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", ROOT / "benches/macro" / name,
                    "-o", program, *flags], check=True)
    return program


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Bench:
    """A place to work in, and commands run in it with a user's environment of their own."""

    def __init__(self, work, trial=False):
        self.work = work
        # The shortest way through, to see that all works.
        self.trial = trial
        self.launch = compile_c("launch.c")
        self.environment = dict(
            os.environ, HOME=str(work / "home"), CLDOCI_STORE=str(work / "store"), DOCKER_CONFIG=str(work / "docker"),
            REGISTRY_AUTH_FILE=str(work / "docker/config.json"),
            # Where skopeo's cache of known blobs goes is decided by who runs it; it must not outlive the benchmark.
            _CONTAINERS_ROOTLESS_UID="1000", XDG_DATA_HOME=str(work / "data"), XDG_RUNTIME_DIR=str(work / "run"),
            TMPDIR=str(work / "tmp"))
        for name in ("home", "docker", "run", "tmp"):
            (work / name).mkdir()
        (work / "docker/config.json").write_text("{}")
        self.number = 0

    def unique(self):
        self.number += 1
        return self.number

    def run(self, command, registry=None, wrap=()):
        """Runs a command; one that fails ends the benchmark. `wrap` goes before it (taskset)."""
        for path in command.fresh:
            remove(path)
        before = registry.cpu() if registry else 0
        report = self.work / "report"
        arguments = [self.launch, report, *wrap, *command.arguments]
        done = subprocess.run([str(part) for part in arguments], cwd=command.cwd or self.work, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command.arguments))}: exit {done.returncode}: {done.stderr.decode(errors='replace')[-600:]}")
        wall, user, system, peak, _ = map(int, report.read_text().split())
        return Run(wall / 1e9, (user + system) / 1e6, peak * 1024, registry.cpu() - before if registry else 0)

    def pairs(self, commands, rounds, registry=None, wrap=(), warm_up=True):
        """Runs each of `commands` (name → function that gives a Command) once in every round, in turn; each round
        begins with another."""
        runs = {name: [] for name in commands}
        names = list(commands)
        for round_ in range(-1 if warm_up else 0, rounds):
            first = max(round_, 0) % len(names)
            for name in names[first:] + names[:first]:
                run = self.run(commands[name](), registry, wrap)
                if round_ >= 0:
                    runs[name].append(run)
        return runs


def median(runs, field="wall"):
    return statistics.median(getattr(run, field) for run in runs)


def ratio(runs, base, field="wall"):
    """Median, least and largest of the pairs' ratios."""
    ratios = [getattr(run, field) / max(getattr(mine, field), 1e-6) for run, mine in zip(runs, base)]
    return statistics.median(ratios), min(ratios), max(ratios)
