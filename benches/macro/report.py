"""Writes tables and plots into docs/: each table between its own marks, so that the prose around it stays."""
import re
import sys

from measure import ROOT

PAGE = ROOT / "docs/performance.md"
PLOTS = ROOT / "docs/plots"
# Whether the page is written; a trial prints alone.
keeps = True


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def section(name, content):
    """Replaces what stands between the marks of `name`, and prints it."""
    if not keeps:
        print(f"\n== {name}\n{content}", flush=True)
        return
    page = PAGE.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if len(marks.findall(page)) != 1:
        sys.exit(f"{PAGE} has no place (or two) for {name}")
    page = marks.sub(lambda found: f"{found[1]}{content.strip()}\n{found[2]}", page)
    PAGE.write_text(page, encoding="utf-8")
    print(f"\n== {name}\n{content}", flush=True)


def plot(name, svg):
    if not keeps:
        return
    PLOTS.mkdir(exist_ok=True)
    (PLOTS / f"{name}.svg").write_text(svg, encoding="utf-8")


def seconds(value):
    """Three figures, in the unit that fits."""
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def mib(size):
    return f"{size / (1 << 20):.1f}"


def amount(size):
    """Bytes in the unit that fits."""
    return f"{size / 1e6:.2f} MB" if size >= 1e5 else f"{size / 1e3:.1f} KB" if size else "0"


def spread(found):
    middle, least, most = found
    return f"{middle:.2f} ({least:.2f}–{most:.2f})"
