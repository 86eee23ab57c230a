#!/usr/bin/env bash
# Formatting, clippy and the generated header; the licences are scripts/deny.sh's.
. "$(dirname "$0")/lib.sh"

cargo fmt --all --check || fail "not formatted; this mends it: cargo fmt"
for other in tests/loom fuzz; do
  cargo fmt --manifest-path $other/Cargo.toml --check || fail "not formatted; this mends it: cargo fmt --manifest-path $other/Cargo.toml"
done
cargo clippy --quiet --locked --all-targets -- -D warnings
scripts/header.sh check
