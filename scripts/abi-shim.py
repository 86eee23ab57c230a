#!/usr/bin/env python3
"""Prints a C file that defines every function of the header, for scripts/abi.sh.

usage: abi-shim.py HEADER SYMBOLS
"""
import re
import sys

header = re.sub(r"/\*.*?\*/", "", open(sys.argv[1]).read(), flags=re.S)
symbols = open(sys.argv[2]).read().split()
print("#include <cldoci.h>\n#undef CLDOCI_MUST_USE")
for symbol in symbols:
    found = re.search(r"^([A-Za-z_][^;{}#]*?\b%s\s*\([^;]*\))[^;()]*;" % re.escape(symbol), header, flags=re.M | re.S)
    if not found:
        sys.exit(f"{symbol} has no prototype")
    prototype = " ".join(found.group(1).split())
    result = prototype.split(symbol)[0].replace("extern", "").strip()
    body = "" if result == "void" else " return 0;"
    print(f"{prototype} {{{body} }}")
