#!/usr/bin/env bash
# Compiles the tool and the C programs that need no generated part (tests/c, examples/c) against one build of the library.
#   scripts/c-programs.sh LIBRARY_DIRECTORY OUTPUT_DIRECTORY [COMPILER FLAGS...]
. "$(dirname "$0")/lib.sh"

scripts/cli.sh "$@"
out=$2
shift 2
mkdir -p "$out/tests" "$out/examples"
for source in tests/c/*.c examples/c/*.c; do
  # A part that a test generates can't be compiled by itself.
  if grep -qx '/\* [A-Z]* \*/' "$source"; then continue; fi
  kind=tests
  [[ $source == examples/* ]] && kind=examples
  ${CC:-cc} -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -pthread "$@" -Iinclude "$source" \
    -o "$out/$kind/$(basename "$source" .c)" -L"$out/lib" -Wl,-rpath,"$(realpath "$out/lib")" -lcldoci -ldl
done
