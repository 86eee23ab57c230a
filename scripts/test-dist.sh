#!/usr/bin/env bash
# The release archives of each target, unpacked anywhere: programs of C, C++ and Go are linked with them in every way
# that docs/install.md promises, and run; each gives the same digests. Programs for aarch64 run under qemu, where the
# portable back end is what runs: it has no openat2.
#   scripts/test-dist.sh [all | TARGET...]    those for this processor, where none is named
# QUICK=1 builds archives for the tests, and takes those.
. "$(dirname "$0")/lib.sh"

need zig "the tests of the release archives" || exit 0
need pkg-config "the tests of the release archives" || exit 0
targets=("$@")
(($#)) || targets=("$(uname -m)"-unknown-linux-{gnu,musl})
[[ ${1:-} != all ]] || targets=({x86_64,aarch64}-unknown-linux-{gnu,musl})
[[ -z ${QUICK:-} ]] || scripts/dist.sh "${targets[@]}"
version=$(library_version)
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
export CLDOCI_STORE=$temporary/store DOCKER_CONFIG=$temporary/none

# Files of all kinds, one of which takes several blocks of a layer.
tree=$temporary/tree
mkdir -p "$tree/deep/er"
seq 400000 >"$tree/numbers"
printf '#!/bin/sh\n' >"$tree/deep/script"
chmod 0755 "$tree/deep/script"
ln -s ../script "$tree/deep/er/link"
for ((n = 0; n < 100; n++)); do printf 'the file %s\n' "$n" >"$tree/deep/er/file$n"; done
# Fixed: a digest that differs from it is wrong, on every machine and for every target.
digest=sha256:a37b590bdc4779ef4f3dc11a634a4196926bf04826645045e109f6f5c6dc3d00
# Go fills in a hash of the sources (docs/options.md, fill_source_hash).
go_digest=sha256:3f97441a5c7c8bc8f82fabc88fa4054491640035e590c7639217fbdf581ad3bc

# What README says first: build, push, pull.
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md >"$temporary/first.c"

# built_right WHAT PROGRAM [ARGUMENT...]
built_right() {
  local what=$1 said
  shift
  rm -rf "$temporary/layout" "$temporary/pulled"
  said=$(timeout 120 "$@" "$tree" "ocidir://$temporary/layout:v1" "$temporary/pulled") || fail "$target, $what: $* ended with $?"
  [[ $said == "$digest" ]] || fail "$target, $what: the digest is $said, not $digest"
  diff -r --no-dereference "$tree" "$temporary/pulled" || fail "$target, $what: pulled another tree"
}

# is_linked MODE PROGRAM: whether it needs the shared library in this mode alone, and a static one nothing.
is_linked() {
  case $1 in
    shared) readelf -d "$2" | grep libcldoci.so.0 >/dev/null || fail "$target, $1: does not need the shared library" ;;
    archive) ! readelf -d "$2" | grep libcldoci || fail "$target, $1: needs the shared library" ;;
    static) ! readelf -lWd "$2" | grep -E 'NEEDED|INTERP' || fail "$target, $1: is not static" ;;
  esac
  [[ $1 == shared ]] || has_unwinding_tables "$2" || fail "$target, $1: has no tables for the unwinder"
}

