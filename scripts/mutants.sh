#!/usr/bin/env bash
# Changes the code where a silent change would hurt most, one place at a time, and sees whether a test notices: cargo-mutants
# over at most 100 mutants. docs/mutants.md explains those that no test notices.
#   scripts/mutants.sh [MINUTES [FLAG...]]     stops by then, and says what was run and what was not; flags are cargo-mutants' own
# The lib tests come first; what they miss meets the suites of tests/it for its room.
. "$(dirname "$0")/lib.sh"

minutes=${1:-120}
flags=("${@:2}")
most=100
files=(
  src/registry/policy.rs src/registry/request.rs          # where a request and a credential may go, redirects
  src/registry/auth/scope.rs src/registry/auth/challenge.rs
  src/archive/unpack/directories.rs src/archive/unpack/publish.rs # confinement, publish
  src/ffi/support/handle.rs src/ffi/support/slot.rs src/ffi/support/token.rs
  src/oci/manifest.rs
)
# Which suites of tests/it a mutant meets, by the beginning of its path.
declare -A suites=(
  [src/registry/]="registry:: credentials::"
  [src/archive/]="unpack::"
  [src/ffi/]="behaviour::"
  [src/oci/]="registry:: layout::"
)

have cargo-mutants || fail "cargo-mutants is missing: run scripts/install-tools.sh mutants"
out=$build/mutants
# Of our own crate alone: a mutant is built faster.
export CARGO_PROFILE_DEV_DEBUG=0
rm -rf "$out"
mkdir -p "$out"
# The last third is the suites'.
lib_ends=$((SECONDS + minutes * 40)) ends=$((SECONDS + minutes * 60))

# Debug representations change no behaviour.
chosen=(--exclude-re 'fmt::Debug')
for file in "${files[@]}"; do chosen+=(--file "$file"); done
# A module that src/lib.rs declares twice, for those without `internals` and for those with it, is listed twice.
all=$(cargo mutants --list "${chosen[@]}")
# Every n-th of them, so that each file has its part.
shards=$((($(wc -l <<<"$all") + most - 1) / most))
chosen+=(--shard "0/$shards" --sharding round-robin)
mapfile -t mutants < <(cargo mutants --list "${chosen[@]}" | sort -u)
say "mutants: ${#mutants[@]} of $(sort -u <<<"$all" | wc -l) chosen"

# In place, so that what cargo has built is used; a run that is interrupted leaves its mutant to `git checkout src`.
git diff --quiet HEAD -- src || fail "src has changes that are not committed: mutants change it in place"
restore() {
  git checkout --quiet HEAD -- src
  # What proptest noted of a mutant that it caught.
  git clean -fdq proptest-regressions
}
trap restore EXIT

# In random order, so that a run that the clock ends has looked everywhere.
# pass NAME END FLAGS...: one run, ended by the clock; its outcomes are in $out/NAME/mutants.out.
pass() {
  local name=$1 left=$(($2 - SECONDS)) status=0
  shift 2
  ((left > 0)) || return 0
  mkdir -p "$out/$name"
  timeout --signal=INT "$left" cargo mutants --in-place --output "$out/$name" --colors never --no-times \
    --build-timeout 600 --minimum-test-timeout 60 "${flags[@]}" "$@" >"$out/$name/log" 2>&1 || status=$?
  # 2: some were missed, 3: some took too long, 124 and 130: the clock.
  case $status in 0 | 2 | 3 | 124 | 130) ;; *) cat "$out/$name/log"; fail "cargo mutants: $status" ;; esac
  restore
}

# of NAME OUTCOME: the mutants of a pass with this outcome.
of() { sort -u "$out/$1/mutants.out/$2.txt" 2>/dev/null || true; }
# met OUTCOME: those that the lib tests missed, with this outcome in the suites.
met() {
  local room
  for room in "${!suites[@]}"; do of "$room" "$1"; done | grep -xF -f "$out/lib/mutants.out/missed.txt" || true
}

# As an argument of cargo it holds for the build too, which would else make every test program.
pass lib "$lib_ends" "${chosen[@]}" --cargo-arg=--lib
for room in "${!suites[@]}"; do
  exact=()
  # Fields that are left out come along whatever --re says: those of other files need not.
  while read -r file; do exact+=(--file "$file"); done < <(of lib missed | grep "^$room" | cut -d: -f1 | sort -u)
  # shellcheck disable=SC2001,SC2016 # signs of a regular expression
  while read -r mutant; do exact+=(--re "^$(sed 's/[][\.*^$()+?{}|]/\\&/g' <<<"$mutant")\$"); done < <(of lib missed | grep "^$room")
  ((${#exact[@]} > 0)) || continue
  copies=$(($(cargo mutants --list "${exact[@]}" | wc -l) / $(cargo mutants --list "${exact[@]}" | sort -u | wc -l)))
  read -ra filters <<<"${suites[$room]}"
  # The tests have just passed, for the lib: a run of the suites without a mutant would take as long as one with it.
  pass "$room" "$ends" "${exact[@]}" --shard "0/$copies" --sharding slice --baseline=skip --timeout 300 --cargo-arg=--test=it -- -- "${filters[@]}"
done

count() { of lib "$1" | wc -l; }
say "lib tests: $(count caught) caught, $(count timeout) timed out, $(count unviable) do not compile, $(count missed) missed"
say "the suites, on those missed: $(met caught | wc -l) caught, $(met timeout | wc -l) timed out, $(met missed | wc -l) missed"
tried=$(($(count caught) + $(count timeout) + $(count unviable) + $(count missed)))
say "run: $tried of ${#mutants[@]}; of $(count missed) missed by the lib tests $({ met caught; met timeout; met missed; } | wc -l) met the suites"
met missed | sed 's/^/survives: /'
