#!/usr/bin/env bash
# The Go package against the library as it is installed, found by pkg-config in a temporary prefix.
#
#   scripts/test-go.sh [PREFIX]    PREFIX: an installation that is there already
. "$(dirname "$0")/lib.sh"

need go "the tests of the Go package" || exit 0
need pkg-config "the tests of the Go package" || exit 0

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
prefix=${1:-}
if [[ -z $prefix ]]; then
  prefix=$temporary/prefix
  make -s install PREFIX="$prefix"
fi
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
# Go's cache does not see what pkg-config says of another prefix; a flag that means nothing else it does see.
export CGO_LDFLAGS="-g -O2 -Wl,-rpath-link,$prefix/lib"
gocache=$(go env GOCACHE)
export XDG_CACHE_HOME=$temporary/cache DOCKER_CONFIG=$temporary/docker GOCACHE=$gocache
package=oci
cd bindings/go

say "go: format and vet"
unformatted=$(gofmt -l .)
[[ -z $unformatted ]] || fail "gofmt: $unformatted"
go vet ./...

# The shared library, which the loader finds by the environment. Never a remembered result: Go does not see
# that another library was installed.
with_library() { LD_LIBRARY_PATH=$prefix/lib "$@"; }

say "go: tests, shared library, race detector"
GODEBUG=cgocheck=1 with_library go test -count=1 -race ./...

say "go: tests, shared library, cgocheck2"
GOEXPERIMENT=cgocheck2 with_library go test -count=1 ./$package

say "go: tests, static library"
go test -c -tags cldoci_static -o "$temporary/static.test" ./$package
if ldd "$temporary/static.test" | grep libcldoci >/dev/null; then fail "the static program needs libcldoci.so"; fi
(cd $package && "$temporary/static.test" -test.short)

say "go: builds that can't be"
refused() {
  local want=$1 output
  shift
  if output=$("$@" 2>&1); then fail "it built: $*"; fi
  grep -q "$want" <<<"$output" || fail "'$want' is not in: $output"
}
refused package_oci_needs_linux_and_CGO_ENABLED_1 env CGO_ENABLED=0 go build ./$package
refused package_oci_needs_linux_and_CGO_ENABLED_1 env GOOS=darwin go build ./$package
refused package_oci_needs_linux_and_CGO_ENABLED_1 env GOOS=windows go build ./$package
# Another flag, so that Go looks for the library again instead of taking what it built before.
refused "Package 'cldoci'.*not found" env CGO_CPPFLAGS=-DWITHOUT_LIBRARY PKG_CONFIG_PATH=/nonexistent PKG_CONFIG_LIBDIR=/nonexistent go build ./$package

say "go: as another module's pkg/oci"
mkdir -p "$temporary/cldctl/pkg"
cp -r $package "$temporary/cldctl/pkg/oci"
printf 'module github.com/davidthor/cldctl\n\ngo 1.24\n' >"$temporary/cldctl/go.mod"
(cd "$temporary/cldctl" && with_library go test -count=1 ./pkg/oci)

say "go: with a former client beside it, for builds without cgo"
(
  cd "$temporary/cldctl"
  rm pkg/oci/unsupported.go
  printf '//go:build !cgo || !linux\n\npackage oci\n\ntype Client struct{}\n' >pkg/oci/former_client.go
  CGO_ENABLED=0 go build ./pkg/oci
  GOOS=darwin go build ./pkg/oci
  go build ./pkg/oci
)
