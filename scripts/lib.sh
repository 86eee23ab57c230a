#!/usr/bin/env bash
# What the scripts share. Sourced, not run: `. "$(dirname "$0")/lib.sh"`.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
tools=$build/tools
export PATH="$tools/bin:$PATH"
cd "$root"

# In CI nothing may be left out; elsewhere a missing tool leaves out the tests that need it.
strict() { [[ ${CI:-} == true || -n ${CLDOCI_REQUIRE_TOOLS:-} ]]; }

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# need TOOL WHAT: true when the tool is there; else says in one line what is left out, and in CI ends the run.
need() {
  have "$1" && return 0
  strict && fail "$1 is missing, and $2 needs it: run scripts/install-tools.sh"
  say "left out: $2 ($1 is missing; scripts/install-tools.sh installs it)"
  return 1
}

# Every password and token of the tests has this in it, plain or in base64: none may be in what a run says or leaves.
canary='canary|Y2FuYXJ5|NhbmFy|YW5hcn'
no_canary_in() {
  if grep -rElas "$canary" "$@"; then fail "a credential of the tests is in a log, or in a file that was left behind"; fi
}

# The triple of this machine, which a sanitizer build has to name.
host_triple() { rustc -vV | sed -n 's/^host: //p'; }

# abi_version HEADER: the number in the soname, as the header says it.
abi_version() { sed -n 's/^#define CLDOCI_ABI_VERSION \([0-9]*\)$/\1/p' "$1"; }

# compile_c_programs LIBRARY_DIRECTORY OUTPUT_DIRECTORY [COMPILER FLAGS...]: the tool, and the C programs that need no
# generated part (tests/c, examples/c), against one build of the library.
compile_c_programs() {
  local out=$2 source kind
  scripts/cli.sh "$@"
  shift 2
  mkdir -p "$out/tests" "$out/examples"
  for source in tests/c/*.c examples/c/*.c; do
    # A part that a test generates can't be compiled by itself.
    if grep -qx '/\* [A-Z]* \*/' "$source"; then continue; fi
    kind=tests
    [[ $source == examples/* ]] && kind=examples
    "${CC:-cc}" -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -pthread "$@" -Iinclude "$source" \
      -o "$out/$kind/$(basename "$source" .c)" -L"$out/lib" -Wl,-rpath,"$(realpath "$out/lib")" -lcldoci -ldl
  done
}
