#!/usr/bin/env bash
# The C and C++ programs under a checker, and the demo on a layout and on a real registry.
#   scripts/sanitize.sh asan       AddressSanitizer, LeakSanitizer and UBSan, the library's Rust side instrumented too
#   scripts/sanitize.sh valgrind   no invalid access, no use of what was not set, no leak
#   scripts/sanitize.sh tsan       ThreadSanitizer, the library and Rust's own instrumented too; the torture suite as well
# With `build` behind it, it only builds what it needs.
. "$(dirname "$0")/lib.sh"

name=${1:-} step=${2:-all}
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
    # The library as the Rust tests have it.
    cargo test --quiet --locked --no-run 2>/dev/null
    compile_c_programs target/debug/deps "$out"
    export UNDER_VALGRIND=1
    # Reachable memory is the runtime's own, which lives as long as the process. Possibly lost is what glibc has for a
    # thread that still lives, or that nobody waited for: a program that ends without cldoci_wait_idle leaves some.
    checker=(
      valgrind --quiet --error-exitcode=99 --num-callers=30
      --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
    )
    # What valgrind reports by itself: not even that is left once the library is idle.
    waited=("--show-leak-kinds=definite,possible" "--errors-for-leak-kinds=definite,possible")
    ;;
  tsan)
    scripts/install-tools.sh clang
    need clang "ThreadSanitizer" || exit 0
    scripts/install-tools.sh rust-src || exit 0
    triple=$(host_triple)
    # Rust's own library is rebuilt: without it every lock and every Arc of it would look like a race. A profile of its own,
    # as macros and build scripts would be optimised otherwise, too; its library is the one that the Rust tests have.
    mkdir -p "$out"
    profile=()
    for setting in 'inherits="release"' lto=false codegen-units=16 opt-level=1 'debug="line-tables-only"' strip=false debug-assertions=true; do
      profile+=(--config "profile.tsan.$setting")
    done
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=thread -Cforce-frame-pointers=yes" CARGO_TARGET_DIR=$out/target \
      cargo test --no-run --test torture --locked --target "$triple" -Zbuild-std=std,panic_unwind,test \
      "${profile[@]}" --profile tsan --message-format=json 2>"$out/build.log" >"$out/build.json" ||
      { cat "$out/build.log"; fail "no build for ThreadSanitizer"; }
    torture=$(sed -n 's/.*"executable":"\([^"]*torture[^"]*\)".*/\1/p' "$out/build.json" | tail -n 1)
    [[ -x $torture ]] || fail "cargo names no torture suite"
    built=$out/target/$triple/tsan/deps
    nm "$built/libcldoci.so" | grep ' [UTtw] __tsan_' >/dev/null || fail "the library is not instrumented"
    # The runtime is in the programs: clang's, as the compiler's own may be older than Rust's.
    CC=clang CXX=clang++ compile_c_programs "$built" "$out" -fsanitize=thread -fno-omit-frame-pointer
    rm -f "$out"/report.*
    # Programs that fork start threads in the child; one that ends without cldoci_wait_idle leaves threads, which is theirs to say.
    export UNDER_TSAN=1
    export TSAN_OPTIONS="suppressions=$root/tests/tsan.supp log_path=$out/report die_after_fork=0 report_thread_leaks=0 history_size=4 second_deadlock_stack=1"
    ;;
  *) fail "asan, valgrind or tsan" ;;
esac

[[ $step == all ]] || exit 0
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME=$home
unset XDG_CACHE_HOME

# checked WHAT COMMAND...: one check, with a home of its own.
checked() {
  local what=$1 from=$SECONDS log=$out/${1// /-}.log
  shift
  mkdir -p "$home/$what"
  HOME=$home/$what timeout 900 "$@" >"$log" 2>&1 || { : >"$home/failed"; cat "$log"; fail "$what under $name"; }
  say "$name: $what: clean ($((SECONDS - from)) s)"
}

# They run beside each other, as many as there are processors: a checker keeps a program to one of them.
beside() {
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || true; done
  checked "$@" &
}

# program PROGRAM [ARGUMENT...]: one of tests/c.
program() { beside "$1" "${checker[@]}" "$out/tests/$1" "${@:2}"; }

mkdir -p "$home/guest/tree" "$home/thousand/tree" "$home/workflow"
echo content >"$home/thousand/tree/file"
head -c 3M /dev/zero >"$home/guest/tree/file"
cp -L "$out/lib/libcldoci.so" "$home/another-version.so"
export CLDOCI="${checker[*]} $out/cli/cldoci"

# Left out: `fork`, whose children leave what they inherited behind (a leak, to a checker), have no time for valgrind,
# and hang in the allocator of ASan, as it is where another thread was when they were made. helgrind and drd take every
# lock and every atomic of Rust's for a race, as they know the C library's alone.
program callbacks
beside "demo on a layout" scripts/demo.sh
if need registry3 "the demo on a registry under $name"; then
  # shellcheck disable=SC2016 # the shell that the registry's script starts is what reads it
  beside "demo on a registry" scripts/registry.sh run sh -c 'scripts/demo.sh examples/component "$REGISTRY"'
fi
for tested in builder misuse guest limits workflow; do program "$tested" "$home/$tested"; done
for tested in options operations signals reentrant credential; do program "$tested"; done
mkdir -p "$home/idle"
case $name in
  valgrind) beside idle "${checker[@]}" "${waited[@]}" "$out/tests/idle" "$home/idle" 10 ;;
  *) program idle "$home/idle" 10 ;;
esac
program handles 2000
program dlopen "$out/lib/libcldoci.so" "$home/another-version.so"
# Its limit of descriptors is below those that valgrind keeps for itself.
[[ $name == valgrind ]] || program thousand "$home/thousand"
# Under valgrind the four threads take turns, and few calls are made.
[[ $name == valgrind ]] || program random "$home/random-calls" 10 "$RANDOM"
if [[ $name == tsan ]]; then
  # Its children, too, write what they find to files.
  beside "the torture suite" "$torture" --skip full:: --skip f_24
fi
wait
if compgen -G "$out/report.*" >/dev/null; then
  cat "$out"/report.*
  fail "ThreadSanitizer reports something; each report is in build/tsan"
fi
[[ ! -e $home/failed ]]
