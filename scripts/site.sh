#!/usr/bin/env bash
# The site: the guides, and the reference of cldoci.h and cldoci.hpp, in build/site; then its links, and those of the
# Markdown pages. Nothing in it is fetched from elsewhere.
. "$(dirname "$0")/lib.sh"

need python3 "the site and the check of links" || exit 0
python3 scripts/links.py || fail "a link of the Markdown pages leads nowhere"

# What the check must find, each beside a page that is as it must be.
found() {
  local words=$1 page=$2 place
  place=$(mktemp -d)
  printf '<h1 id="there">x</h1>' >"$place/other.html"
  printf '<a href="other.html#there">x</a><a href="https://example.com">x</a>' >"$place/index.html"
  python3 scripts/links.py "$place" >/dev/null || fail "the check of links refuses a good page"
  printf '%s' "$page" >>"$place/index.html"
  if python3 scripts/links.py "$place" >"$place/log" || ! grep -q "$words" "$place/log"; then
    fail "the check of links does not find: $page"
  fi
  rm -r "$place"
}
found "no such file" '<a href="missing.html">x</a>'
found "no such file" '<a href="../../etc/passwd">x</a>'
found "no such anchor" '<a href="other.html#missing">x</a>'
found "from elsewhere" '<img src="https://example.com/x.png">'
found "from elsewhere" '<script src="//example.com/x.js"></script>'
found "from elsewhere" '<style>@import "https://example.com/x.css";</style>'

[[ -d $tools/mistune ]] || {
  strict && fail "mistune is missing, and the site needs it: run scripts/install-tools.sh site"
  left_out "the site (mistune is missing; scripts/install-tools.sh site installs it)"
  exit 0
}
need doxygen "the site" || exit 0
rm -rf "$build/site"
mkdir -p "$build/site"
python3 scripts/site.py "$build/site"
timeout 120 doxygen - <<END
PROJECT_NAME = cldoci
PROJECT_NUMBER = $(library_version)
INPUT = include/cldoci.h include/cldoci.hpp
STRIP_FROM_PATH = include
OUTPUT_DIRECTORY = $build/site
HTML_OUTPUT = reference
PREDEFINED = __cpp_lib_jthread __cpp_lib_span
EXTRACT_ALL = YES
JAVADOC_AUTOBRIEF = YES
DISABLE_INDEX = NO
SEARCHENGINE = NO
HTML_DYNAMIC_MENUS = NO
HAVE_DOT = NO
CLASS_GRAPH = NO
INCLUDE_GRAPH = NO
INCLUDED_BY_GRAPH = NO
GENERATE_LATEX = NO
VERBATIM_HEADERS = NO
QUIET = YES
WARNINGS = NO
WARN_IF_INCOMPLETE_DOC = NO
END
python3 scripts/links.py "$build/site" || fail "a link of the site leads nowhere, or fetches something from elsewhere"
