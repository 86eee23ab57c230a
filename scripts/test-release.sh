#!/usr/bin/env bash
# What only the release of the library can show: a file over 8 GiB in seconds (B-05), and descriptors that the host
# closes (X-27), for which a debug build of tokio and of the standard library ends the process.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -s release
compile_c_programs target/release "$build/release"
export HOME=$work
unset XDG_CACHE_HOME CLDOCI_STORE

from=$SECONDS
# 1: files and sockets; 2: the event queue; 4: what wakes a thread that sleeps.
for kinds in 1 2 4 6 7; do
  for under_way in 0 1; do
    mkdir "$work/limits"
    timeout 60 build/release/tests/limits "$work/limits" "$kinds" "$under_way" ||
      fail "limits, with descriptors of kind $kinds closed by the host (under way: $under_way)"
    rm -r "$work/limits"
  done
done
say "release: descriptors that the host closes: ok ($((SECONDS - from)) s)"

from=$SECONDS
mkdir "$work/tree"
truncate -s $(((8 << 30) + 1)) "$work/tree/large"
echo x >"$work/tree/next"
echo '{}' >"$work/config"
cldoci() { build/release/cli/cldoci "$@"; }
cldoci build "$work/tree" "ocidir://$work/layout:v1" --kind component --config "$work/config" >/dev/null
layer=$(find "$work/layout/blobs" -type f -size +1M)
built=$((SECONDS - from))
# Python inflates all of it, and GNU tar reads it: the second name stands behind 8 GiB.
need python3 "the list of 8 GiB" || exit 0
inflate="
import sys, zlib
whole = zlib.decompressobj(31)
with open(sys.argv[1], 'rb') as layer:
    while piece := layer.read(1 << 13):
        sys.stdout.buffer.write(whole.decompress(piece))
assert whole.eof and not whole.unused_data
"
listed=$(python3 -c "$inflate" "$layer" | tar -tvf - | awk '{ print $3, $NF }' | tr '\n' ' ')
[[ $listed == "8589934593 large 2 next " ]] || fail "GNU tar lists $listed"
say "release: a file of 8 GiB + 1: ok (built in $built s, listed in $((SECONDS - from - built)) s)"

# The limit is on what a file says that it holds, whatever it takes on the disk.
truncate -s 1T "$work/tree/large"
if cldoci build "$work/tree" "ocidir://$work/layout:v2" --kind component --config "$work/config" 2>"$work/said"; then
  fail "a file of 1 TiB was built over the limit"
fi
grep -q 'large.*max_unpacked_bytes' "$work/said" || fail "of a file of 1 TiB it says: $(cat "$work/said")"
say "release: a sparse file of 1 TiB is over the limit: ok"
