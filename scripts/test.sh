#!/usr/bin/env bash
# Every test: Rust, the install, and the workflow from C on a layout and on a real registry.
. "$(dirname "$0")/lib.sh"

scripts/install-tools.sh go debian
scripts/test-rust.sh
scripts/test-install.sh
scripts/test-demo.sh
