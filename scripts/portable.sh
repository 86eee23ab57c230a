#!/usr/bin/env bash
# Links the release once more, against glibc 2.28's interface: build/portable/libcldoci.so runs on every Linux since
# 2018, while cargo's own needs what the building machine has. The code is the same, only the linker is zig's, which
# carries the symbol lists of each glibc. What the machine's own linker would take: docs/abi.md.
. "$(dirname "$0")/lib.sh"

glibc=2.28

if ! need zig "the library for glibc $glibc"; then exit 0; fi
archive=target/release/libcldoci.a
[[ -e $archive ]] || fail "$archive is missing: run make portable, which builds it"
abi=$(abi_version include/cldoci.h)
out=$build/portable
mkdir -p "$out"

# What cargo tells the linker of the shared library, in its own words: build.rs and rustc's list of exports.
{
  printf '{\n  global:\n'
  sed 's/.*/    &;/' include/cldoci.symbols
  printf '  local: *;\n};\n'
} >"$out/exports.map"
# The unwinder is the system's, as in cargo's library: two in one process could not unwind each other's frames.
unwinder=$(${CC:-cc} -print-file-name=libgcc_s.so.1)
[[ $unwinder == /* ]] || fail "${CC:-cc} does not say where libgcc_s.so.1 is"
export ZIG_GLOBAL_CACHE_DIR=$tools/zig-cache ZIG_LOCAL_CACHE_DIR=$tools/zig-cache
cc="zig cc -target $(uname -m)-linux-gnu.$glibc"
$cc -shared -s -o "$out/libcldoci.so.new" \
  -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -Wl,--gc-sections "$unwinder" \
  -Wl,--version-script="$out/exports.map" -Wl,-soname,"libcldoci.so.$abi" -Wl,-z,nodelete -Wl,-z,relro,-z,now
mv "$out/libcldoci.so.new" "$out/libcldoci.so"

needed=$(objdump -T "$out/libcldoci.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
newest=$(printf '%s\n' "$glibc" "${needed#GLIBC_}" | sort -V | tail -1)
[[ $newest == "$glibc" ]] || fail "the portable library needs ${needed/_/ }"
exported=$(nm -D --defined-only "$out/libcldoci.so" | sed 's/.* //' | LC_ALL=C sort)
[[ $exported == "$(LC_ALL=C sort include/cldoci.symbols)" ]] || fail "the portable library exports something else than include/cldoci.symbols"
readelf -d "$out/libcldoci.so" | grep NODELETE >/dev/null || fail "the portable library can be unmapped"
CC=$cc scripts/cli.sh "$out" "$out"
say "build/portable/libcldoci.so needs glibc $glibc, and so does the tool"
