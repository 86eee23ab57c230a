#!/usr/bin/env python3
"""Fails each system call of each verb, once and from the Nth on, and kills the process at each: F-06, F-07, F-16.

  tests/faults.py TOOL [--seconds N] [--seed N] [--part I/N] [--only WORDS]
  tests/faults.py TOOL --storm SECONDS [--seed N]

A process that met a fault ends in time with an ordinary status; what it worked on is as it was or complete; the same
command then succeeds and leaves nothing beside. $REGISTRY names a registry (HOST:PORT) for the verbs that speak to one.
With --seconds the faults are drawn in an order that the seed fixes, until that time is over; without, all are tried.
--part 2/8 is the second of eight parts of all, each as large: together, in runs of their own, they are all.

A storm is many at once that build, pull, copy and collect garbage in one layout with one store, a quarter of them
killed: what is reported done is there at its end, and whole.
"""

import argparse
import collections
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib

# What a process does before main, what waits, and what has no failure worth its run.
PASSED_OVER = set(
    "execve brk arch_prctl set_tid_address set_robust_list rseq exit exit_group futex rt_sigprocmask rt_sigaction "
    "sched_yield restart_syscall access gettid getpid geteuid getuid sigaltstack munmap sched_getaffinity prlimit64 "
    "rt_sigreturn clock_gettime tgkill wait4 getsid umask close".split()
)
# Errors that a call may have; EIO for all others.
ERRORS = {
    "mmap": "ENOMEM", "mprotect": "ENOMEM", "clone3": "EAGAIN", "read": "EIO EINTR", "write": "ENOSPC EIO EINTR",
    "openat": "EMFILE EACCES ENOSPC EIO EINTR", "openat2": "ENOSYS EAGAIN EMFILE", "renameat": "ENOSPC EACCES EXDEV",
    "renameat2": "EIO ENOSPC EINVAL", "mkdirat": "ENOSPC EACCES EROFS", "mkdir": "ENOSPC EACCES", "unlinkat": "EIO EACCES",
    "linkat": "EPERM EXDEV EMLINK", "symlinkat": "EPERM ENOSPC", "flock": "EINTR ENOLCK", "connect": "ECONNREFUSED EINTR",
    "socket": "EMFILE EAFNOSUPPORT", "sendto": "ECONNRESET EINTR", "recvfrom": "ECONNRESET EINTR", "writev": "EPIPE EINTR",
    "fsync": "EIO ENOSPC", "fdatasync": "EIO", "epoll_wait": "EINTR", "epoll_ctl": "ENOSPC ENOMEM", "epoll_create1": "EMFILE",
    "eventfd2": "EMFILE", "fcntl": "EMFILE", "getrandom": "ENOSYS EINTR", "copy_file_range": "EXDEV EIO ENOSPC",
    "statx": "ENOSYS EIO EACCES", "newfstatat": "EIO EACCES", "lseek": "EINVAL", "fchmod": "EPERM EROFS", "ioctl": "ENOTTY",
    "madvise": "EINVAL", "prctl": "EINVAL", "ftruncate": "ENOSPC", "utimensat": "EPERM", "shutdown": "ENOTCONN",
    "setsockopt": "EINVAL", "getsockopt": "EINVAL", "poll": "EINTR", "ppoll": "EINTR", "fallocate": "ENOSPC",
}
# A call that is interrupted for ever, and a kernel that is out of threads for ever, may be waited for.
PASSING = {"EINTR", "EAGAIN"}
# What wakes the library's event queue, and fails.
WAKES = re.compile(r'write\(\d+, "\\1(\\0){7}", 8\) .*INJECTED')
LIMIT = 60

Fault = collections.namedtuple("Fault", "scenario mode call what number")


def snapshot(path):
    """What a directory holds: names, kinds, contents, permissions."""
    if not os.path.isdir(path):
        return None
    found = {}
    for directory, directories, files in os.walk(path):
        for name in directories + files:
            at = os.path.join(directory, name)
            key = os.path.relpath(at, path)
            if os.path.islink(at):
                found[key] = "link " + os.readlink(at)
            elif os.path.isdir(at):
                found[key] = "directory"
            else:
                with open(at, "rb") as file:
                    found[key] = hashlib.sha256(file.read()).hexdigest() + oct(os.stat(at).st_mode & 0o777)
    return found


