#!/usr/bin/env bash
# The C programs under a checker, then the demo on a layout and on a real registry.
#   scripts/sanitize.sh asan       AddressSanitizer, LeakSanitizer and UBSan, the library's Rust side instrumented too
#   scripts/sanitize.sh valgrind   no invalid access, no use of what was not set, no leak
. "$(dirname "$0")/lib.sh"

name=${1:-}
out=$build/$name
checker=()
case $name in
  asan)
    triple=$(host_triple)
    # A target of its own, so that build scripts and macros stay as they are; the standard library is not rebuilt.
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes" CARGO_TARGET_DIR=$out/target \
      CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo build --quiet --lib --locked --target "$triple"
    built=$out/target/$triple/debug
    nm "$built/libcldoci.so" | grep ' [UTtw] __asan_' >/dev/null || fail "the library is not instrumented"
    compile_c_programs "$built" "$out" -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
    export UNDER_ASAN=1 UBSAN_OPTIONS=print_stacktrace=1
    export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:abort_on_error=1
    ;;
  valgrind)
    need valgrind "the C programs under valgrind" || exit 0
    cargo build --quiet --lib --locked
    compile_c_programs target/debug "$out"
    export UNDER_VALGRIND=1
    # Reachable memory is the runtime's own, which lives as long as the process.
    checker=(
      valgrind --quiet --error-exitcode=99 --num-callers=30
      --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
    )
    ;;
  *) fail "asan or valgrind" ;;
esac

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME=$home
unset XDG_CACHE_HOME

# checked WHAT COMMAND...
checked() {
  local what=$1 from=$SECONDS
  shift
  timeout 900 "$@" >"$out/log" 2>&1 || { cat "$out/log"; fail "$what under $name"; }
  say "$name: $what: clean ($((SECONDS - from)) s)"
}

# program PROGRAM [ARGUMENT...]: one of tests/c, with a home of its own.
program() {
  local program=$1
  shift
  mkdir -p "$home/$program"
  checked "$program" "${checker[@]}" "$out/tests/$program" "$@"
}

mkdir -p "$home/guest/tree" "$home/thousand/tree"
echo content >"$home/thousand/tree/file"
head -c 3M /dev/zero >"$home/guest/tree/file"
cp -L "$out/lib/libcldoci.so" "$home/another-version.so"

# Left out: `fork`, whose children leave what they inherited behind (a leak, to a checker), have no time for valgrind,
# and hang in the allocator of ASan, as it is where another thread was when they were made. helgrind and drd take every
# lock and every atomic of Rust's for a race, as they know the C library's alone.
for tested in builder misuse guest limits; do program "$tested" "$home/$tested"; done
for tested in options operations signals callbacks reentrant credential; do program "$tested"; done
program handles 2000
program dlopen "$out/lib/libcldoci.so" "$home/another-version.so"
# Its limit of descriptors is below those that valgrind keeps for itself.
[[ $name == valgrind ]] || program thousand "$home/thousand"

export CLDOCI="${checker[*]} $out/cli/cldoci"
checked "demo on a layout" scripts/demo.sh
if need registry3 "the demo on a registry under $name"; then
  # shellcheck disable=SC2016 # the shell that the registry's script starts is what reads it
  checked "demo on a registry" scripts/registry.sh run sh -c 'scripts/demo.sh examples/component "$REGISTRY"'
fi
