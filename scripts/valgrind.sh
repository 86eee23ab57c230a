#!/usr/bin/env bash
# The C programs under valgrind: no invalid access, no use of what was not set, no leak.
. "$(dirname "$0")/lib.sh"

need valgrind "the C programs under valgrind" || exit 0
cargo build --quiet --lib --locked
out=build/valgrind
scripts/c-programs.sh target/debug "$out"
# Reachable memory is the runtime's own, which lives as long as the process.
checked="valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=30"
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME=$home
unset XDG_CACHE_HOME

count=0
# A program that wants room for files finds a directory of its own in its argument.
for program in "$out"/tests/*; do
  mkdir -p "$home/$(basename "$program")"
  say "valgrind: $(basename "$program")"
  $checked "$program" "$home/$(basename "$program")" >"$out/log" 2>&1 || { cat "$out/log"; fail "$program under valgrind"; }
  count=$((count + 1))
done
say "valgrind: demo on a layout"
CLDOCI="$checked $out/examples/cldoci" scripts/demo.sh >"$out/log" 2>&1 || { cat "$out/log"; fail "the demo under valgrind"; }
if need registry3 "the demo on a registry under valgrind"; then
  say "valgrind: demo on a registry"
  # shellcheck disable=SC2016
  CLDOCI="$checked $out/examples/cldoci" scripts/registry.sh run sh -c 'scripts/demo.sh examples/component "$REGISTRY"' \
    >"$out/log" 2>&1 || { cat "$out/log"; fail "the demo on a registry under valgrind"; }
fi
say "valgrind: $count programs and the demo: clean"
