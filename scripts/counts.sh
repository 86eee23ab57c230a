#!/usr/bin/env bash
# The guard against getting slower or larger: counts that do not depend on the clock, of the tool on trees that are made
# here. System calls and allocations for each further file, instructions for each further file and for each byte of a large
# one, threads and waits of the everyday pull, sizes of what is linked, and the memory that the header promises: of what is
# large, of many small verbs at once, and of what is made to take much (tests/memory.py). The requests are counted by
# tests/it/requests.rs.
#   scripts/counts.sh [shapes|full|small]
# shapes: peak memory by shape alone; full: the same as large as docs/reliability.md has it; small: small verbs in a warm
# program alone.
. "$(dirname "$0")/lib.sh"

only=${1:-}
[[ $only =~ ^(shapes|full|small)?$ ]] || fail "'$only' is none of shapes, full and small"
need python3 "peak memory by shape" || exit 0
if [[ $only == small && -z ${REGISTRY:-} ]]; then
  need registry3 "the counts of small verbs" || exit 0
  exec scripts/registry.sh run scripts/counts.sh small
fi
if [[ $only != @(shapes|full) ]]; then
  need strace "the count of system calls" || exit 0
  need valgrind "the count of instructions and allocations" || exit 0
fi
[[ -x build/cli/cldoci ]] || make --no-print-directory cli

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tool=$root/build/cli/cldoci
ten=10 few=200 many=1200 large=$((16 << 20)) huge=$((256 << 20))
export CLDOCI_STORE=$work/store CLDOCI_THREADS=2 DOCKER_CONFIG=$work/none

"${CC:-cc}" -std=c99 -O2 benches/macro/launch.c -o "$work/launch"
# What it makes is large, and made of many files.
shapes() {
  local memory=$work
  [[ -w /dev/shm ]] && memory=/dev/shm
  TMPDIR=$memory tests/memory.py "$tool" "$work/launch" "$@"
}
case $only in
  shapes) shapes; exit ;;
  full) shapes --full; exit ;;
esac

for count in $ten $few $many; do
  mkdir "$work/tree$count"
  for ((n = 0; n < count; n++)); do printf 'the file %s\n' "$n" >"$work/tree$count/file$n"; done
done
mkdir "$work/tree$large" "$work/tree$huge"
# Lines of 16 bytes.
seq -f '%015.0f' $((large / 16)) >"$work/tree$large/file"
truncate -s $huge "$work/tree$huge/file"

failed=0
# bound WHAT FOUND MOST
bound() {
  local verdict=ok
  if awk "BEGIN { exit !($2 > $3) }"; then
    verdict="TOO MANY"
    failed=1
  fi
  printf '%-52s %10s  at most %8s  %s\n' "$1" "$2" "$3" "$verdict"
}

