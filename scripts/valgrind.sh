#!/usr/bin/env bash
# The C programs under valgrind: no invalid access, no use of what was not set, no leak.
. "$(dirname "$0")/lib.sh"

need valgrind "the C programs under valgrind" || exit 0
cargo build --quiet --lib --locked
scripts/c-programs.sh target/debug build/valgrind
export UNDER_VALGRIND=1
# Reachable memory is the runtime's own, which lives as long as the process.
scripts/run-c-programs.sh build/valgrind valgrind --quiet --error-exitcode=99 --num-callers=30 \
  --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
