#!/usr/bin/env bash
# The Rust tests; further arguments go to cargo test. TARGET=x86_64-unknown-linux-musl builds and runs them on musl, fully
# static, and aarch64-unknown-linux-musl the same under qemu; what loads the shared library is not among them there.
# LEFT_OUT=FILE: tests that are left out, one a line with the reason behind it; the arguments then have a `--`.
. "$(dirname "$0")/lib.sh"

if strict; then export CLDOCI_REQUIRE_TOOLS=1; fi
if [[ -n ${TARGET:-} ]]; then
  need zig "the tests on $TARGET" || exit 0
  scripts/install-tools.sh "rust:$TARGET" || exit 0
  cross "$TARGET"
  # Rust brings along what musl's programs begin with; only C needs zig.
  name=${TARGET//-/_}
  export "CARGO_TARGET_${name^^}_LINKER=rust-lld" "CARGO_TARGET_${name^^}_RUSTFLAGS=-Clinker-flavor=ld.lld"
  if ((${#run[@]})); then
    need "${run[0]}" "the tests on $TARGET" || exit 0
    # Cargo starts the tests by it, and so does a test that starts its own program again.
    CLDOCI_TEST_RUNNER=$(command -v "${run[0]}")
    export CLDOCI_TEST_RUNNER "CARGO_TARGET_${name^^}_RUNNER=$CLDOCI_TEST_RUNNER"
  fi
  set -- --target "$TARGET" "$@"
fi
if [[ -n ${LEFT_OUT:-} ]]; then
  mapfile -t names < <(sed -n 's/^\([^# ][^ ]*\) .*/\1/p' "$LEFT_OUT")
  for name in "${names[@]}"; do set -- "$@" --skip "$name"; done
  say "${#names[@]} tests can't run like this: $LEFT_OUT"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Some tests go on as another user.
chmod 0755 "$work"
mkdir -m 1777 "$work/tmp"
TMPDIR=$work/tmp cargo test --locked --no-fail-fast "$@" 2>&1 | tee "$work/log"

# (The servers of the tests look by themselves whether one came to where it must not.)
no_canary_in "$work/log" "$work/tmp"
say "no credential in the output, nor in the $(find "$work/tmp" -type f | wc -l) files left behind"
