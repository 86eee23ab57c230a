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

# linked WHAT MODE COMPILER...: a program of C, and one of C++ where the compiler is one, in a mode:
#   shared    with the shared library
#   archive   with the archive, the rest shared
#   static    with the archive, fully static
linked() {
  local what=$1 mode=$2 flags=(--cflags --libs) more=() run=("${run[@]}") kind
  shift 2
  case $mode in
    shared)
      more=("-Wl,-rpath,$prefix/lib")
      # What Alpine has as its loader.
      [[ $libc == gnu ]] || run=("$tools/debian/lib/ld-musl-$arch.so.1")
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
  case $mode in
    shared) readelf -d "$temporary/program" | grep libcldoci.so.0 >/dev/null || fail "$target, $what: does not need the shared library" ;;
    archive) ! readelf -d "$temporary/program" | grep libcldoci || fail "$target, $what: needs the shared library" ;;
    static)
      ! readelf -lWd "$temporary/program" | grep -E 'NEEDED|INTERP' || fail "$target, $what: is not static"
      ;;
  esac
  [[ $mode == shared ]] || has_unwinding_tables "$temporary/program" || fail "$target, $what, $mode: has no tables for the unwinder"
  say "$target: $kind by $what, $mode: ok ($(stat -c %s "$temporary/program") bytes)"
}

# The C programs that hold the interface to its word, and the tool's tests, for a target that runs here at full speed.
behaviour() {
  local out=$temporary/behaviour how=() tested
  [[ $libc == gnu ]] || how=(-static "-Wl,--gc-sections" "-Wl,--eh-frame-hdr")
  # The program of C++ is linked in every mode above.
  CC=$cross_cc CXX='' RUN=${run[*]} compile_c_programs "$prefix/lib" "$out" -fno-sanitize=undefined "${how[@]}"
  mkdir -p "$temporary/home"
  for tested in builder misuse options operations callbacks reentrant credential handles; do
    local arguments=()
    # One counts the threads, of which qemu has one of its own; the other has ten seconds, which take longer under it.
    [[ ${#run[@]} == 0 || $tested != @(callbacks|reentrant) ]] || continue
    case $tested in
      builder | misuse) arguments=("$temporary/home/$tested") && mkdir -p "${arguments[0]}" ;;
      handles) arguments=(200) ;;
    esac
    HOME=$temporary/home timeout 300 "${run[@]}" "$out/tests/$tested" "${arguments[@]}" >"$temporary/log" 2>&1 ||
      { cat "$temporary/log"; fail "$target: tests/c/$tested.c"; }
  done
  say "$target: the C programs: ok"
  if [[ $arch == "$(uname -m)" && $libc == musl ]]; then
    CLDOCI_TOOL=$dist/$target/cli/cldoci scripts/test-cli.sh >"$temporary/log" 2>&1 || { cat "$temporary/log"; fail "$target: the tests of the tool"; }
    say "$target: the tests of the tool: ok"
  fi
  rm -r "$out" "${temporary:?}/home"
}

# docs/install.md's commands for Go, on README's program, in a tree that holds a copy of the package.
go_program() {
  local tags=cldoci_bundled goarch=amd64 flags=() said
  need go "a program of Go for $target" || return 0
  [[ $arch == x86_64 ]] || goarch=arm64
  if [[ $libc == musl ]]; then
    tags+=,cldoci_musl
    flags=(-ldflags '-linkmode external -extldflags "-static"')
  fi
  if [[ ! -e $temporary/go/go.mod ]]; then
    mkdir -p "$temporary/go/pkg"
    cp -r bindings/go/oci "$temporary/go/pkg/oci"
    printf 'module github.com/davidthor/cldctl\n\ngo 1.24\n' >"$temporary/go/go.mod"
    awk '/^```go$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md >"$temporary/go/main.go"
  fi
  (
    cd "$temporary/go"
    go run ./pkg/oci/internal/bundle "$dist/cldoci-$version-$target.tar.gz" >/dev/null
    PKG_CONFIG_LIBDIR=/nonexistent CC="zig cc -target $zig_target" GOARCH=$goarch CGO_ENABLED=1 \
      go build -tags "$tags" "${flags[@]}" -o "$temporary/gopher" .
  )
  local digest=$go_digest
  built_right "Go" "${run[@]}" "$temporary/gopher"
  if [[ $libc == musl ]]; then
    ! readelf -lWd "$temporary/gopher" | grep -E 'NEEDED|INTERP' || fail "$target: the program of Go is not static"
    if [[ $arch == "$(uname -m)" ]]; then
      # A root of nothing but the program and what it is to build.
      local root=$temporary/root
      mkdir -p "$root/tmp"
      cp -a "$tree" "$temporary/gopher" "$root"
      said=$(in_root "$root" /gopher /tree ocidir:///layout:v1 /pulled)
      [[ $said == "$go_digest" ]] || fail "$target: in an empty root the digest is $said, not $go_digest"
      rm -r "$root"
    fi
    if need registry3 "Go on a registry, for $target"; then
      rm -rf "$temporary/pulled"
      # shellcheck disable=SC2016 # the shell that the registry's script starts is what reads it
      said=$(TREE=$tree scripts/registry.sh run sh -c 'exec "$@" "$TREE" "$REGISTRY/test/app:v1" "$TREE/../pulled"' sh "${run[@]}" "$temporary/gopher")
      [[ $said == "$go_digest" ]] || fail "$target: with a registry the digest is $said, not $go_digest"
      diff -r --no-dereference "$tree" "$temporary/pulled" || fail "$target: pulled another tree from the registry"
    fi
  fi
  say "$target: Go, ${flags[*]:+fully static, }with the bundled archive: ok ($(stat -c %s "$temporary/gopher") bytes)"
}

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

  modes=(shared archive)
  [[ $libc == gnu ]] || modes=(static)
  [[ $libc == gnu || ! -e $tools/debian/lib/ld-musl-$arch.so.1 ]] || modes+=(shared)
  for mode in "${modes[@]}"; do
    linked "zig cc" "$mode" zig cc -target "$zig_target"
    # It builds a library of C++ first, which takes minutes.
    [[ -n ${QUICK:-} ]] || linked "zig c++" "$mode" zig c++ -target "$zig_target"
  done
  if [[ $target == "$(uname -m)"-*-gnu ]]; then
    for mode in shared archive static; do
      linked "gcc" "$mode" gcc
      linked "g++" "$mode" g++
      if need clang "programs that clang links"; then
        linked "clang" "$mode" clang
        linked "clang++" "$mode" clang++
      fi
    done
  elif [[ $arch == "$(uname -m)" ]] && need musl-gcc "programs of musl that gcc links"; then
    linked "musl-gcc" static musl-gcc
  fi
  behaviour
  go_program
done