class Room:
    """Where one worker works, and the verbs that it runs there."""

    def __init__(self, tool, at, registry):
        self.tool, self.at, self.registry, self.count = os.path.abspath(tool), at, registry, 0
        os.makedirs(at)
        self.environment = {"PATH": os.environ["PATH"], "HOME": at, "CLDOCI_STORE": self.path("store")}
        # A layer of one block, and one of several, which other threads compress, send and unpack.
        self.trees = {"source": bytes(range(256)) * 3000, "large": random.Random(1).randbytes(2_500_000)}
        for tree, content in self.trees.items():
            source = self.path(tree)
            os.makedirs(source + "/d/e")
            for name, content in [("a", b"hello"), ("d/f", b"x" * 3000), ("d/e/g", content)]:
                with open(os.path.join(source, name), "wb") as file:
                    file.write(content)
            os.symlink("../a", source + "/d/l")
            self.trees[tree] = snapshot(source)
            self.must(["build", source, self.layout(tree), "--kind", "component"])
            if registry:
                self.must(["copy", self.layout(tree), self.stored(tree)])

    def path(self, name):
        return os.path.join(self.at, name)

    def layout(self, tree):
        return f"ocidir://{self.path('layout')}:{tree}"

    def stored(self, tree):
        return f"{self.registry}/faults/{os.path.basename(self.at)}:{tree}"

    def run(self, arguments, before=(), cwd=None):
        command = [*before, self.tool, *arguments, "--progress", "none"]
        process = subprocess.Popen(command, env=self.environment, cwd=cwd or self.at, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True)
        try:
            said, complained = process.communicate(timeout=LIMIT)
            return process.returncode, said.decode(errors="replace"), complained.decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "hangs", "", ""

    def must(self, arguments, cwd=None):
        code, _, complained = self.run(arguments, cwd=cwd)
        assert code == 0, (arguments, code, complained)

    def fresh(self):
        for name in ["work", "store"]:
            shutil.rmtree(self.path(name), ignore_errors=True)
        os.makedirs(self.path("work"))
        self.count += 1


# What the name of a staging directory begins with.
CONTAINER = ".destination.cldoci-"


class Pull:
    """A pull into a directory that is absent, or holds what `old` says."""

    def __init__(self, place, options=(), old=None, in_place=False, tree="source"):
        self.place, self.options, self.old, self.in_place, self.tree = place, options, old, in_place, tree

    def prepare(self, room):
        room.fresh()
        self.destination = room.path("work/destination")
        self.before = None
        if self.old or self.in_place:
            os.makedirs(self.destination)
            if self.old:
                with open(self.destination + "/old", "w") as file:
                    file.write("old")
            self.before = snapshot(self.destination)
        self.after = {**room.trees[self.tree], **(self.before or {})} if self.old == "merge" else room.trees[self.tree]
        self.cwd = self.destination if self.in_place else None
        self.command = ["pull", getattr(room, self.place)(self.tree), self.destination, *self.options]

    def check(self, room, code, warned=False, for_good=False):
        found = snapshot(self.destination)
        if warned and found:
            # Whoever could not remove it said so; the next pull does.
            found = {name: what for name, what in found.items() if not name.startswith(CONTAINER)}
        if code == 0:
            return None if found == self.after else f"succeeds, and there is {found}"
        if self.old == "merge" and found is not None:
            # Entry by entry; each is whole, and none of the old is lost.
            odd = {name for name, what in found.items() if self.after.get(name) != what}
            return f"not whole: {odd}" if odd or "old" not in found else None
        if self.in_place and (code == -signal.SIGKILL or for_good):
            # What was killed in the middle, or can't remove anything, shows its container, and entries that are whole; the
            # next pull ends it.
            found = {name: what for name, what in found.items() if not name.startswith(CONTAINER)}
            odd = {name for name, what in found.items() if self.after.get(name) != what}
            return f"not whole: {odd}" if odd else None
        return None if found in (self.before, self.after) else f"neither as before nor complete: {found}"

    def settled(self, room):
        beside = [name for name in os.listdir(room.path("work")) if name != "destination"]
        return self.check(room, 0) or (f"left beside it: {beside}" if beside else None)


