#!/usr/bin/env bash
# Every test: tools, Rust, C, the install and the bindings.
. "$(dirname "$0")/lib.sh"

scripts/install-tools.sh go debian
scripts/test-rust.sh
