#!/usr/bin/env bash
# Lets the system calls of the tool's verbs fail, and kills it, on layouts and on a real registry: tests/faults.py.
#   scripts/faults.sh [--seconds N] [--seed N] [--part I/N] [--storm SECONDS]
. "$(dirname "$0")/lib.sh"

need strace "the injection of faults" || exit 0
need python3 "the injection of faults" || exit 0
[[ -x $build/cli/cldoci ]] || fail "$build/cli/cldoci is missing: run make cli"
faults=(env PYTHONDONTWRITEBYTECODE=1 python3 tests/faults.py "$build/cli/cldoci" "$@")
if [[ $* != *--storm* ]] && need registry3 "the faults of verbs that speak to a registry"; then
  scripts/registry.sh run "${faults[@]}"
else
  "${faults[@]}"
fi