class Push:
    """A build or a copy to a layout or a registry."""

    def __init__(self, verb, registry, tree="source"):
        self.verb, self.to_registry, self.tree, self.cwd = verb, registry, tree, None

    def prepare(self, room):
        room.fresh()
        self.target = "ocidir://" + room.path("work/out") + ":v1"
        if self.to_registry:
            self.target = f"{room.registry}/faults/{os.path.basename(room.at)}/n{room.count}:v1"
        what, kind = room.path(self.tree), ["--kind", "component"]
        if self.verb == "copy":
            what, kind = room.layout(self.tree), []
        self.command = [self.verb, what, self.target, *kind]

    def check(self, room, code, *_):
        out = room.path("work/checked")
        shutil.rmtree(out, ignore_errors=True)
        pulled, _, complained = room.run(["pull", self.target, out, "--option", "store=off"])
        if pulled == 0:
            return None if snapshot(out) == room.trees[self.tree] else "what is there is not whole"
        if code == 0:
            return "succeeds, and can't be pulled: " + complained
        absent = ["not found", "no such", "No such", "is no image layout", "has no", "no oci-layout", "unknown"]
        return None if any(words in complained for words in absent) else "half there: " + complained

    def settled(self, room):
        # What the dead spooled goes with the next process that spools.
        room.must(["build", room.path("source"), "ocidir://" + room.path("work/other") + ":v1", "--kind", "component",
                   "--option", "reuse_unchanged=false"])
        spooled = os.path.join(room.path("store"), "spool")
        left = os.listdir(spooled) if os.path.isdir(spooled) else []
        # One that had no lock yet is judged by its age.
        left = [name for name in left if not name.startswith("new-")]
        return self.check(room, 0) or (f"left in the store: {left}" if left else None)


class Collect:
    """The collection of garbage in a layout, part of which is in use."""

    cwd = None

    def prepare(self, room):
        room.fresh()
        layout = "ocidir://" + room.path("work/layout")
        shutil.copytree(room.path("layout"), room.path("work/layout"), symlinks=True)
        for n in range(3):
            with open(room.path(f"work/layout/blobs/sha256/{n:064x}"), "w") as file:
                file.write("garbage")
        self.kept, self.command = layout + ":source", ["gc", layout]

    def check(self, room, code, *_):
        out = room.path("work/checked")
        shutil.rmtree(out, ignore_errors=True)
        pulled, _, complained = room.run(["pull", self.kept, out, "--option", "store=off"])
        whole = pulled == 0 and snapshot(out) == room.trees["source"]
        return None if whole else "what was in use is lost: " + complained

    def settled(self, room):
        left = [n for n in range(3) if os.path.exists(room.path(f"work/layout/blobs/sha256/{n:064x}"))]
        return self.check(room, 0) or (f"garbage is left: {left}" if left else None)


CACHE = ("--option", "cache=true", "--option", "resume_after_ms=0")
LOCAL = {
    "build": lambda: Push("build", False),
    "build, large": lambda: Push("build", False, "large"),
    "copy": lambda: Push("copy", False),
    "pull": lambda: Pull("layout"),
    "pull, large": lambda: Pull("layout", tree="large"),
    "pull, replace": lambda: Pull("layout", ("--existing", "replace"), old="replace"),
    "pull, merge": lambda: Pull("layout", ("--existing", "merge"), old="merge"),
    "pull in place": lambda: Pull("layout", in_place=True),
    "collect garbage": Collect,
}
REMOTE = {
    "build and push": lambda: Push("build-and-push", True),
    "push": lambda: Push("copy", True),
    "pull from a registry": lambda: Pull("stored"),
    "pull into the cache": lambda: Pull("stored", CACHE),
    "pull into the cache, large": lambda: Pull("stored", CACHE, tree="large"),
}


def calls_of(room, scenario):
    """How often the busiest thread makes each system call."""
    scenario.prepare(room)
    log = room.path("calls")
    code, _, complained = room.run(scenario.command, ["strace", "-f", "-qq", "-o", log], scenario.cwd)
    assert code == 0, (scenario.command, complained)
    counts = collections.Counter()
    with open(log, errors="replace") as lines:
        for line in lines:
            thread, _, rest = line.partition(" ")
            call = rest.strip().partition("(")[0]
            if call.isidentifier() and call not in PASSED_OVER:
                counts[call, thread] += 1
    most = collections.Counter()
    for (call, _), count in counts.items():
        most[call] = max(most[call], count)
    return most


def faults_of(name, calls):
    for call, count in sorted(calls.items()):
        for number in range(1, count + 1):
            yield Fault(name, "killed", call, "SIGKILL", number)
            for error in ERRORS.get(call, "EIO").split():
                yield Fault(name, "once", call, error, number)
                if error not in PASSING:
                    yield Fault(name, "from then on", call, error, number)


