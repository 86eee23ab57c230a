#!/usr/bin/env bash
# Programs that were compiled against an earlier header go on running on the library as it is now: the C programs, the C
# example and the Go package's tests of the commit below are compiled with its own header, linked against an empty
# library with its exports, and run on target/release.
. "$(dirname "$0")/lib.sh"

# The first commit whose programs are promised to run. A new soname moves it.
from=aefcd540098c8c5642de4100e74e7103914a5884
if ! git cat-file -e "$from^{commit}" 2>/dev/null; then
  strict && fail "the history does not go back to $from, which the upgrade test needs: git fetch --unshallow"
  say "left out: programs compiled at an earlier commit (the history does not go back to $from)"
  exit 0
fi
[[ -e target/release/libcldoci.so ]] || fail "target/release/libcldoci.so is missing: run make test-upgrade, which builds it"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
old=$work/old
mkdir -p "$old" "$work/link" "$work/run" "$work/programs" "$work/home"
git archive "$from" | tar -x -C "$old"
# The registry of this program answers a HEAD with a size that no manifest has, which is no longer believed (Q105).
sed -i 's/Content-Length: 2\\r/Content-Length: 512\\r/' "$old/tests/c/credential.c"
# Messages are for people, and their words change; statuses do not.
sed -i 's/ || strstr(message_, words) == NULL//' "$old/tests/c/check.h"
abi=$(abi_version "$old/include/cldoci.h")
[[ $abi == "$(abi_version include/cldoci.h)" ]] || fail "the soname is another than at $from: choose a new commit"
# What programs are linked against, and what they meet when they run.
sed 's/.*/void &(void) {}/' "$old/include/cldoci.symbols" |
  "${CC:-cc}" -shared -fPIC -x c - -Wl,-soname,"libcldoci.so.$abi" -o "$work/link/libcldoci.so"
ln -s "$root/target/release/libcldoci.so" "$work/run/libcldoci.so.$abi"
ln -s "libcldoci.so.$abi" "$work/run/libcldoci.so"
export HOME=$work/home DOCKER_CONFIG=$work/home/docker
unset XDG_CACHE_HOME CLDOCI_STORE

compiled() {
  "${CC:-cc}" -std=c11 -D_GNU_SOURCE -O1 -pthread -I"$old/include" "$old/$1" -o "$work/programs/$(basename "$1" .c)" \
    -L"$work/link" -lcldoci -ldl
}
# Every symbol is looked up at once, so that one that is gone is seen.
upgraded() { LD_LIBRARY_PATH=$work/run LD_BIND_NOW=1 "$@"; }
program() {
  local name=$1
  shift
  compiled "tests/c/$name.c"
  upgraded timeout 300 "$work/programs/$name" "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "$name, compiled at $from"; }
}

started=$SECONDS
mkdir -p "$work/guest/tree" "$work/thousand/tree"
echo content >"$work/thousand/tree/file"
head -c 3M /dev/zero >"$work/guest/tree/file"
for name in builder misuse guest limits thousand; do
  mkdir -p "$work/$name"
  program "$name" "$work/$name"
done
program handles 2000
for name in options operations signals callbacks reentrant credential; do program "$name"; done
compiled examples/c/cldoci.c
(cd "$old" && CLDOCI=$work/programs/cldoci upgraded scripts/demo.sh) >"$work/log" 2>&1 || { cat "$work/log"; fail "the demo, compiled at $from"; }
say "upgrade: C programs of ${from:0:7} on the library as it is now: ok ($((SECONDS - started)) s)"

need go "the Go package compiled at an earlier commit" || exit 0
need pkg-config "the Go package compiled at an earlier commit" || exit 0
started=$SECONDS
sed 's/^ *//' >"$work/link/cldoci.pc" <<END
  Name: cldoci
  Description: as it was
  Version: 0
  Libs: -L$work/link -lcldoci
  Cflags: -I$old/include
END
export GOFLAGS=-trimpath PKG_CONFIG_PATH=$work/link CGO_LDFLAGS="-g -O2 -Wl,-rpath-link,$work/link"
gocache=$(HOME=$(getent passwd "$(id -u)" | cut -d: -f6) go env GOCACHE)
export GOCACHE=$gocache
(cd "$old/bindings/go" && go test -c -o "$work/programs/go.test" ./oci) >"$work/log" 2>&1 || { cat "$work/log"; fail "the Go package of $from does not build"; }
# Left out: the exchange with today's Go package, a program that is built from the tree as it is now.
(cd "$old/bindings/go/oci" && upgraded "$work/programs/go.test" -test.short -test.skip '^TestArtifactsPassBothWays$') >"$work/log" 2>&1 || { cat "$work/log"; fail "the Go package, compiled at $from"; }
say "upgrade: the Go package of ${from:0:7} on the library as it is now: ok ($((SECONDS - started)) s)"
