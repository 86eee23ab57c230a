#!/usr/bin/env python3
"""Makes the site: the guides as HTML, in the directories that they are in; Doxygen makes the reference beside them.

    site.py DIRECTORY
"""

from __future__ import annotations

import html
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any, Dict, List

root = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(root / "scripts"), str(root / "build/tools/mistune")]

import mistune  # noqa: E402 - installed there
from links import slug  # noqa: E402

# The list of pages; their titles are their headings.
_GUIDES = {
    "Start": ["README.md", "docs/install.md", "docs/cli.md", "docs/c-guide.md", "bindings/go/README.md", "bindings/python/README.md",
              "docs/migrating-from-pkg-oci.md"],
    "Use": ["docs/options.md", "docs/credentials.md", "docs/errors.md", "docs/threading.md", "docs/performance.md"],
    "Promises": ["docs/abi.md", "docs/archive-format.md", "docs/reliability.md", "docs/registry-quirks.md", "docs/interoperability.md", "docs/cases-status.md",
                 "CHANGELOG.md", "SECURITY.md"],
    "Work on it": ["CONTRIBUTING.md", "ARCHITECTURE.md", "docs/decisions.md", "docs/mutants.md", "docs/releasing.md"],
}

_STYLE = """
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; display: flex; }
nav { flex: 0 0 15rem; padding: 1.5rem; background: #f5f5f2; min-height: 100vh; box-sizing: border-box; }
nav ul { list-style: none; margin: 0 0 1rem; padding: 0; }
nav [aria-current] { font-weight: bold; color: inherit; }
main { flex: 1; min-width: 0; max-width: 52rem; padding: 1.5rem 2rem; }
pre { background: #f5f5f2; padding: .8rem; overflow-x: auto; }
code { font: .9em ui-monospace, monospace; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid #ddd; padding: .3rem .6rem; text-align: left; vertical-align: top; }
a { color: #0b57a4; }
img { max-width: 100%; }
@media (max-width: 50rem) { body { display: block; } nav { min-height: 0; } }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #181818; } nav, pre { background: #242424; } a { color: #7db8f0; } th, td { border-color: #444; }
}
"""


def output(page: str) -> str:
    """Where a page of the repository is in the site."""
    name = page[:-3] + ".html"
    directory, last = os.path.split(name)
    return os.path.join(directory, "index.html" if last == "README.html" else last)


class _Renderer(mistune.HTMLRenderer):
    """Headings with anchors, and links to pages of the repository as links to those of the site."""

    def __init__(self, page: str, known: Dict[str, str], taken: List[str]) -> None:
        super().__init__(escape=False)
        self._page, self._known, self._taken = page, known, taken
        self._seen: Dict[str, int] = {}
        self.title = ""

    def heading(self, text: str, level: int, **_: Any) -> str:
        plain = html.unescape(mistune.util.striptags(text))
        self.title = self.title or plain
        return f'<h{level} id="{html.escape(slug(plain, self._seen))}">{text}</h{level}>\n'

    def _target(self, url: str) -> str:
        path, mark, anchor = url.partition("#")
        if not path or "://" in url or url.startswith("mailto:"):
            return url
        target = os.path.normpath(os.path.join(os.path.dirname(self._page), path))
        if target not in self._known:
            # Not a page: a file that goes along as it is.
            self._taken.append(target)
        to = self._known.get(target, target)
        return os.path.relpath(to, os.path.dirname(output(self._page)) or ".") + mark + anchor

    def link(self, text: str, url: str, title: "str | None" = None) -> str:
        return super().link(text, self._target(url), title)

    def image(self, text: str, url: str, title: "str | None" = None) -> str:
        return super().image(text, self._target(url), title)


def navigation(current: str, titles: Dict[str, str]) -> str:
    """The list of pages, as it is on one of them."""
    here = os.path.dirname(output(current)) or "."
    parts = []
    for group, pages in _GUIDES.items():
        items = []
        for page in pages:
            mark = ' aria-current="page"' if page == current else ""
            items.append(f'<li><a href="{os.path.relpath(output(page), here)}"{mark}>{html.escape(titles[page])}</a></li>')
        if group == "Use":
            for name, label in (("cldoci_8h.html", "cldoci.h"), ("cldoci_8hpp.html", "cldoci.hpp")):
                items.append(f'<li><a href="{os.path.relpath("reference/" + name, here)}">{label}</a></li>')
        parts.append(f"<b>{group}</b>\n<ul>\n" + "\n".join(items) + "\n</ul>")
    return "\n".join(parts)


def main() -> int:
    to = pathlib.Path(sys.argv[1])
    pages = [page for group in _GUIDES.values() for page in group]
    listed = subprocess.run(["git", "ls-files", "docs/*.md"], cwd=root, check=True, capture_output=True, text=True).stdout.split()
    # What no group names comes last in the second.
    _GUIDES["Use"] += sorted(set(listed) - set(pages))
    pages += sorted(set(listed) - set(pages))
    known, bodies, titles = {page: output(page) for page in pages}, {}, {}
    taken: List[str] = []
    for page in pages:
        renderer = _Renderer(page, known, taken)
        bodies[page] = mistune.create_markdown(renderer=renderer, plugins=["table", "url", "strikethrough"])((root / page).read_text())
        titles[page] = renderer.title
    for page in pages:
        here = to / output(page)
        here.parent.mkdir(parents=True, exist_ok=True)
        style = os.path.relpath("style.css", os.path.dirname(output(page)) or ".")
        here.write_text(
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
            f'<title>{html.escape(titles[page])}</title>\n<link rel="stylesheet" href="{style}">\n</head>\n<body>\n'
            f"<nav>\n{navigation(page, titles)}\n</nav>\n<main>\n{bodies[page]}</main>\n</body>\n</html>\n"
        )
    for name in sorted(set(taken)):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, to / name)
    (to / "style.css").write_text(_STYLE.lstrip())
    print(f"site: {len(pages)} pages in {os.path.relpath(to, root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