# linked WHAT MODE COMPILER...: a program of C, and one of C++ where the compiler is one, by pkg-config in a mode:
#   shared    with the shared library
#   archive   with the archive, the rest shared
#   static    with the archive, fully static
linked() {
  local what=$1 mode=$2 flags=(--cflags --libs) more=() kind
  shift 2
  case $mode in
    shared)
      more=("-Wl,-rpath,$prefix/lib")
      # What Alpine has as its loader lies elsewhere here.
      [[ $libc == gnu ]] || more+=("-Wl,--dynamic-linker,$musl_loader")
      ;;
    archive) flags+=(--static) ;;
    static) flags+=(--static) more=(-static "-Wl,--eh-frame-hdr") ;;
  esac
  # Of the archive alone the linker takes the archive.
  local from=$prefix
  [[ $mode == shared ]] || from=$prefix.archive
  read -ra flags < <(PKG_CONFIG_LIBDIR=$from/lib/pkgconfig pkg-config "${flags[@]}" cldoci)
  if [[ $* == *++* ]]; then
    kind=C++
    "$@" -std=c++17 -O1 tests/cpp/workflow.cpp "${flags[@]}" "${more[@]}" -Wl,--gc-sections -pthread -o "$temporary/program" 2>"$temporary/log" ||
      { cat "$temporary/log"; fail "$target, $what, $mode: does not link"; }
    rm -rf "$temporary/cpp"
    mkdir "$temporary/cpp"
    timeout 300 "${run[@]}" "$temporary/program" "$temporary/cpp" >"$temporary/log" || fail "$target, $what, $mode: the program of C++ ended with $?"
  else
    kind=C
    "$@" -O1 "$temporary/first.c" "${flags[@]}" "${more[@]}" -Wl,--gc-sections -o "$temporary/program" 2>"$temporary/log" ||
      { cat "$temporary/log"; fail "$target, $what, $mode: does not link"; }
    if [[ $1 == zig ]]; then rust_objcopy --strip-all "$temporary/program"; else strip "$temporary/program"; fi
    built_right "$what, $mode" "${run[@]}" "$temporary/program"
  fi
  is_linked "$mode" "$temporary/program"
  say "$target: $kind by $what, $mode: ok ($(stat -c %s "$temporary/program") bytes)"
}

# by_cmake WHAT COMPILER MODE...: the program of C in these modes, by the CMake package.
by_cmake() {
  local what=$1 compiler=$2 mode of=$temporary/cmake
  shift 2
  need cmake "programs that CMake links" || return 0
  rm -rf "$of"
  mkdir -p "$of"
  cp "$temporary/first.c" "$of"
  cat >"$of/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(first C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
find_package(cldoci 0.1 REQUIRED)
foreach(mode IN LISTS MODES)
  add_executable(${mode} first.c)
  if(mode STREQUAL shared)
    target_link_libraries(${mode} PRIVATE cldoci::cldoci)
    if(LOADER)
      target_link_options(${mode} PRIVATE -Wl,--dynamic-linker,${LOADER})
    endif()
  else()
    target_link_libraries(${mode} PRIVATE cldoci::cldoci_static)
    target_link_options(${mode} PRIVATE -Wl,--gc-sections)
  endif()
  if(mode STREQUAL static)
    target_link_options(${mode} PRIVATE -static -Wl,--eh-frame-hdr)
  endif()
endforeach()
END
  # A processor that is not this one's is a system of its own to CMake.
  local modes system=()
  modes=$(IFS=';'; printf '%s' "$*")
  [[ $libc == gnu ]] || system=("-DLOADER=$musl_loader")
  [[ $arch == "$(uname -m)" ]] || system+=(-DCMAKE_SYSTEM_NAME=Linux "-DCMAKE_SYSTEM_PROCESSOR=$arch")
  if ! {
    cmake -S "$of" -B "$of/build" "-DCMAKE_C_COMPILER=$compiler" "-DCMAKE_PREFIX_PATH=$prefix" "-DMODES=$modes" "${system[@]}" &&
      cmake --build "$of/build"
  } >"$temporary/log" 2>&1; then
    cat "$temporary/log"
    fail "$target, $what: CMake does not link"
  fi
  for mode; do
    built_right "$what, CMake, $mode" "${run[@]}" "$of/build/$mode"
    is_linked "$mode" "$of/build/$mode"
  done
  say "$target: C by $what, CMake, $*: ok"
}

# The tests in C, and those of the tool for a target that runs here at full speed.
behaviour() {
  tested_in_c() {
    scripts/test-c.sh "$target" "$2" >"$temporary/log" 2>&1 || { cat "$temporary/log"; fail "$target, $1: the tests in C"; }
    say "$target: the tests in C, $1: ok ($(sed -n 's/^test result: ok. \([0-9]*\) passed.*/\1/p' "$temporary/log"))"
  }
  [[ $libc == musl && -z $musl_loader ]] || tested_in_c shared "$prefix/lib/libcldoci.so"
  # Without QUICK: make test-musl does so with the archive that its tests made.
  [[ $libc == gnu || -n ${QUICK:-} ]] || tested_in_c "fully static" "$prefix/lib/libcldoci.a"
  if [[ $arch == "$(uname -m)" && $libc == musl ]]; then
    CLDOCI_TOOL=$dist/$target/cli/cldoci scripts/test-cli.sh >"$temporary/log" 2>&1 || { cat "$temporary/log"; fail "$target: the tests of the tool"; }
    say "$target: the tests of the tool: ok"
  fi
}

