#!/usr/bin/env bash
# The C programs under AddressSanitizer, LeakSanitizer and UBSan, the library's Rust side instrumented too.
. "$(dirname "$0")/lib.sh"

out=build/asan
triple=$(host_triple)
# A target of its own, so that build scripts and macros stay as they are; the standard library is not rebuilt.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes" CARGO_TARGET_DIR=$out/target \
  CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo build --quiet --lib --locked --target "$triple"
built=$out/target/$triple/debug
nm "$built/libcldoci.so" | grep ' [UTtw] __asan_' >/dev/null || fail "the library is not instrumented"
scripts/c-programs.sh "$built" "$out" -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
export UNDER_ASAN=1 ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1
scripts/run-c-programs.sh "$out"
