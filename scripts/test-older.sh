#!/usr/bin/env bash
# The suites of archives, layouts, stores and behaviour, and the torture suite, as on an older Linux: without openat2,
# statx and the other calls that tests/older.c names, so that what stands in for them is what runs. Natively, on x86-64.
#   scripts/test-older.sh SUITE...     the suites of tests/it; the Makefile names them
. "$(dirname "$0")/lib.sh"

if [[ $(uname -m) != x86_64 ]]; then
  left_out "the suites as on an older Linux (tests/older.c knows x86-64 alone)"
  exit 0
fi
mkdir -p "$build"
"${CC:-cc}" -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -pedantic tests/older.c -o "$build/older"
triple=$(host_triple)
name=${triple//-/_}
# Cargo starts each program of tests by it, and what these start inherits the filter. It proves by itself that the calls fail.
export "CARGO_TARGET_${name^^}_RUNNER=$build/older"
scripts/test-rust.sh --test it -- "$@"
scripts/test-rust.sh --test torture
