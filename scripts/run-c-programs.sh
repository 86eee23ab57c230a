#!/usr/bin/env bash
# Runs what scripts/c-programs.sh compiled: the C tests, then the demo on a layout and on a real registry.
#   scripts/run-c-programs.sh OUTPUT_DIRECTORY [CHECKER...]     such as valgrind and its options
. "$(dirname "$0")/lib.sh"

out=$1
shift
name=$(basename "$out")
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME=$home
unset XDG_CACHE_HOME

checked() {
  local what=$1 from=$SECONDS
  shift
  timeout 900 "$@" >"$out/log" 2>&1 || { cat "$out/log"; fail "$what under $name"; }
  say "$name: $what: clean ($((SECONDS - from)) s)"
}

# Program and argument; a directory with a tree, and the library twice. Left out: `fork`, whose children leave what
# they inherited behind (a leak, to a checker), have no time for valgrind, and hang in the allocator of ASan, as it is
# where another thread was when they were made. helgrind and drd take every lock and every atomic of Rust's for a
# race, as they know the C library's alone.
list="builder DIR
handles 2000
misuse DIR
options
operations
signals
callbacks
reentrant
credential
guest DIR
dlopen LIBRARIES
limits DIR"
# Its limit of descriptors is below those that valgrind keeps for itself.
[[ -n ${UNDER_VALGRIND:-} ]] || list+="
thousand DIR"
mkdir -p "$home/guest/tree" "$home/thousand/tree"
echo content >"$home/thousand/tree/file"
head -c 3M /dev/zero >"$home/guest/tree/file"
cp -L "$out/lib/libcldoci.so" "$home/another-version.so"
libraries="$(realpath "$out/lib/libcldoci.so") $home/another-version.so"
while read -r program argument; do
  mkdir -p "$home/$program"
  # shellcheck disable=SC2086
  checked "$program" "$@" "$out/tests/$program" $(sed "s#DIR#$home/$program#; s#LIBRARIES#$libraries#" <<<"$argument")
done <<<"$list"

export CLDOCI="$* $out/cli/cldoci"
checked "demo on a layout" scripts/demo.sh
if need registry3 "the demo on a registry under $name"; then
  # shellcheck disable=SC2016
  checked "demo on a registry" scripts/registry.sh run sh -c 'scripts/demo.sh examples/component "$REGISTRY"'
fi
