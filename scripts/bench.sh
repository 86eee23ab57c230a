#!/usr/bin/env bash
# Measures against the peers and the limits, all in one run, and writes docs/performance.md, which says how to read it.
. "$(dirname "$0")/lib.sh"

scripts/install-tools.sh go debian
make --no-print-directory cli
need python3 "the benchmarks" || exit 1
need openssl "the certificate of a registry" || exit 1
python3 benches/macro "$@"
[[ $* != --full ]] || python3 benches/ranges.py
