#!/usr/bin/env bash
# Moves a checkout of cldctl from its own package oci to this one: docs/migrating-from-pkg-oci.md.
#
#   migrate.sh [--readers-only] CHECKOUT
#
# --readers-only patches the callers and nothing else: what is to be released first. Run again without it, the script
# goes on from there. Nothing is changed unless every patch fits.
set -euo pipefail

fail() { printf 'migrate: %s\n' "$*" >&2; exit 1; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readers_only=
[[ ${1:-} != --readers-only ]] || { readers_only=1; shift; }
[[ $# == 1 && -d $1 ]] || fail "usage: migrate.sh [--readers-only] CHECKOUT"
cd "$1"
package=pkg/oci former=pkg/oci/internal/former
module=$(sed -n 's/^module //p' go.mod 2>/dev/null) || true
[[ -n $module ]] || fail "$1 has no go.mod"
[[ ! -d $former ]] || fail "$1 is migrated: $former is there"
grep -q go-containerregistry/ $package/client.go 2>/dev/null || fail "$1: $package/client.go is not cldctl's former client"
[[ -z $(git status --porcelain) ]] || fail "$1 has changes that are not committed: commit or stash them, so that this can be taken back"
# The imports of the former package's place are this module's.
renamed() { sed "s#github.com/davidthor/cldctl/#$module/#g" "$1" >"$2"; }

if [[ ! -e $package/former_resolve.go ]]; then
  # In one, so that all are made or none.
  cat "$here"/patches/*.patch | git apply -C1 || fail "$1: a patch of $here/patches does not fit, and nothing was changed: make its change by hand, or take it out"
  cp "$here/_files/former_resolve.go" $package/
  cp "$here/_files/build_time.go" internal/cli/
  echo "patched: the callers compare and show manifest digests"
fi
if [[ -n $readers_only ]]; then exit; fi

mkdir -p $former
mv $package/*.go $former/
for file in "$here"/../oci/*.go "$here"/../oci/internal/bundle/*.go; do
  place=$package/${file#"$here/../oci/"}
  case $place in */library_none*.go) continue ;; esac
  mkdir -p "$(dirname "$place")"
  renamed "$file" "$place"
done
cp -r "$here/../oci/.gitignore" $package/
cp -r "$here/../oci/testdata" $package/
renamed "$here/_files/library_former.go" $package/library_former.go
# Here the library is asked for by a tag, so that `go build`, `go install` and the linters need none.
tags='(cldoci || cldoci_static || cldoci_bundled)'
sed -i "1s/cgo && linux && !cldoci_none/cgo \&\& linux \&\& $tags/; 1s/!cgo || !linux || cldoci_none/!(cgo \&\& linux \&\& $tags)/" $package/*.go
echo "switched: $package is the new package, the former one is $former"
echo "now: go vet ./... && go test ./... (the former client), then the same with -tags cldoci (the library)"
