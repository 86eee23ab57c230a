#!/usr/bin/env python3
"""Checks links without a network: targets and anchors, of Markdown and of a site.

    links.py                  the repository's pages: files and headings that links name must be there
    links.py DIRECTORY...     HTML: the same, and no page may fetch anything from elsewhere

What leads to other hosts is not followed.
"""

from __future__ import annotations

import html.parser
import pathlib
import re
import subprocess
import sys
import urllib.parse
from typing import Dict, Iterator, List, Set, Tuple

# What a browser fetches by itself, by element; a link that a reader follows is none of it.
_FETCHED = {
    "img": ("src", "srcset"), "script": ("src",), "link": ("href",), "iframe": ("src",), "source": ("src", "srcset"),
    "video": ("src", "poster"), "audio": ("src",), "object": ("data",), "embed": ("src",), "use": ("href", "xlink:href"),
    "image": ("href", "xlink:href"), "input": ("src",), "track": ("src",),
}
_ELSEWHERE = re.compile(r"(?i)^(?:[a-z][a-z0-9+.-]*:)?//|^(?:https?|ftp):")
_CSS_URL = re.compile(r"""(?i)(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""")


def slug(heading: str, seen: Dict[str, int]) -> str:
    """The anchor of a heading, as GitHub makes it; `seen` counts the page's."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    made = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
    count = seen.get(made, 0)
    seen[made] = count + 1
    return f"{made}-{count}" if count else made


def prose(text: str) -> str:
    """Markdown without its code."""
    text = re.sub(r"(?ms)^( *)(```|~~~).*?^ *\2 *$", "", text)
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


def headings(text: str) -> List[str]:
    """The headings of a page, as they are written."""
    text = re.sub(r"(?ms)^( *)(```|~~~).*?^ *\2 *$", "", text)
    return re.findall(r"(?m)^#{1,6} +(.+?) *#*$", text)


def of_markdown(text: str) -> Iterator[str]:
    """The targets of its links and images."""
    text = prose(text)
    yield from re.findall(r"\]\(<?([^)<>\s]+)>?(?:\s+\"[^\"]*\")?\)", text)
    yield from re.findall(r"(?m)^ *\[[^\]]+\]: +<?(\S+?)>?$", text)
    yield from re.findall(r"(?:href|src)=\"([^\"]*)\"", text)


def markdown(root: pathlib.Path) -> Tuple[int, List[str]]:
    """How many links the repository's pages have, and what is wrong with them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True).stdout
    files = {name for name in listed.decode().split("\0") if name}
    there = files | {str(parent) for name in files for parent in pathlib.PurePath(name).parents}
    anchors: Dict[str, Set[str]] = {}
    pages = {name: (root / name).read_text() for name in sorted(files) if name.endswith(".md") and (root / name).exists()}
    for name, text in pages.items():
        seen: Dict[str, int] = {}
        anchors[name] = {slug(heading, seen) for heading in headings(text)} | set(re.findall(r'(?:id|name)="([^"]+)"', text))
    wrong, count = [], 0
    for name, text in pages.items():
        for link in of_markdown(text):
            if _ELSEWHERE.match(link) or link.startswith("mailto:"):
                continue
            count += 1
            path, _, anchor = urllib.parse.unquote(link).partition("#")
            target = str(pathlib.PurePath(name))
            if path:
                parts: List[str] = []
                for part in [*pathlib.PurePath(name).parent.parts, *pathlib.PurePath(path).parts]:
                    parts = parts[:-1] if part == ".." else [*parts, part]
                target = "/".join(parts)
            if target not in there:
                wrong.append(f"{name}: {link}: no such file")
            elif anchor and target in anchors and anchor not in anchors[target]:
                wrong.append(f"{name}: {link}: no such heading")
    return count, wrong


class _Page(html.parser.HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: List[str] = []
        self.fetched: List[str] = []
        self.anchors: Set[str] = set()
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: List[Tuple[str, "str | None"]]) -> None:
        self._style = tag == "style"
        for name, value in attributes:
            value = value or ""
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif name in _FETCHED.get(tag, ()):
                found = [part.split()[0] for part in value.split(",") if part.split()] if name == "srcset" else [value]
                self.fetched += found
            elif name == "style":
                self.fetched += _CSS_URL.findall(value)
            elif tag in ("a", "area") and name == "href":
                self.links.append(value)
        if tag == "meta" and dict(attributes).get("http-equiv", "").lower() == "refresh":
            self.fetched.append(dict(attributes).get("content", "").partition("=")[2])

    def handle_data(self, data: str) -> None:
        if self._style:
            self.fetched += _CSS_URL.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self._style = False


def site(root: pathlib.Path) -> Tuple[int, List[str]]:
    """The same of a directory of HTML."""
    pages = {path: _Page(path.read_text(errors="replace")) for path in sorted(root.rglob("*.html"))}
    wrong, count = [], 0
    if not pages:
        wrong.append(f"{root}: no page")

    def look(name: pathlib.Path, link: str) -> None:
        path, _, anchor = urllib.parse.unquote(link.partition("?")[0] if "#" not in link else link).partition("#")
        target = (name.parent / path).resolve() if path else name.resolve()
        if target.is_dir():
            target = target / "index.html"
        if root.resolve() not in target.parents or not target.is_file():
            wrong.append(f"{name.relative_to(root)}: {link}: no such file")
        elif anchor and target.suffix == ".html" and anchor not in by_path[target].anchors:
            wrong.append(f"{name.relative_to(root)}: {link}: no such anchor")

    by_path = {path.resolve(): page for path, page in pages.items()}
    fetched = [(path, link) for path, page in pages.items() for link in page.fetched]
    fetched += [
        (path, link) for path in sorted(root.rglob("*.css")) for link in _CSS_URL.findall(path.read_text(errors="replace"))
    ]
    for path, link in fetched:
        if link.startswith("data:"):
            continue
        count += 1
        if _ELSEWHERE.match(link):
            wrong.append(f"{path.relative_to(root)}: {link}: fetched from elsewhere")
        else:
            look(path, link)
    for path, page in pages.items():
        for link in page.links:
            if _ELSEWHERE.match(link) or link.startswith(("mailto:", "javascript:")):
                continue
            count += 1
            look(path, link)
    return count, wrong


def main() -> int:
    given = [pathlib.Path(name) for name in sys.argv[1:]]
    root = pathlib.Path(__file__).resolve().parents[1]
    found = [site(directory) for directory in given] if given else [markdown(root)]
    wrong = [line for _, lines in found for line in lines]
    print("\n".join(wrong) if wrong else f"links: {sum(count for count, _ in found)} checked")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
