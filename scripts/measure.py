#!/usr/bin/env python3
"""Counts what makes the code hard to take over, in a revision or in the work tree.

usage: scripts/measure.py [REVISION...]     such as aefcd54 HEAD; without one, the work tree
"""
import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = ["src", "tests", "include", "docs", "bindings", "examples", "cli", "benches", "fuzz", "scripts", "ARCHITECTURE.md"]
TEXT = {".rs", ".h", ".c", ".go", ".py", ".md", ".sh", ".hpp"}


def files_of(revision):
    """Every text file of the places above, by its path."""
    if revision is None:
        listed = subprocess.run(["git", "ls-files", "--", *PLACES], cwd=ROOT, check=True, capture_output=True, text=True)
        found = ((name, ROOT / name) for name in listed.stdout.splitlines())
        return {n: p.read_text(errors="replace") for n, p in found if p.suffix in TEXT and p.is_file()}
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name: tar.extractfile(member).read().decode(errors="replace")
            for member in tar
            if member.isfile() and Path(member.name).suffix in TEXT and member.name.split("/")[0] in PLACES
        }


def without_comments(text):
    return re.sub(r"//[^\n]*", "", text)


def code(text):
    """Rust without its tests and comments."""
    return without_comments(text.split("#[cfg(test)]")[0])


def rust(files, below="src/"):
    return {n: t for n, t in files.items() if n.startswith(below) and n.endswith(".rs") and not n.endswith("tests.rs")}


def ffi_lines(files):
    return sum(t.count("\n") for n, t in files.items() if n.startswith("src/ffi/"))


def look_ups(files):
    """Settings that are asked for by a name in quotes; where they are defined, of themselves."""
    getter = r"\s*\.\s*(?:bool|int|size|duration|text|path|list|pairs)\s*\(\s*\""
    asked, within = re.compile(r"\bsettings(?:\(\))?" + getter), re.compile(r"\b(?:self|made)" + getter)
    defining = ("src/config.rs", "src/options/")
    return sum(
        len(asked.findall(code(t))) + (len(within.findall(code(t))) if n.startswith(defining) else 0)
        for n, t in rust(files).items()
    )


FUNCTION = re.compile(r"\bfn\s+\w+\s*(?:<[^{;]*?>)?\s*\(")


def functions(text):
    """Parameters and body of every function that has a body."""
    for match in FUNCTION.finditer(text):
        end = closing(text, match.end() - 1, "(", ")")
        brace = re.compile(r"[{;]").search(text, end)
        if brace and brace.group() == "{":
            yield text[match.end():end], text[brace.start():closing(text, brace.start(), "{", "}") + 1]


def closing(text, at, opens, closes):
    depth = 0
    for position in range(at, len(text)):
        if text[position] == opens:
            depth += 1
        elif text[position] == closes:
            depth -= 1
            if depth == 0:
                return position
    return len(text) - 1


def passing_on(files):
    """Functions that take an operation and do nothing with it but hand it to others."""
    handed = re.compile(r"\b(\w+)\s*:\s*&(?:'\w+\s+)?Operation\b")
    count = 0
    for text in rust(files).values():
        for parameters, body in functions(code(text)):
            names = handed.findall(parameters)
            if names and not any(re.search(rf"\b{name}\s*\.\s*(?!clone\(\))\w", body) for name in names):
                count += any(re.search(rf"\b{name}\b", body) for name in names)
    return count


def circles(files):
    """Groups of files of one directory that need one another. A directory in it counts as one, and what declares it
    (mod.rs, or the file beside it) belongs to nobody."""
    edges = {}
    sources = rust(files)
    directories = {name.rsplit("/", 1)[0] for name in sources}
    for name, text in sources.items():
        parts = name[len("src/"):-len(".rs")].split("/")
        if parts[-1] == "mod":
            parts.pop()
        for path in uses(code(text)):
            steps = path.split("::")
            ups = next((i for i, step in enumerate(steps) if step != "super"), len(steps))
            target = steps[1:] if steps[0] == "crate" else parts[:max(len(parts) - ups, 0)] + steps[ups:]
            # Where their ways part.
            level = next((i for i, (a, b) in enumerate(zip(parts, target)) if a != b), 0)
            if level and "src/" + "/".join(parts[:level]) in directories:
                room = "/".join(parts[:level])
                edges.setdefault((room, parts[level]), set()).add((room, target[level]))
    return sorted(sorted(group) for group in components(edges) if len(group) > 1)


def uses(text):
    """The paths that begin with `crate` or `super`, each of a group by itself."""
    for match in re.finditer(r"\b((?:crate|super)(?:::(?:super|\w+))*)(::\{)?", text):
        if not match.group(2):
            yield match.group(1)
            continue
        group = text[match.end():closing(text, match.end() - 1, "{", "}")]
        flat = re.sub(r"\{[^{}]*\}", "", group)
        for item in flat.split(","):
            yield match.group(1) + "::" + item.strip().split(" ")[0]


def components(edges):
    """Tarjan's strongly connected components."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in edges.get(node, ()):
            if target not in edges:
                continue
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = []
            while True:
                group.append(stack.pop())
                if group[-1] == node:
                    break
            found.append(group)

    for node in edges:
        if node not in index:
            visit(node)
    return found


CITED = re.compile(r"\bQ\d+[a-z]?\b|\bG\d{1,2}\b(?!-)|\b[TGRABFX]-\d\d\b|\bissue \d+|Design §\w+|measured traps")


def citations(files):
    """What code and pages cite that no page of the repository has."""
    pages = [files.get("docs/registry-quirks.md", ""), files.get("docs/cases-status.md", "")]
    known = set(re.findall(r"^\| (\S+) \|", "\n".join(pages), flags=re.M))
    dead = []
    for name, text in files.items():
        if name.endswith((".py", ".sh")) or name in ("docs/cases-status.md", "docs/registry-quirks.md"):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            cited = CITED.findall(line) + [q.capitalize() for q in re.findall(r"\bfn (q\d+[a-z]?)_", line)]
            dead += [f"{name}:{number}: {', '.join(strangers)}" for strangers in [[c for c in cited if c not in known]] if strangers]
    return dead


def test_binaries(files):
    return [n for n in files if re.fullmatch(r"tests/(\w+\.rs|(?!loom)\w+/main\.rs)", n)]


def report(revision):
    files = files_of(revision)
    round_trips, dead = circles(files), citations(files)
    figures = [
        ("lines of src/ffi by hand", ffi_lines(files)),
        ("look-ups of a setting by its name in quotes", look_ups(files)),
        ("functions that only pass an operation on", passing_on(files)),
        ("circles between the files of a room", len(round_trips)),
        ("lines of the header", files["include/cldoci.h"].count("\n")),
        ("citations of what is in no page here", len(dead)),
        ("test binaries: of tests/, and the library's own tests and examples", len(test_binaries(files)) + 2),
    ]
    print(revision or "work tree")
    for what, number in figures:
        print(f"  {number:6,}  {what}")
    for circle in round_trips:
        print(f"          circle in {circle[0][0]}: {', '.join(unit for _, unit in circle)}")
    if dead and revision is None:
        print("          " + "\n          ".join(dead[:20]))


for wanted in sys.argv[1:] or [None]:
    report(wanted)
