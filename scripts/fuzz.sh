#!/usr/bin/env bash
# The fuzz targets under libFuzzer and AddressSanitizer, for so many minutes in all.
#   scripts/fuzz.sh [TARGET|all] [MINUTES]
#   scripts/fuzz.sh TARGET FILE        runs one input again
. "$(dirname "$0")/lib.sh"

out=$build/fuzz
triple=$(host_triple)
target=${1:-all} minutes=${2:-10}
mapfile -t targets < <(sed -n 's/^    ("\([a-z_]*\)", .*/\1/p' fuzz/targets/mod.rs)
chosen=("$target")
[[ $target != all ]] || chosen=("${targets[@]}")
[[ " ${targets[*]} " == *" ${chosen[0]} "* ]] || fail "TARGET is '$target', wants one of: all ${targets[*]}"
input=
if [[ -f $minutes && $target != all ]]; then
  input=$minutes
elif [[ ! $minutes =~ ^[0-9]+$ ]]; then
  fail "MINUTES is '$minutes', wants a number (or with one target a file)"
fi

# What cargo-fuzz passes too, but for `--cfg fuzzing`: crates leave out checks under it that the library is shipped with.
# A target triple keeps build scripts and macros as they are; the standard library is not rebuilt.
flags="-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares -Cforce-frame-pointers=yes -Ccodegen-units=1"
RUSTC_BOOTSTRAP=1 RUSTFLAGS=$flags CARGO_TARGET_DIR=$out/target \
  cargo build --quiet --locked --manifest-path fuzz/Cargo.toml --target "$triple"
program=$out/target/$triple/debug/fuzz

# What an input unpacks goes to memory where there is such a file system, and away at the end.
TMPDIR=$(mktemp -d -p "$([[ -d /dev/shm ]] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
export TMPDIR
trap 'chmod -R u+rwx "$TMPDIR"; rm -rf "$TMPDIR"' EXIT

if [[ -n $input ]]; then
  CLDOCI_FUZZ_TARGET=$target "$program" "$input"
  exit
fi

mkdir -p "$out/crashes"
seconds=$((minutes * 60 / ${#chosen[@]}))
# libFuzzer takes 0 as no end.
((seconds > 0)) || seconds=1
for name in "${chosen[@]}"; do
  mkdir -p "$out/corpus/$name"
  # A scope ends before what its threads keep in thread-locals is gone, which looks like a leak; leaks are for scripts/sanitize.sh.
  if ! CLDOCI_FUZZ_TARGET=$name "$program" "$out/corpus/$name" "fuzz/corpus/$name" -max_total_time=$seconds \
    -max_len=32768 -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 -detect_leaks=0 -artifact_prefix="$out/crashes/$name-" \
    >"$out/$name.log" 2>&1; then
    tail -n 40 "$out/$name.log" >&2
    kept=$(sed -n 's/^artifact_prefix=.*Test unit written to //p' "$out/$name.log")
    fail "$name failed${kept:+, input: $kept; again: scripts/fuzz.sh $name $kept}"
  fi
  ran=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$name.log")
  [[ ${ran:-0} -gt 0 ]] || fail "$name ran no input: $out/$name.log"
  say "fuzz: $name: $ran inputs in $seconds s, no failure"
done