def attempt(room, scenario, fault):
    """Whether the fault came to be, and what is wrong after it."""
    scenario.prepare(room)
    kind = "signal=" if fault.mode == "killed" else "error="
    plus = "+" if fault.mode == "from then on" else ""
    inject = f"inject={fault.call}:{kind}{fault.what}:when={fault.number}{plus}"
    log = room.path("trace")
    tracer = ["strace", "-f", "-qq", "-e", "trace=" + fault.call, "-e", inject, "-o", log]
    code, _, complained = room.run(scenario.command, tracer, scenario.cwd)
    with open(log, errors="replace") as lines:
        trace = lines.read()
    if "INJECTED" not in trace and "SIGKILL" not in trace and code != "hangs":
        return False, None
    if code == "hangs":
        return True, "hangs"
    # Where memory can't be had a process ends: Rust aborts, and so does the loader before main.
    memory = fault.what == "ENOMEM" and ("memory allocation" in complained or code in (127, -11))
    if fault.mode != "killed" and code not in (0, 1, 2) and not memory and "error while loading" not in complained:
        return True, f"ends with {code}: {complained}"
    if any(word in complained for word in ["a bug", "panicked"]):
        return True, "a bug: " + complained
    # A library whose own event queue fails can go on no more; that write to stderr may have failed as well.
    queue = "closed the descriptors" in complained or WAKES.search(trace)
    for_good = fault.mode == "from then on" or queue
    # What failed once leaves nothing of its own in the store, whoever comes next.
    spooled = room.path("store/spool")
    if fault.mode == "once" and not queue and os.path.isdir(spooled) and os.listdir(spooled):
        return True, f"left in the store: {os.listdir(spooled)} (after {code}: {complained.strip()})"
    wrong = scenario.check(room, code, "could not be removed" in complained and for_good, for_good)
    if wrong:
        return True, f"{wrong} (after {code}: {complained.strip()})"
    again, _, complained = room.run(scenario.command, cwd=scenario.cwd)
    # Where the store could not take note of a pull, the next one finds what it does not know.
    noted = fault.mode == "killed" or "is not empty" not in complained
    unknown = not noted and isinstance(scenario, Pull) and snapshot(scenario.destination) == scenario.after
    if again != 0 and not unknown:
        return True, f"the same command fails then (after {code}): {complained}"
    return True, scenario.settled(room)


