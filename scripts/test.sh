#!/usr/bin/env bash
# Every test: Rust, the handle table under loom, the install, the workflow of the demo, the tool, Go, Python, the snippets.
. "$(dirname "$0")/lib.sh"

scripts/install-tools.sh go debian zig
scripts/test-rust.sh
make --no-print-directory loom
scripts/test-install.sh
scripts/test-release.sh
make --no-print-directory test-demo test-cli test-upgrade

# The bindings against one installation.
prefix=$(mktemp -d)/prefix
trap 'rm -rf "${prefix%/prefix}"' EXIT
make -s install PREFIX="$prefix"
scripts/test-go.sh "$prefix"
scripts/test-python.sh "$prefix"
scripts/test-docs.sh "$prefix"
