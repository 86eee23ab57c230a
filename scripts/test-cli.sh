#!/usr/bin/env bash
# The tests of the tool, on layouts, on a server of their own, and on a real registry where there is one.
#   scripts/test-cli.sh [TESTS...]    such as test_help.HelpTest
# CLDOCI_TOOL is another build of the tool; CLDOCI_GOLDEN=write writes the help texts and docs/cli.md anew.
. "$(dirname "$0")/lib.sh"

need python3 "the tests of the tool" || exit 0
export CLDOCI_TOOL=${CLDOCI_TOOL:-$build/cli/cldoci} PYTHONDONTWRITEBYTECODE=1
[[ -x $CLDOCI_TOOL ]] || fail "$CLDOCI_TOOL is missing: run make cli"
cd tests/cli
(($#)) || set -- test_*.py
# Each file in a process of its own: they wait more than they work.
tests=(sh -c 'printf "%s\n" "$@" | xargs -P 4 -I TESTS python3 -m unittest -q TESTS' sh "$@")
if need registry3 "the examples of the tool's help on a real registry"; then
  "$root/scripts/registry.sh" run env -C "$PWD" "${tests[@]}"
else
  "${tests[@]}"
fi