class Storm:
    """Verbs of four at once on one layout and one store, and kills."""

    def __init__(self, room, seed):
        self.room, self.seed, self.lock = room, seed, threading.Lock()
        self.counts, self.wrong, self.versions, self.tagged = collections.Counter(), [], {}, {}
        shutil.rmtree(room.path("storm"), ignore_errors=True)
        os.makedirs(room.path("storm"))
        self.layout = "ocidir://" + room.path("storm/layout")
        room.must(["build", room.path("source"), self.layout + ":first", "--kind", "component"])

    def act(self, arguments, chance, usual):
        """Runs a verb, and perhaps kills it; its status, or nothing where it was killed."""
        process = subprocess.Popen([self.room.tool, *arguments, "--progress", "none"], env=self.room.environment,
                                   cwd=self.room.at, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, complained = process.communicate(timeout=chance.uniform(0, usual) if chance.random() < 0.25 else LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            with self.lock:
                self.counts["kills"] += 1
            return None
        with self.lock:
            self.counts["verbs"] += 1
            if process.returncode != 0:
                self.wrong.append((arguments, complained.decode(errors="replace")))
        return process.returncode

    def work(self, number, until):
        chance = random.Random(self.seed * 100 + number)
        source, out = self.room.path(f"storm/source{number}"), self.room.path(f"storm/out{number}")
        shutil.copytree(self.room.path("source"), source, symlinks=True)
        tag, usual, rounds = f"t{number}", 0.5, 0
        while time.monotonic() < until:
            rounds += 1
            verb = chance.choice(["build", "build", "pull", "copy", "gc"]) if rounds > 1 else "build"
            begun = time.monotonic()
            if verb == "build":
                with open(source + "/version", "w") as file:
                    file.write(f"{number} {rounds}")
                with self.lock:
                    self.versions[hashlib.sha256(f"{number} {rounds}".encode()).hexdigest()] = number
                code = self.act(["build", source, f"{self.layout}:{tag}", "--kind", "component"], chance, usual)
                if code == 0:
                    self.tagged[tag] = True
            elif verb == "pull":
                chosen = tag if self.tagged.get(tag) else "first"
                code = self.act(["pull", f"{self.layout}:{chosen}", out, "--existing", "replace"], chance, usual)
                if code == 0 and chosen == tag:
                    got = (snapshot(out) or {}).get("version", "")[:64]
                    if self.versions.get(got) != number:
                        self.wrong.append(("pull", "of another version than was ever built"))
            elif verb == "copy":
                code = self.act(["tag", f"{self.layout}:first", f"copy{number}"], chance, usual)
            else:
                code = self.act(["gc", self.layout], chance, usual)
            if code == 0:
                usual = max(0.05, (usual + time.monotonic() - begun) / 2)

    def settle(self):
        """Everything is proven: each blob has its digest, each tag can be pulled, nothing of the dead is left."""
        room, blobs = self.room, self.room.path("storm/layout/blobs/sha256")
        room.must(["gc", self.layout])
        room.must(["build", room.path("source"), "ocidir://" + room.path("storm/other") + ":v1", "--kind", "component",
                   "--option", "reuse_unchanged=false"])
        for name in os.listdir(blobs):
            with open(os.path.join(blobs, name), "rb") as file:
                if hashlib.sha256(file.read()).hexdigest() != name:
                    self.wrong.append((name, "is damaged"))
        for tag in ["first", *self.tagged]:
            room.must(["pull", f"{self.layout}:{tag}", room.path("storm/last-" + tag)])
        left = [name for name in os.listdir(room.path("store/spool")) if not name.startswith("new-")]
        if left:
            self.wrong.append((left, "is left in the store"))


def storm(tool, seconds, seed):
    with tempfile.TemporaryDirectory(prefix="storm-") as top:
        over = Storm(Room(tool, os.path.join(top, "room"), None), seed)
        until = time.monotonic() + seconds
        workers = [threading.Thread(target=over.work, args=(number, until)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        over.settle()
    for what, why in over.wrong:
        print(f"{what}: {why}")
    print(f"storm of {seconds:.0f} s: {over.counts['verbs']} verbs, {over.counts['kills']} kills, "
          f"{len(over.wrong)} violations")
    sys.exit(1 if over.wrong or not over.counts["kills"] else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", default="1/1", help="I/N: the I-th of N parts of all faults")
    parser.add_argument("--only", default="", help="scenarios whose name has these words")
    parser.add_argument("--storm", type=float, help="many at once and kills, for so many seconds")
    given = parser.parse_args()
    if given.storm:
        storm(given.tool, given.storm, given.seed)
    registry = os.environ.get("REGISTRY")
    scenarios = {name: make for name, make in {**LOCAL, **(REMOTE if registry else {})}.items() if given.only in name}
    begun, wrong, done, lock = time.monotonic(), [], collections.Counter(), threading.Lock()
    with tempfile.TemporaryDirectory(prefix="faults-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as top:
        rooms = [Room(given.tool, os.path.join(top, f"r{n}"), registry) for n in range(os.cpu_count() or 1)]
        faults = []
        for name, make in scenarios.items():
            faults += faults_of(name, calls_of(rooms[0], make()))
        # By what a fault is, not by its place: another run may count a call more.
        part, parts = map(int, given.part.split("/"))
        faults = [fault for fault in faults if zlib.crc32(repr(fault).encode()) % parts == part - 1]
        random.Random(given.seed).shuffle(faults)
        queue = iter(faults)

        def work(room):
            while time.monotonic() - begun < given.seconds:
                with lock:
                    fault = next(queue, None)
                if fault is None:
                    return
                try:
                    fired, why = attempt(room, scenarios[fault.scenario](), fault)
                except Exception as error:  # pylint: disable=broad-except
                    fired, why = True, f"the test itself: {error!r}"
                with lock:
                    done["tried"] += 1
                    if fired:
                        done[fault.scenario, "kills" if fault.mode == "killed" else "faults"] += 1
                    if why:
                        wrong.append(fault)
                        print(f"{fault.scenario}: {fault.call} {fault.mode} {fault.what} {fault.number}: {why}".strip(), flush=True)

        workers = [threading.Thread(target=work, args=(room,)) for room in rooms]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    total = {kind: sum(done[name, kind] for name in scenarios) for kind in ["faults", "kills"]}
    for name in scenarios:
        print(f"{name:26} {done[name, 'faults']:6} faults {done[name, 'kills']:6} kills")
    print(f"{done['tried']} of {len(faults)} tried in {time.monotonic() - begun:.0f} s: {total['faults']} faults, "
          f"{total['kills']} kills, {len(wrong)} violations")
    if total["faults"] == 0 or total["kills"] == 0:
        sys.exit("no fault came to be: the test shows nothing")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