# go_program MODE: docs/install.md's commands for Go, on README's program, in a tree that holds a copy of the package:
#   bundled   with the archive in the tree; fully static for musl
#   shared    with the installed library
#   static    with the installed archive, fully static, by gcc
go_program() {
  local mode=$1 tags=cldoci_bundled goarch=amd64 cc="zig cc -target $zig_target" flags=() linker=() said
  local packages=$prefix/lib/pkgconfig what="Go, $mode"
  need go "a program of Go for $target" || return 0
  [[ $arch == x86_64 ]] || goarch=arm64
  case $libc-$mode in
    gnu-bundled) ;;
    musl-bundled)
      tags+=,cldoci_musl what="Go, bundled, fully static"
      flags=(-ldflags '-linkmode external -extldflags "-static"')
      ;;
    *-static)
      tags=cldoci_static cc=gcc linker=("-L$prefix/lib")
      flags=(-ldflags '-linkmode external -extldflags "-static -Wl,--eh-frame-hdr"')
      ;;
    gnu-shared) tags='' linker=("-Wl,-rpath,$prefix/lib") ;;
    musl-shared)
      tags='' cc+=" -dynamic" flags=(-ldflags '-linkmode external')
      linker=("-Wl,-rpath,$prefix/lib" "-Wl,--dynamic-linker,$musl_loader")
      ;;
  esac
  if [[ ! -e $temporary/go/go.mod ]]; then
    mkdir -p "$temporary/go/pkg"
    cp -r bindings/go/oci "$temporary/go/pkg/oci"
    printf 'module github.com/davidthor/cldctl\n\ngo 1.24\n' >"$temporary/go/go.mod"
    awk '/^```go$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md >"$temporary/go/main.go"
  fi
  (
    cd "$temporary/go"
    if [[ $mode == bundled ]]; then
      go run ./pkg/oci/internal/bundle "$dist/cldoci-$version-$target.tar.gz" >/dev/null
      packages=/nonexistent
    fi
    # Go's cache does not see what pkg-config says of another prefix.
    ((${#linker[@]} == 0)) || export CGO_LDFLAGS="-g -O2 ${linker[*]}"
    PKG_CONFIG_LIBDIR=$packages CC=$cc GOARCH=$goarch CGO_ENABLED=1 \
      go build -tags "$tags" "${flags[@]}" -o "$temporary/gopher" . 2>"$temporary/log" || { cat "$temporary/log"; fail "$target, $what: does not build"; }
  )
  local digest=$go_digest
  built_right "$what" "${run[@]}" "$temporary/gopher"
  case $libc-$mode in
    *-shared) is_linked shared "$temporary/gopher" ;;
    gnu-bundled) is_linked archive "$temporary/gopher" ;;
    *) is_linked static "$temporary/gopher" ;;
  esac
  if [[ $libc-$mode == musl-bundled ]]; then
    # A root of nothing but the program, what it is to build, and what runs it.
    local root=$temporary/root emulator=()
    mkdir -p "$root/tmp"
    cp -a "$tree" "$temporary/gopher" "$root"
    if ((${#run[@]})); then in_root_by_qemu "$root"; fi
    said=$(in_root "$root" "${emulator[@]}" /gopher /tree ocidir:///layout:v1 /pulled)
    [[ $said == "$go_digest" ]] || fail "$target: in an empty root the digest is $said, not $go_digest"
    rm -r "$root"
    if need registry3 "Go on a registry, for $target"; then
      rm -rf "$temporary/pulled"
      # shellcheck disable=SC2016 # the shell that the registry's script starts is what reads it
      said=$(TREE=$tree scripts/registry.sh run sh -c 'exec "$@" "$TREE" "$REGISTRY/test/app:v1" "$TREE/../pulled"' sh "${run[@]}" "$temporary/gopher")
      [[ $said == "$go_digest" ]] || fail "$target: with a registry the digest is $said, not $go_digest"
      diff -r --no-dereference "$tree" "$temporary/pulled" || fail "$target: pulled another tree from the registry"
    fi
  fi
  say "$target: $what: ok ($(stat -c %s "$temporary/gopher") bytes)"
}

# in_root_by_qemu ROOT: puts qemu with its libraries there, and sets emulator to what starts it.
in_root_by_qemu() {
  local program=$tools/debian/usr/bin/${run[0]} libraries loader
  [[ -x $program ]] || program=$(command -v "${run[0]}")
  libraries=$(echo "$tools"/debian/usr/lib/*-linux-gnu | tr ' ' :)
  mkdir "$1/qemu"
  cp "$program" "$1/qemu"
  LD_LIBRARY_PATH=$libraries ldd "$program" | sed -n 's,.* => \(/[^ ]*\) .*,\1,p; s,^\t\(/[^ ]*\) .*,\1,p' | xargs cp -L -t "$1/qemu"
  loader=$(basename "$1"/qemu/ld-linux*)
  emulator=("/qemu/$loader" --library-path /qemu "/qemu/${run[0]}")
}

# in_root ROOT PROGRAM...: runs it with that as its root, and an empty environment.
in_root() {
  local root=$1 chroot
  shift
  chroot=$(PATH=$PATH:/usr/sbin command -v chroot)
  if ((EUID == 0)); then env -i "$chroot" "$root" "$@"; else env -i unshare --user --map-root-user "$chroot" "$root" "$@"; fi
}

for target in "${targets[@]}"; do
  arch=${target%%-*} libc=${target##*-}
  if [[ ! -e $dist/cldoci-$version-$target.tar.gz ]]; then
    left_out "the tests of the release for $target (it is not built)"
    continue
  fi
  if [[ $arch != "$(uname -m)" ]]; then need "qemu-$arch" "the tests of the release for $target" || continue; fi
  (cd "$dist" && sha256sum --quiet --check --ignore-missing SHA256SUMS)
  prefix=$temporary/anywhere/$target
  mkdir -p "$prefix" "$prefix.archive/lib"
  tar -xzf "$dist/cldoci-$version-$target.tar.gz" -C "$prefix" --strip-components=1
  cp -r "$prefix/include" "$prefix.archive"
  cp -r "$prefix/lib/pkgconfig" "$prefix/lib/libcldoci.a" "$prefix.archive/lib"
  size=$(stat -c %s "$prefix/lib/libcldoci.a")
  [[ -n ${QUICK:-} ]] || ((size <= 25000000)) || fail "the archive for $target has $size bytes"
  [[ $libc == gnu || ! -d $tools/mimalloc || -e $prefix/share/licenses/cldoci/LICENSE-mimalloc ]] || fail "the licence of mimalloc is missing for $target"
  cross "$target"

  # Debian's loader for aarch64 may not be there.
  modes=(shared archive)
  if [[ $libc == musl ]]; then
    modes=(static)
    if [[ -n $musl_loader ]]; then modes+=(shared); else left_out "shared programs for $target (there is no loader)"; fi
  fi
  for mode in "${modes[@]}"; do
    linked "zig cc" "$mode" zig cc -target "$zig_target"
    # It builds a library of C++ first, which takes minutes.
    [[ -n ${QUICK:-} ]] || linked "zig c++" "$mode" zig c++ -target "$zig_target"
  done
  by_cmake "zig cc" "$cross_cc" "${modes[@]}"
  if [[ $target == "$(uname -m)"-*-gnu ]]; then
    for mode in shared archive static; do
      linked "gcc" "$mode" gcc
      linked "g++" "$mode" g++
      if need clang "programs that clang links"; then
        linked "clang" "$mode" clang
        linked "clang++" "$mode" clang++
      fi
    done
    by_cmake "gcc" gcc shared archive static
    ! have clang || by_cmake "clang" "$(command -v clang)" shared archive static
  elif [[ $arch == "$(uname -m)" ]] && need musl-gcc "programs of musl that gcc links"; then
    linked "musl-gcc" static musl-gcc
    by_cmake "musl-gcc" "$(command -v musl-gcc)" static
  fi
  # What QUICK builds for glibc here is the library that cargo's own tests load.
  [[ -n ${QUICK:-} && $target == "$(uname -m)"-*-gnu ]] || behaviour
  go_program bundled
  # Each of these builds the packages of Go's that have C anew.
  if [[ -z ${QUICK:-} ]]; then
    [[ $libc == musl && -z $musl_loader ]] || go_program shared
    [[ $target != "$(uname -m)"-*-gnu ]] || go_program static
  fi
done
