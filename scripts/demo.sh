#!/usr/bin/env bash
# The whole workflow with the tool: build, push, tag, resolve, check, pull elsewhere, compare.
#   scripts/demo.sh [DIR] [REGISTRY]
# CLDOCI is the command that is run, where it is another than build/cli/cldoci.
. "$(dirname "$0")/lib.sh"

directory=${1:-examples/component}
registry=${2:-}
read -ra cldoci <<<"${CLDOCI:-build/cli/cldoci}"
[[ -d $directory ]] || fail "$directory is not a directory"
have "${cldoci[0]}" || fail "${cldoci[0]} is missing: run make demo"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() {
  printf '\n$ %s\n' "cldoci ${*//$work/\$WORK}"
  "${cldoci[@]}" "$@"
}

layout=ocidir://$work/layout
if [[ -n $registry ]]; then
  target=$registry/demo/component
else
  target=ocidir://$work/elsewhere
fi

say "An artifact is built from $directory into a local layout, and goes from there to $target."
printf '{"schemaVersion":"1.0","readme":"the demo"}' >"$work/config.json"
run build "$directory" "$layout:v1" --kind component --config "$work/config.json"
run push "$layout:v1" "$target:v1"
run tag "$target:v1" "$target:latest"
run resolve "$target:latest"
run exists "$target:latest"
code=0
run exists "$target:absent" || code=$?
[[ $code == 1 ]] || fail "exists of an absent tag ended with $code, not 1"
run tags "$target"
printf '\n$ %s\n' "cldoci config ${target//$work/\$WORK}:latest"
"${cldoci[@]}" config "$target:latest" >"$work/config.out"
cat "$work/config.out"; say
cmp "$work/config.json" "$work/config.out" || fail "the config is not the one that was pushed"
run pull "$target:latest" "$work/pulled"

# What a build leaves out by its profile is not in the artifact, so the second build is what is compared:
# the same tree has the same digest wherever it lies.
run build "$work/pulled" "$layout:again" --kind component --config "$work/config.json"
first=$("${cldoci[@]}" resolve "$layout:v1" | grep -o 'sha256:[0-9a-f]*' | head -1)
again=$("${cldoci[@]}" resolve "$layout:again" | grep -o 'sha256:[0-9a-f]*' | head -1)
[[ $first == "$again" ]] || fail "the pulled tree builds $again, the source built $first"
say
say "$ diff -r $directory \$WORK/pulled"
if diff -r --no-dereference "$directory" "$work/pulled" >"$work/diff"; then
  say "the trees are the same"
else
  unexpected=$(grep -v "^Only in $directory" "$work/diff" || true)
  [[ -z $unexpected ]] || fail "the trees differ: $unexpected"
  say "the trees are the same, but for what the build left out:"
  sed 's/^/    /' "$work/diff"
fi
say
say "demo: ok, $first"
