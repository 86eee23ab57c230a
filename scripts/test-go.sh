#!/usr/bin/env bash
# The Go package against the library as it is installed, found by pkg-config in a temporary prefix; with its archive in
# the tree; and without any.
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
GODEBUG=cgocheck=1 with_library go test -count=1 -race ./$package/... ./internal/...

say "go: tests, shared library, cgocheck2"
GOEXPERIMENT=cgocheck2 with_library go test -count=1 ./$package

say "go: tests, static library"
go test -c -tags cldoci_static -o "$temporary/static.test" ./$package
if ldd "$temporary/static.test" | grep libcldoci >/dev/null; then fail "the static program needs libcldoci.so"; fi
(cd $package && "$temporary/static.test" -test.short)

say "go: the archive in the tree, without an installed library"
# A release archive in all but its other files.
mkdir -p "$temporary/dist"
archive=$temporary/dist/cldoci-0-$(uname -m)-unknown-linux-gnu.tar.gz
tar -C "$prefix" -cf - lib/libcldoci.a include/cldoci.h | gzip -1 >"$archive"
(cd "$temporary/dist" && sha256sum "${archive##*/}" >SHA256SUMS)
mkdir -p "$temporary/cldctl/pkg"
cp -r $package "$temporary/cldctl/pkg/oci"
printf 'module github.com/davidthor/cldctl\n\ngo 1.24\n' >"$temporary/cldctl/go.mod"
(
  cd "$temporary/cldctl"
  go run ./pkg/oci/internal/bundle "$archive" >/dev/null
  # Nothing of the installation is in reach.
  export PKG_CONFIG_PATH=/nonexistent PKG_CONFIG_LIBDIR=/nonexistent CGO_LDFLAGS="-g -O2"
  go test -c -tags cldoci_bundled -o "$temporary/bundled.test" ./pkg/oci
  if ldd "$temporary/bundled.test" | grep -E 'libcldoci|libgcc_s' >/dev/null; then fail "the bundled program needs a library of cldoci's or of the compiler's"; fi
  cd pkg/oci && "$temporary/bundled.test" -test.short -test.run 'Workflow|Result|Tag|Config'
  cd "$temporary/cldctl" && rm -r pkg/oci/lib
)

say "go: without a library"
CGO_ENABLED=0 go vet ./...
CGO_ENABLED=0 go test -count=1 . ./$package
(cd ../../tests/go/image-spec && CGO_ENABLED=0 go test -count=1 ./...)
GOOS=darwin go doc ./$package Client.Pull | grep "Pull puts an artifact's files into a directory" >/dev/null || fail "go doc says nothing of Client.Pull on macOS"
# Another flag, so that Go looks for the library again instead of taking what it built before.
if output=$(CGO_CPPFLAGS=-DWITHOUT_LIBRARY PKG_CONFIG_PATH=/nonexistent PKG_CONFIG_LIBDIR=/nonexistent go build ./$package 2>&1); then
  fail "it built without the library"
fi
grep -q "Package 'cldoci'.*not found" <<<"$output" || fail "it does not say that the library is not found: $output"
PKG_CONFIG_PATH=/nonexistent PKG_CONFIG_LIBDIR=/nonexistent go build -tags cldoci_none ./$package

say "go: the migration of a tree of cldctl's shapes"
with_library go test -count=1 -run MigrationRuns .

say "go: as another module's pkg/oci"
(cd "$temporary/cldctl" && with_library go test -count=1 -short ./pkg/oci)
