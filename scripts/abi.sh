#!/usr/bin/env bash
# Compares the interface with the checked-in baseline, through a shim that names every public type and function:
# the library itself carries no debug information of its header that abidiff reads.
#   scripts/abi.sh check | write
. "$(dirname "$0")/lib.sh"

need python3 "the comparison with the ABI baseline" || exit 0
need abidiff "the comparison with the ABI baseline" || exit 0
need abidw "the comparison with the ABI baseline" || exit 0
abi=$(abi_version include/cldoci.h)
baseline=include/abi/cldoci-$abi.abi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Of the list that is made with the header: a library with every function, each empty; and the numbers, which are
# compiled into programs while their macros are in no debug information.
python3 - "$work" <<'END'
import json
import sys

interface = json.load(open("include/cldoci.json"))
with open(f"{sys.argv[1]}/libcldoci-shim.so.c", "w") as shim:
    print("#include <cldoci.h>\n#undef CLDOCI_MUST_USE", file=shim)
    for name, function in interface["functions"].items():
        parameters = ", ".join(f"{kind} {parameter}" for kind, parameter in function["parameters"]) or "void"
        body = "" if function["returns"] == "void" else " return 0;"
        print(f"{function['returns']} {name}({parameters}) {{{body} }}", file=shim)
with open(f"{sys.argv[1]}/constants", "w") as constants:
    for name, number in sorted(interface["constants"].items()):
        if not name.startswith("CLDOCI_VERSION_"):
            print(name, number, file=constants)
END
"${CC:-cc}" -g -shared -fPIC -fno-eliminate-unused-debug-types -ffile-prefix-map="$work"=. -w -Iinclude \
  "$work/libcldoci-shim.so.c" -o "$work/libcldoci-shim.so"
constants=include/abi/cldoci-$abi.constants

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
  *) fail "check or write" ;;
esac