# Each prints its number for a build or a pull of the tree of that size.
verb() {
  case $1 in
    build) printf '%s\0' "$tool" build "$work/tree$2" "ocidir://$work/layout$2:v1" --kind component ;;
    pull) printf '%s\0' "$tool" pull "ocidir://$work/layout$2:v1" "$work/out" ;;
  esac
}
# What strace and valgrind have in their log. How often threads wait for one another is the scheduler's choice.
logged_calls() { awk '$4 ~ /^[0-9]+$/ && $NF !~ /^(futex|epoll_wait|sched_yield|total)$/ { n += $4 } END { print n }' "$work/log"; }
logged_allocations() { sed -n 's/.*total heap usage: \([0-9,]*\) allocs.*/\1/p' "$work/log" | tr -d ,; }
calls() { counted "$1" "$2" strace -c -f -o "$work/log"; logged_calls; }
# Linux starts a thread by clone3, or where a filter refuses that by clone.
threads() { counted "$1" "$2" strace -c -f -o "$work/log"; awk '$NF ~ /^clone3?$/ { n += $4 } END { print n + 0 }' "$work/log"; }
# How often threads wait.
waits() { counted "$1" "$2" "$work/launch" "$work/log"; awk '{ print $5 }' "$work/log"; }
# The least of some runs, where it is chance to find others at work.
least() {
  local least='' now
  for _ in 1 2 3 4 5 6 7; do
    now=$("$@")
    [[ -n $least && $least -le $now ]] || least=$now
  done
  echo "$least"
}
instructions() { counted "$1" "$2" valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$work/log"; sed -n 's/.*Collected : //p' "$work/log"; }
allocations() { counted "$1" "$2" valgrind --log-file="$work/log"; logged_allocations; }
memory() { counted "$1" "$2" "$work/launch" "$work/log"; awk '{ print int($4 / 1024) }' "$work/log"; }
# crowd VERB AT-ONCE: peak memory of a program in C that does so many operations on ten files at once.
crowd() {
  local directory=$work/tree$ten
  [[ $1 == build ]] || { directory=$work/crowd; rm -rf "$directory"; mkdir "$directory"; }
  "$work/verbs" "$1" "ocidir://$work/layout$ten:v1" "$directory" "$2" $((4 * $2)) >"$work/log" || fail "$1, $2 at once"
  sed -n 's/.*"rss":\([0-9]*\)}.*/\1/p' "$work/log" | awk '{ print int($1 / 1048576) }'
}
counted() {
  local arguments
  mapfile -d '' arguments < <(verb "$1" "$2")
  rm -rf "$work/out"
  "${@:3}" "${arguments[@]}" >/dev/null
}

# slope COUNTER VERB SMALL LARGE: what each further file, or operation, costs.
slope() {
  local less more
  less=$("$1" "$2" "$3")
  more=$("$1" "$2" "$4")
  [[ $less =~ ^[0-9]+$ && $more =~ ^[0-9]+$ ]] || fail "$1 of $2 gave no number: $less, $more"
  awk "BEGIN { printf \"%.2f\", ($more - $less) / ($4 - $3) }"
}

"${CC:-cc}" -std=c99 -O2 -Iinclude benches/macro/verbs.c -o "$work/verbs" -pthread -Lbuild/lib -lcldoci -Wl,-rpath,"$root/build/lib"

# warm VERB OPERATIONS AT-ONCE COUNTER...: a warm program that does so many on ten files, on the registry.
warm() { "${@:4}" "$work/verbs" "$1" "$REGISTRY/test/app:v1" "$work/tree$ten" "$3" "$2" >/dev/null; }
warm_calls() { warm "$1" "$2" 1 strace -c -f -o "$work/log"; logged_calls; }
warm_allocations() { warm "$1" "$2" 1 valgrind --log-file="$work/log"; logged_allocations; }
connections() { warm "$1" "$2" 16 strace -f -e trace=connect -o "$work/log"; grep -c 'connect(' "$work/log"; }
if [[ $only == small ]]; then
  warm push-again 1 1
  for limits in "exists 6 145" "config 9 320" "tag 9 350" "push-again 11 385"; do
    read -r verb most_calls most_allocations <<<"$limits"
    bound "$verb, warm: system calls" "$(slope warm_calls "$verb" 20 120)" "$most_calls"
    bound "$verb, warm: allocations" "$(slope warm_allocations "$verb" 20 120)" "$most_allocations"
  done
  bound "exists, 800 times, 16 at once: connections" "$(connections exists 800)" 32
  exit $failed
fi

bound "build: system calls a file" "$(slope calls build $few $many)" 5.2
bound "pull: system calls a file" "$(slope calls pull $few $many)" 4.2
bound "build: system calls of $few files" "$(calls build $few)" 1500
bound "pull: system calls of $few files" "$(calls pull $few)" 1400
build_ten=$(calls build $ten)
bound "build: system calls of $ten files" "$build_ten" 560
bound "pull: system calls of $ten files" "$(calls pull $ten)" 460
# One waits for sockets, one does what blocks: a single block is compressed there.
bound "build: threads started for $ten files" "$(least threads build $ten)" 3
# One waits for sockets, two take turns with what blocks.
bound "pull: threads started for $ten files" "$(threads pull $ten)" 3
bound "pull: waits of threads for $ten files" "$(least waits pull $ten)" 30
bound "build: allocations a file" "$(slope allocations build $few $many)" 9
bound "pull: allocations a file" "$(slope allocations pull $few $many)" 6.5
bound "build: instructions a file" "$(slope instructions build $few $many)" 50000
bound "pull: instructions a file" "$(slope instructions pull $few $many)" 19000
bound "build: instructions a byte of a large file" "$(slope instructions build $few $large)" 80
bound "pull: instructions a byte of a large file" "$(slope instructions pull $few $large)" 14
for at_once in 16 64; do
  for verb in build pull; do
    bound "$verb of $ten files, $at_once at once: peak memory, MiB" "$(crowd $verb $at_once)" $((at_once == 16 ? 32 : 48))
  done
done
limit=$((24 + 4 * $(nproc)))
bound "build of $((huge >> 20)) MiB: peak memory, MiB" "$(memory build $huge)" $limit
bound "pull of $((huge >> 20)) MiB: peak memory, MiB" "$(memory pull $huge)" $limit
bound "the stripped library, KB" $(($(stat -Lc %s target/release/libcldoci.so) / 1000)) 6600
cat >"$work/pull.c" <<'END'
#include <cldoci.h>
int main(int count, char **arguments) {
  cldoci_client *client;
  cldoci_reference *reference;
  return count != 3 || cldoci_client_new(NULL, &client, NULL) != CLDOCI_OK ||
         cldoci_reference_parse(arguments[1], &reference, NULL) != CLDOCI_OK ||
         cldoci_pull(client, reference, arguments[2], NULL, NULL, NULL) != CLDOCI_OK;
}
END
"${CC:-cc}" -std=c99 -O2 -s -Iinclude "$work/pull.c" -o "$work/pull" target/release/libcldoci.a -Wl,--gc-sections -lgcc_eh -lm -ldl -pthread
"$work/pull" "ocidir://$work/layout$few:v1" "$work/pulled" || fail "the program that only pulls ended with $?"
diff -r "$work/tree$few" "$work/pulled" || fail "the program that only pulls pulled another tree"
bound "a stripped program in C that only pulls, KB" $(($(stat -c %s "$work/pull") / 1000)) 5000
shapes || failed=1
scripts/counts.sh small || failed=1
exit $failed
