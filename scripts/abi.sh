#!/usr/bin/env bash
# Compares the interface with the checked-in baseline, through a shim that names every public type and function:
# the library itself carries no debug information of its header that abidiff reads.
#   scripts/abi.sh check | write
#   scripts/abi.sh shim INCLUDE_DIRECTORY OUTPUT    the shim alone, which programs can be linked against
. "$(dirname "$0")/lib.sh"

need python3 "the comparison with the ABI baseline" || exit 0

# shim INCLUDE_DIRECTORY OUTPUT [COMPILER FLAGS...]: a library with every function of the header, each empty.
shim() {
  python3 - "$1/cldoci.h" "$1/cldoci.symbols" >"$2.c" <<'END'
import re
import sys

header = re.sub(r"/\*.*?\*/", "", open(sys.argv[1]).read(), flags=re.S)
print("#include <cldoci.h>\n#undef CLDOCI_MUST_USE")
for symbol in open(sys.argv[2]).read().split():
    found = re.search(r"^([A-Za-z_][^;{}#]*?\b%s\s*\([^;]*\))[^;()]*;" % re.escape(symbol), header, flags=re.M | re.S)
    if not found:
        sys.exit(f"{symbol} has no prototype")
    prototype = " ".join(found.group(1).split())
    result = prototype.split(symbol)[0].replace("extern", "").strip()
    body = "" if result == "void" else " return 0;"
    print(f"{prototype} {{{body} }}")
END
  "${CC:-cc}" -g -shared -fPIC -fno-eliminate-unused-debug-types -ffile-prefix-map="$(dirname "$2")"=. -w -I"$1" "$2.c" \
    -o "$2" "${@:3}"
}

if [[ ${1:-} == shim ]]; then
  shim "$2" "$3" -Wl,-soname,"libcldoci.so.$(abi_version "$2/cldoci.h")"
  exit
fi
need abidiff "the comparison with the ABI baseline" || exit 0
need abidw "the comparison with the ABI baseline" || exit 0
abi=$(abi_version include/cldoci.h)
baseline=include/abi/cldoci-$abi.abi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shim include "$work/libcldoci-shim.so"

# Numbers are compiled into programs, and macros are in no debug information.
constants=include/abi/cldoci-$abi.constants
sed -nE 's/^#define (CLDOCI_[A-Z0-9_]+ -?[0-9]+)$/\1/p' include/cldoci.h | grep -v ^CLDOCI_VERSION_ | LC_ALL=C sort >"$work/constants"

case ${1:-check} in
  "write")
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
  *) fail "check, write or shim" ;;
esac
