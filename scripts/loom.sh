#!/usr/bin/env bash
# The handle table in every order in which threads may meet there (loom).
. "$(dirname "$0")/lib.sh"

from=$SECONDS
# Their own flags and target: the library itself is not built with them.
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$build/loom CARGO_PROFILE_DEV_OPT_LEVEL=2 CARGO_PROFILE_DEV_DEBUG=0 \
  cargo test --quiet --locked --manifest-path tests/loom/Cargo.toml "$@"
say "loom: every order: ok ($((SECONDS - from)) s)"
