#!/usr/bin/env bash
# A million of each handle, every fault that tests/faults.py knows, peak memory by shape; then the Rust tests again and again, with more cases of each property test each time; for the
# last quarter the fuzz targets.
#   scripts/soak.sh MINUTES
. "$(dirname "$0")/lib.sh"

minutes=${1:-10}
[[ $minutes =~ ^[0-9]+$ ]] || fail "MINUTES is '$minutes', wants a number"
end=$((SECONDS + minutes * 45)) round=0
export PROPTEST_CASES=1024
say "soak: a million handles of each type, made, used and freed"
make -s release
compile_c_programs target/release "$build/release"
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
HOME=$home CLDOCI_SOAK=1 build/release/tests/handles
scripts/cli.sh target/release build
say "soak: every fault of every verb, and a storm of kills"
scripts/faults.sh
scripts/faults.sh --storm 120
say "soak: peak memory by shape"
scripts/counts.sh full
while ((SECONDS < end)); do
  round=$((round + 1))
  say "soak: round $round, $PROPTEST_CASES cases of each property"
  scripts/test-rust.sh --quiet
  PROPTEST_CASES=$((PROPTEST_CASES * 2))
done
scripts/fuzz.sh all $(((minutes + 3) / 4))
say "soak: $round rounds, no failure"
