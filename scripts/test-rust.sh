#!/usr/bin/env bash
# The Rust tests; further arguments go to cargo test.
. "$(dirname "$0")/lib.sh"

if strict; then export CLDOCI_REQUIRE_TOOLS=1; fi
cargo test --locked --no-fail-fast "$@"
