#!/usr/bin/env bash
# What the scripts share. Sourced, not run: `. "$(dirname "$0")/lib.sh"`.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
tools=$build/tools
export PATH="$tools/bin:$PATH"
cd "$root"

# In CI nothing may be left out; elsewhere a missing tool leaves out the tests that need it.
strict() { [[ ${CI:-} == true || -n ${CLDOCI_REQUIRE_TOOLS:-} ]]; }

say() { printf '%s\n' "$*"; }
# The summary of CI counts these lines.
left_out() { say "left out: $*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# need TOOL WHAT: true when the tool is there; else says in one line what is left out, and in CI ends the run.
need() {
  have "$1" && return 0
  strict && fail "$1 is missing, and $2 needs it: run scripts/install-tools.sh"
  left_out "$2 ($1 is missing; scripts/install-tools.sh installs it)"
  return 1
}

# Every password and token of the tests has this in it, plain or in base64: none may be in what a run says or leaves.
canary='canary|Y2FuYXJ5|NhbmFy|YW5hcn'
no_canary_in() {
  if grep -rElas "$canary" "$@"; then fail "a credential of the tests is in a log, or in a file that was left behind"; fi
}

# Where the release archives are, or with QUICK those that are made for the tests.
# shellcheck disable=SC2034 # for the scripts
dist=$build/${QUICK:+quick}
[[ -n ${QUICK:-} ]] || dist+=dist

# For the last step of a release: LLVM takes into its callers what is marked for that as if it built for speed. Without this
# the library has 0.2 MB more (docs/install.md).
# shellcheck disable=SC2034 # for the scripts
release_flags=(-Cllvm-args=-inlinehint-threshold=50)

# The triple of this machine, which a sanitizer build has to name.
host_triple() { rustc -vV | sed -n 's/^host: //p'; }

# The version of the library, as its header says it.
library_version() { sed -n 's/^#define CLDOCI_VERSION_STRING "\(.*\)"/\1/p' include/cldoci.h; }

# abi_version HEADER: the number in the soname, as the header says it.
abi_version() { sed -n 's/^#define CLDOCI_ABI_VERSION \([0-9]*\)$/\1/p' "$1"; }

# cross TARGET: sets what builds and runs programs for it: zig_target; cross_cc and cross_ar, zig as cargo and programs take it;
# run, what runs them; musl_loader, what loads those of musl that are not static, if Debian's is there.
cross() {
  local arch=${1%%-*} libc=${1##*-} zig
  zig=$(command -v zig)
  zig_target=$arch-linux-$libc
  [[ $libc == musl ]] || zig_target+=.2.28
  run=()
  # shellcheck disable=SC2034 # for the scripts
  [[ $arch == "$(uname -m)" ]] || run=("qemu-$arch")
  # shellcheck disable=SC2034
  musl_loader=$(compgen -G "$tools/debian*/lib/ld-musl-$arch.so.1" | head -1 || true)
  cross_cc=$build/zig/$1-cc cross_ar=$build/zig/ar
  mkdir -p "$build/zig"
  # The cc crate adds a --target of its own, which zig does not know; checks for undefined behaviour are zig's default.
  cat >"$cross_cc" <<END
#!/usr/bin/env bash
for word; do [[ \$word == --target=* ]] || words+=("\$word"); done
exec "$zig" cc -target $zig_target -fno-sanitize=undefined "\${words[@]}"
END
  printf '#!/bin/sh\nexec "%s" ar "%s"\n' "$zig" "\$@" >"$cross_ar"
  chmod +x "$cross_cc" "$cross_ar"
  export "CC_${1//-/_}=$cross_cc" "AR_${1//-/_}=$cross_ar"
  export ZIG_GLOBAL_CACHE_DIR=$tools/zig-cache ZIG_LOCAL_CACHE_DIR=$tools/zig-cache
}

# For every processor, as Rust brings it along.
rust_objcopy() {
  local sysroot
  sysroot=$(rustc --print sysroot)
  LD_LIBRARY_PATH=$sysroot/lib "$sysroot/lib/rustlib/$(host_triple)/bin/rust-objcopy" "$@"
}

# slim ARCHIVE RESULT [MORE ARCHIVES...]: one object of the members that the exported functions need. All other names are
# local, so that a program may hold another Rust library, or another unwinder. Sections that nothing reaches are for the
# last link to leave out: lld would drop the tables of the unwinder here.
slim() {
  local from=$1 to=$2 object=${2%/*}/cldoci.o
  shift 2
  # shellcheck disable=SC2046 # one word for each symbol
  "$(rustc --print sysroot)/lib/rustlib/$(host_triple)/bin/rust-lld" -flavor gnu -r $(sed 's/^/--undefined=/' include/cldoci.symbols) "$from" "$@" -o "$object"
  rust_objcopy --strip-unneeded -R .llvmbc -R .llvmcmd -R .comment --keep-global-symbols=include/cldoci.symbols "$object"
  rm -f "$to"
  "${AR:-ar}" rcsD "$to" "$object"
}

# slim_for TARGET ARCHIVE RESULT: the same after `cross TARGET`; for musl with the unwinder that Rust has for it: no compiler
# there has one for sure.
slim_for() {
  local unwinder=()
  [[ $1 == *-gnu ]] || unwinder=("$(rustc --print sysroot)/lib/rustlib/$1/lib/self-contained/libunwind.a")
  AR=$cross_ar slim "$2" "$3" "${unwinder[@]}"
}

# has_unwinding_tables FILE: whether a panic of the library can be caught in it; the tables of a C program alone are small.
has_unwinding_tables() {
  local size
  size=$(readelf -SW "$1" | sed -n 's/.* \.eh_frame  *[A-Z0-9_]* *[0-9a-f]* [0-9a-f]* \([0-9a-f]*\) .*/\1/p')
  [[ -n $size ]] && ((16#$size > 100000)) && readelf -lW "$1" | grep GNU_EH_FRAME >/dev/null
}

# compile_c_programs LIBRARY_DIRECTORY OUTPUT_DIRECTORY [COMPILER FLAGS...]: the tool, and the C and C++ programs that need no
# generated part (tests/c, tests/cpp, examples/c), against one build of the library.
compile_c_programs() {
  local out=$2 source kind
  scripts/cli.sh "$@"
  shift 2
  mkdir -p "$out/tests" "$out/examples"
  for source in tests/c/*.c examples/c/*.c; do
    # A part that a test generates can't be compiled by itself.
    if grep -qx '/\* [A-Z]* \*/' "$source"; then continue; fi
    kind=tests
    [[ $source == examples/* ]] && kind=examples
    "${CC:-cc}" -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -pthread "$@" -Iinclude "$source" \
      -o "$out/$kind/$(basename "$source" .c)" -L"$out/lib" -Wl,-rpath,"$(realpath "$out/lib")" -lcldoci -ldl
  done
  "${CXX:-c++}" -std=c++20 -g -O1 -Wall -Wextra -pthread "$@" -Iinclude tests/cpp/workflow.cpp \
    -o "$out/tests/workflow" -L"$out/lib" -Wl,-rpath,"$(realpath "$out/lib")" -lcldoci
}
