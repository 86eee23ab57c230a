#!/usr/bin/env bash
# The C programs under AddressSanitizer, LeakSanitizer and UBSan, the library's Rust side instrumented too.
. "$(dirname "$0")/lib.sh"

out=build/asan
triple=$(host_triple)
# A target of its own, so that build scripts and macros stay as they are; the standard library is not rebuilt.
RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes" CARGO_TARGET_DIR=$out/target \
  CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo build --quiet --lib --locked --target "$triple"
built=$out/target/$triple/debug
nm "$built/libcldoci.so" | grep -q ' [UTtw] __asan_' || fail "the library is not instrumented"
scripts/c-programs.sh "$built" "$out" -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1
# gcc's and Rust's run-time libraries are both there: the program's comes first.
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME=$home
unset XDG_CACHE_HOME

count=0
# A program that wants room for files finds a directory of its own in its argument.
for program in "$out"/tests/*; do
  mkdir -p "$home/$(basename "$program")"
  say "asan: $(basename "$program")"
  "$program" "$home/$(basename "$program")" >"$out/log" 2>&1 || { cat "$out/log"; fail "$program under ASan"; }
  count=$((count + 1))
done
say "asan: demo on a layout"
CLDOCI="$out/examples/cldoci" scripts/demo.sh >"$out/log" 2>&1 || { cat "$out/log"; fail "the demo under ASan"; }
if need registry3 "the demo on a registry under ASan"; then
  say "asan: demo on a registry"
  # shellcheck disable=SC2016
  CLDOCI="$out/examples/cldoci" scripts/registry.sh run sh -c 'scripts/demo.sh examples/component "$REGISTRY"' \
    >"$out/log" 2>&1 || { cat "$out/log"; fail "the demo on a registry under ASan"; }
fi
say "asan: $count programs and the demo: clean"
