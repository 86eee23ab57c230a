#!/usr/bin/env bash
# Every snippet of the pages, against the library as it is installed: fragments of C are compiled, whole programs
# in C, Go and Python are run on a local layout, and all three must give one digest.
#
#   scripts/test-docs.sh [PREFIX]    PREFIX: an installation that is there already
. "$(dirname "$0")/lib.sh"

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
prefix=${1:-}
if [[ -z $prefix ]]; then
  prefix=$temporary/prefix
  make -s install PREFIX="$prefix"
fi
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
# See scripts/test-go.sh.
export CGO_LDFLAGS="-g -O2 -Wl,-rpath-link,$prefix/lib"
export CLDOCI_STORE=$temporary/store DOCKER_CONFIG=$temporary/docker PYTHONDONTWRITEBYTECODE=1

# One file for each block: NUMBER.LANGUAGE.
extract() {
  awk -v stem="$2" '
    /^```[a-z]+$/ { language = substr($0, 4); file = stem "." ++number "." language; next }
    /^```$/ { file = "" ; next }
    file { print > file }' "$1"
}

mkdir "$temporary/snippets"
for page in README.md docs/*.md bindings/*/README.md; do
  extract "$page" "$temporary/snippets/$(tr / - <<<"${page%.md}")"
done

for file in "$temporary"/snippets/*.sh; do
  bash -n "$file" || fail "a shell snippet of $(basename "$file") does not parse"
done

flags=$(pkg-config --cflags --libs cldoci)
fragments=0
for file in "$temporary"/snippets/*.c; do
  program=$file
  if ! grep -q 'main(' "$file"; then
    program=${file%.c}.program.c
    {
      printf '#include <cldoci.h>\n#include <stdio.h>\n#include <string.h>\n'
      printf 'void check(cldoci_status status, cldoci_error **error);\n'
      printf 'void fragment(cldoci_client *client, cldoci_reference *reference, cldoci_artifact *artifact, cldoci_options *options);\n'
      printf 'void fragment(cldoci_client *client, cldoci_reference *reference, cldoci_artifact *artifact, cldoci_options *options) {\n'
      cat "$file"
      printf '(void)client; (void)reference; (void)artifact; (void)options;\n}\n'
    } >"$program"
  fi
  # shellcheck disable=SC2086
  cc -std=c99 -Wall -Wextra -Werror -fsyntax-only $flags "$program" || fail "a C snippet of $(basename "$file") does not compile"
  fragments=$((fragments + 1))
done

for file in "$temporary"/snippets/*.cpp; do
  # shellcheck disable=SC2086
  "${CXX:-c++}" -std=c++17 -Wall -Wextra -Werror -fsyntax-only $flags "$file" || fail "a C++ snippet of $(basename "$file") does not compile"
done

tree=$root/examples/component
# shellcheck disable=SC2086
cc "$temporary"/snippets/README.*.c $flags -o "$temporary/program"
c=$("$temporary/program" "$tree" "ocidir://$temporary/layout:c" "$temporary/out-c")
printf 'c       %s\n' "$c"
# shellcheck disable=SC2086
"${CXX:-c++}" -std=c++17 "$temporary"/snippets/README.*.cpp $flags -o "$temporary/program-cpp"
cpp=$("$temporary/program-cpp" "$tree" "ocidir://$temporary/layout:cpp" "$temporary/out-cpp")
printf 'c++     %s\n' "$cpp"
[[ $cpp == "$c" ]] || fail "C gave $c, C++ $cpp"
diff -r --no-dereference "$temporary/out-c" "$temporary/out-cpp" || fail "C and C++ pulled different trees"

say "README's first steps, word for word, in an empty home directory"
mkdir -p "$temporary/first/home"
ln -s "$root/examples" "$temporary/first/examples"
cp "$temporary"/snippets/README.*.c "$temporary/first/program.c"
steps=$(cat "$(grep -l 'make install PREFIX' "$temporary"/snippets/README.*.sh)")
program_steps=$(cat "$(grep -l './program' "$temporary"/snippets/README.*.sh)")
first=$(
  cd "$temporary/first"
  export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} HOME=$PWD/home
  unset PKG_CONFIG_PATH LD_LIBRARY_PATH CLDOCI_STORE XDG_CACHE_HOME
  make() { command make -s -C "$root" "$@" >/dev/null; }
  eval "$steps" >shell.log
  eval "$program_steps"
)
[[ $first == "$c" ]] || fail "README's first steps gave the digest $first, not $c"
for pulled in downloaded pulled; do
  diff -r --no-dereference "$temporary/out-c" "$temporary/first/$pulled" || fail "README's first steps pulled another tree"
done

if need go "the Go program of the README"; then
  mkdir -p "$temporary/go/pkg"
  cp -r bindings/go/oci "$temporary/go/pkg/oci"
  printf 'module github.com/davidthor/cldctl\n\ngo 1.24\n' >"$temporary/go/go.mod"
  cp "$temporary"/snippets/README.*.go "$temporary/go/main.go"
  (cd "$temporary/go" && go build -o ../gopher .)
  go=$("$temporary/gopher" "$tree" "ocidir://$temporary/layout:go" "$temporary/out-go")
  printf 'go      %s\n' "$go"
  diff -r --no-dereference "$temporary/out-c" "$temporary/out-go" || fail "C and Go pulled different trees"
fi

if need python3 "the Python program of the README"; then
  python=$(PYTHONPATH=bindings/python python3 "$temporary"/snippets/README.*.python "$tree" \
    "ocidir://$temporary/layout:python" "$temporary/out-python")
  printf 'python  %s\n' "$python"
  diff -r --no-dereference "$temporary/out-c" "$temporary/out-python" || fail "C and Python pulled different trees"
  for file in "$temporary"/snippets/*.python; do
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$file"
  done
fi

# The layer of one tree is one, whichever language built it.
layers=$(find "$temporary/layout/blobs/sha256" -type f -size +1k | wc -l)
((layers == 1)) || fail "one tree gave $layers layers"
[[ ${go:-} == "${python:-}" ]] || fail "Go and Python, which fill sourceHash, gave different digests"
# So does C with the same config, and the whole artifact has one digest.
printf '{"schemaVersion":"v1","name":"api"}' >"$temporary/config.json"
"$prefix/bin/cldoci" build "$tree" "ocidir://$temporary/layout:filled" --kind component --config "$temporary/config.json" \
  --option fill_source_hash=true >/dev/null
filled=$("$prefix/bin/cldoci" resolve "ocidir://$temporary/layout:filled" | grep -o 'sha256:[0-9a-f]*' | head -n 1)
[[ -z ${go:-} || $filled == "$go" ]] || fail "C gave $filled, Go and Python $go"
say "$fragments C snippets compiled; the programs ran"
