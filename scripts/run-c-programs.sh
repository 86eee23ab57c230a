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

# Program and argument. dlopen loads the library by itself, and a thousand operations say nothing more here.
while read -r program argument; do
  mkdir -p "$home/$program"
  # shellcheck disable=SC2086
  checked "$program" "$@" "$out/tests/$program" ${argument/DIR/"$home/$program"}
done <<'END'
builder DIR
handles 2000
misuse DIR
options
operations
callbacks
credential
END

export CLDOCI="$* $out/examples/cldoci"
checked "demo on a layout" scripts/demo.sh
if need registry3 "the demo on a registry under $name"; then
  # shellcheck disable=SC2016
  checked "demo on a registry" scripts/registry.sh run sh -c 'scripts/demo.sh examples/component "$REGISTRY"'
fi
