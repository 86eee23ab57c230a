#!/usr/bin/env bash
# Compares the interface with the checked-in baseline, through a shim that names every public type and function:
# the library itself carries no debug information of its header that abidiff reads.
#   scripts/abi.sh check | write
. "$(dirname "$0")/lib.sh"

need abidiff "the comparison with the ABI baseline" || exit 0
need abidw "the comparison with the ABI baseline" || exit 0
abi=$(sed -n 's/^#define CLDOCI_ABI_VERSION \([0-9]*\)$/\1/p' include/cldoci.h)
baseline=include/abi/cldoci-$abi.abi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need python3 "the comparison with the ABI baseline" || exit 0
python3 scripts/abi-shim.py include/cldoci.h include/cldoci.symbols >"$work/shim.c"
cc -g -shared -fPIC -fno-eliminate-unused-debug-types -ffile-prefix-map="$work"=. -w -Iinclude "$work/shim.c" -o "$work/libcldoci-shim.so"

# Numbers are compiled into programs, and macros are in no debug information.
constants=include/abi/cldoci-$abi.constants
sed -nE 's/^#define (CLDOCI_[A-Z0-9_]+ -?[0-9]+)$/\1/p' include/cldoci.h | grep -v ^CLDOCI_VERSION_ | LC_ALL=C sort >"$work/constants"

case ${1:-check} in
  write)
    mkdir -p include/abi
    abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file "$baseline" "$work/libcldoci-shim.so"
    cp "$work/constants" "$constants"
    say "wrote $baseline and $constants"
    ;;
  check)
    [[ -e $baseline ]] || fail "$baseline is missing; this writes it: scripts/abi.sh write"
    diff "$constants" "$work/constants" ||
      fail "the numbers differ from $constants: raise CLDOCI_ABI_VERSION, or for an addition run scripts/abi.sh write"
    # An addition makes the baseline stale; anything else breaks programs, and raises the ABI version.
    code=0
    abidiff "$baseline" "$work/libcldoci-shim.so" >"$work/report" || code=$?
    if ((code != 0)); then
      cat "$work/report"
      fail "the interface differs from $baseline: raise CLDOCI_ABI_VERSION, or for an addition run scripts/abi.sh write"
    fi
    say "abi: as $baseline has it"
    ;;
  *) fail "check or write" ;;
esac
