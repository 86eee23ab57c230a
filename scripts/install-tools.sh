#!/usr/bin/env bash
# Installs what the tests need beyond Rust, a C compiler, make and Go, into build/tools and nowhere else.
#
#   scripts/install-tools.sh            everything but sbom, which only a release needs, and mutants
#   scripts/install-tools.sh GROUP...   go (registries, peers) | registry (one of them, for make registry) | debian (registry 2, nginx, valgrind, …) | clang | deny | zig |
#                                       golangci (golangci-lint) | site (Markdown to HTML) | koffi (C from Node) | mimalloc (its source) | sbom | mutants
#   scripts/install-tools.sh rust:TARGET   the standard library for another target, into the toolchain
#   scripts/install-tools.sh rust-src      the source of the standard library, into the toolchain
#
# Versions are pinned here, and the sums of Python's wheels; Debian's by its release. A tool that is there already costs nothing.
. "$(dirname "$0")/lib.sh"

# name, binary's name in the module, package, version, what is left out without it
go_tools=(
  "registry3 registry github.com/distribution/distribution/v3/cmd/registry v3.1.2 tests on Distribution 3"
  "crane crane github.com/google/go-containerregistry/cmd/crane v0.22.1 tests with crane and its registry"
  "oras oras oras.land/oras/cmd/oras v1.3.6 tests with oras"
  "regctl regctl github.com/regclient/regclient/cmd/regctl v0.11.7 tests with regctl"
  "versitygw versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0 tests on S3 with signed redirects"
)

# name, package, path in the package, what is left out without it
debian_tools=(
  "registry2 docker-registry usr/bin/docker-registry tests on Distribution 2"
  "skopeo skopeo usr/bin/skopeo tests with skopeo"
  "nginx nginx usr/sbin/nginx tests behind TLS, HTTP/2, client certificates and body limits"
  "bsdtar libarchive-tools usr/bin/bsdtar the archive read by bsdtar"
  "valgrind valgrind usr/bin/valgrind the C programs under valgrind"
  "strace strace usr/bin/strace the good-guest and system-call tests"
  "qemu-x86_64 qemu-user usr/bin/qemu-x86_64 golden digests on a plain x86-64"
  "qemu-aarch64 qemu-user usr/bin/qemu-aarch64 the release for aarch64, and its tests"
  "musl-gcc musl-tools usr/bin/musl-gcc programs of musl that gcc links, and those that musl loads"
  "abidiff abigail-tools usr/bin/abidiff the comparison with the ABI baseline"
  "abidw abigail-tools usr/bin/abidw the comparison with the ABI baseline"
  "docker-credential-pass golang-docker-credential-helpers usr/bin/docker-credential-pass the test with a real credential helper"
  "pass pass usr/bin/pass the test with a real credential helper"
  "shellcheck shellcheck usr/bin/shellcheck the look at the shell scripts"
  "doxygen doxygen usr/bin/doxygen the look at the header's comments"
  "luajit luajit usr/bin/luajit the declarations for generators read by LuaJIT"
  "swig swig4.0 usr/bin/swig4.0 the header read by SWIG"
  "bindgen bindgen usr/bin/bindgen the header read by bindgen"
  "ruby ruby-ffi usr/bin/ruby callbacks on Ruby's only thread"
)

deny_version=0.20.2
golangci_version=v2.15.0
cyclonedx_version=0.5.9
mutants_version=27.1.0
# The crate that carries mimalloc's source.
mimalloc_version=0.1.49
mimalloc_sum=6a45a52f43e1c16f667ccfe4dd8c85b7f7c204fd5e3bf46c5b0db9a5c3c0b8e9
mistune_version=3.4.0
mistune_sums=(d03cec4c8620f21517a996d82d14f3b59c30d79bda2cc6c56bd32b839f18ce6b)
koffi_version=3.3.4
# Debian's, with its sanitizers' runtimes and clang-tidy.
clang_version=19
# Only its linker is used, and its lists of what each glibc has.
zig_version=0.17.0
# For x86-64 and for aarch64.
zig_sums=(
  97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b
  d2804f94f54f7fcf8169f4b212a619ad688a4e2e6592e976f0cf2e58e2cd8af3
)

bin=$tools/bin
stamps=$tools/stamps
logs=$tools/logs
mkdir -p "$bin" "$stamps" "$logs"
missing=$tools/missing.$$
: >"$missing"
trap 'rm -f "$missing"' EXIT

lacks() { printf '%s: %s\n' "$1" "$2" >>"$missing"; }

# install_go_tool NAME BINARY PACKAGE VERSION WHAT
install_go_tool() {
  local name=$1 stage=$tools/stage/$1 stamp=$stamps/$1-$4
  [[ -e $stamp && -x $bin/$name ]] && return
  if ! have go; then
    lacks "$name" "$5 (Go is missing)"
    return
  fi
  mkdir -p "$stage"
  if GOBIN=$stage GOFLAGS=-trimpath CGO_ENABLED=0 go install "$3@$4" >"$logs/$name.log" 2>&1; then
    mv "$stage/$2" "$bin/$name"
    rm -f "$stamps/$name"-*
    : >"$stamp"
  else
    lacks "$name" "$5 (see $logs/$name.log)"
  fi
}

# By itself: it takes longer to build than the others together.
install_golangci() {
  install_go_tool golangci-lint golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint "$golangci_version" "the look at the Go package"
}

# install_go [NAME]: all of them, or this one alone.
install_go() {
  local entry name binary package version what
  for entry in "${go_tools[@]}"; do
    read -r name binary package version what <<<"$entry"
    [[ $name == "${1:-$name}" ]] || continue
    install_go_tool "$name" "$binary" "$package" "$version" "$what"
  done
  (($#)) && return
  # Our own program that does what cldctl's Go package does today; Go's cache makes a second build free.
  if have go && ! (cd tests/go/cldctl && CGO_ENABLED=0 go build -trimpath -o "$bin/todays" ./cmd/todays) >"$logs/todays.log" 2>&1; then
    lacks todays "tests against today's Go package (see $logs/todays.log)"
  fi
  # What docker's own library makes of a configuration.
  if have go && ! (cd tests/go/docker-config && CGO_ENABLED=0 go build -trimpath -o "$bin/docker-config" .) >"$logs/docker-config.log" 2>&1; then
    lacks docker-config "the comparison with docker's configuration library (see $logs/docker-config.log)"
  fi
  # CUE's registry comes as a library.
  if have go && ! (cd tests/go/cue-registry && CGO_ENABLED=0 go build -trimpath -o "$bin/cue-registry" .) >"$logs/cue-registry.log" 2>&1; then
    lacks cue-registry "tests on CUE's registry (see $logs/cue-registry.log)"
  fi
}

# use_apt DIRECTORY [OPTION...]: apt with lists and archives of our own there, so that neither root nor an earlier `apt-get update` is needed.
use_apt() {
  apt_directory=$1
  apt_options=(
    -qq -o "Dir::State::Lists=$1/lists" -o "Dir::Cache=$1/cache" -o APT::Sandbox::User= -o Debug::NoLocking=true "${@:2}"
  )
  mkdir -p "$1"/{lists,cache/archives}/partial "$1/debs"
  apt-get "${apt_options[@]}" update || true
}

# needed PACKAGE...: what this machine lacks of them and of what they need.
needed() { apt-get "${apt_options[@]}" --simulate --no-install-recommends install "$@" | sed -n 's/^Inst \([^ ]*\).*/\1/p'; }

# unpack PREFIX PACKAGE...: these packages and no others. What runs meanwhile finds the old ones until the new ones are whole.
unpack() {
  local prefix=$1 deb
  shift
  (cd "$apt_directory/debs" && rm -f ./*.deb && apt-get "${apt_options[@]}" download "$@")
  rm -rf "$prefix.new"
  mkdir -p "$prefix.new"
  for deb in "$apt_directory"/debs/*.deb; do dpkg -x "$deb" "$prefix.new"; done
  rm -rf "$prefix" "$apt_directory"
  mv "$prefix.new" "$prefix"
}

install_debian() {
  local entry name package path what release stamp
  # shellcheck disable=SC1091 # a file of the system's
  release=$(. /etc/os-release 2>/dev/null || true; printf '%s' "${VERSION_CODENAME:-none}")
  # The number goes up with the list above.
  stamp=$stamps/debian-$release-7
  if [[ ! -e $stamp ]]; then
    if ! have apt-get || ! have dpkg; then
      for entry in "${debian_tools[@]}"; do
        read -r name package path what <<<"$entry"
        have "$name" || lacks "$name" "$what (no apt-get on this machine)"
      done
      return
    fi
    unpack_debian >"$logs/debian.log" 2>&1 || true
  fi
  local complete=1
  for entry in "${debian_tools[@]}"; do
    read -r name package path what <<<"$entry"
    if [[ ! -x $bin/$name ]]; then
      complete=0
      lacks "$name" "$what (see $logs/debian.log)"
    fi
  done
  if ((complete)); then : >"$stamp"; fi
}

unpack_debian() {
  local entry name package path what
  local prefix=$tools/debian packages=()
  for entry in "${debian_tools[@]}"; do
    read -r name package path what <<<"$entry"
    packages+=("$package")
  done
  # The helpers' own dependencies are a desktop's key ring, which docker-credential-pass does not use.
  local resolved=()
  mapfile -t resolved < <(printf '%s\n' "${packages[@]}" | sort -u | grep -v golang-docker-credential-helpers)
  use_apt "$tools/apt"
  # What this machine lacks of the libraries they need, and in any case the packages themselves.
  mapfile -t -O "${#packages[@]}" packages < <(needed "${resolved[@]}")
  # valgrind's symbols, and what programs for aarch64 and of musl load.
  packages+=(libc6-dbg libc6-arm64-cross libgcc-s1-arm64-cross)
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
  unpack "$prefix" "${packages[@]}"
  local library program
  library=$prefix/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
  for entry in "${debian_tools[@]}"; do
    read -r name package path what <<<"$entry"
    [[ -e $prefix/$path ]] || continue
    program=$prefix/$path
    {
      printf '#!/bin/sh\n'
      case $name in
        valgrind) printf 'export VALGRIND_LIB=%q\nset -- --extra-debuginfo-path=%q "$@"\n' "$prefix/usr/libexec/valgrind" "$prefix/usr/lib/debug" ;;
        # gcc itself, with musl's files where they lie here.
        musl-gcc)
          program=gcc
          sed "s,/usr/,$prefix/usr/,g" "$prefix"/usr/lib/*-linux-musl/musl-gcc.specs >"$prefix/musl-gcc.specs"
          printf 'set -- "$@" -specs %q\n' "$prefix/musl-gcc.specs"
          ;;
        pass) printf 'export PATH=%q:"%s"\n' "$prefix/usr/bin" "\$PATH" ;;
        # The guest's environment is the host's: it must not load the host tool's libraries.
        qemu-aarch64) printf 'export LD_LIBRARY_PATH=%q QEMU_LD_PREFIX=%q\nset -- -U LD_LIBRARY_PATH "$@"\n' "$library" "$prefix/usr/aarch64-linux-gnu" ;;
        qemu-*) printf 'export LD_LIBRARY_PATH=%q\nset -- -U LD_LIBRARY_PATH "$@"\n' "$library" ;;
        swig) printf 'export LD_LIBRARY_PATH=%q SWIG_LIB=%q\n' "$library" "$prefix/usr/share/swig4.0" ;;
        # It loads libclang, which doxygen needs too.
        # What RubyGems would look up is named: it looks in /usr.
        ruby)
          local directories=("$prefix"/usr/lib/ruby/[0-9]* "$library"/ruby/[0-9]* "$library"/rubygems-integration/*/{gems/ffi-*/lib,extensions/*/*/ffi-*})
          printf 'export LD_LIBRARY_PATH=%q RUBYLIB=%q\nset -- --disable-gems "$@"\n' "$library" "$(IFS=:; printf '%s' "${directories[*]}")"
          ;;
        bindgen) printf 'export LD_LIBRARY_PATH=%q LIBCLANG_PATH=%q\n' "$library" "$library" ;;
        *) printf 'export LD_LIBRARY_PATH=%q\n' "$library" ;;
      esac
      printf 'exec %q "$@"\n' "$program"
    } >"$bin/$name.new"
    chmod 0755 "$bin/$name.new"
    mv "$bin/$name.new" "$bin/$name"
  done
  # What loads programs of musl for aarch64.
  local here
  here=$(dpkg --print-architecture)
  [[ $here != arm64 ]] || return 0
  use_apt "$tools/apt-arm64" -o "APT::Architectures::=$here" -o APT::Architectures::=arm64
  unpack "$tools/debian-arm64" musl:arm64
}

# A prefix of its own: it is larger than all the others together.
install_clang() {
  local stamp=$stamps/clang-$clang_version name prefix=$tools/clang packages what="C++ by clang, its sanitizers and clang-tidy"
  [[ -e $stamp && -x $bin/clang++ && -x $bin/clang-tidy ]] && return
  if ! have apt-get || ! have dpkg; then
    if ! have clang++ || ! have clang-tidy; then lacks clang "$what (no apt-get on this machine)"; fi
    return
  fi
  {
    use_apt "$tools/apt-clang"
    packages=("clang-$clang_version" "clang-tidy-$clang_version" "libclang-rt-$clang_version-dev")
    # Not the libraries of a 32-bit system.
    mapfile -t packages < <(needed "${packages[@]}" | grep -v '32\|objc\|libgc1\|i386'; printf '%s\n' "${packages[@]}")
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    unpack "$prefix" "${packages[@]}"
  } >"$logs/clang.log" 2>&1 || true
  for name in clang clang++ clang-tidy; do
    if [[ ! -x $prefix/usr/lib/llvm-$clang_version/bin/$name ]]; then
      lacks clang "$what (see $logs/clang.log)"
      return
    fi
    printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%q\nexec %q "$@"\n' \
      "$(dirname "$(find "$prefix" -name 'libLLVM.so.*' -path '*-linux-gnu/*' | head -n 1)")" \
      "$prefix/usr/lib/llvm-$clang_version/bin/$name" >"$bin/$name.new"
    chmod 0755 "$bin/$name.new"
    mv "$bin/$name.new" "$bin/$name"
  done
  : >"$stamp"
}

# install_crate NAME VERSION WHAT: a program of the crates' registry.
install_crate() {
  local name=$1 stamp=$stamps/$1-$2
  [[ -e $stamp && -x $bin/$name ]] && return
  if CARGO_TARGET_DIR=$tools/$name-target cargo install --quiet --locked --root "$tools" "$name@$2" >"$logs/$name.log" 2>&1; then
    rm -rf "$tools/$name-target"
    : >"$stamp"
  else
    lacks "$name" "$3 (see $logs/$name.log)"
  fi
}

install_deny() { install_crate cargo-deny "$deny_version" "the check of licences, bans and sources"; }

install_sbom() { install_crate cargo-cyclonedx "$cyclonedx_version" "the list of components in release archives"; }

install_mutants() { install_crate cargo-mutants "$mutants_version" "make mutants"; }

# The allocator of the static tool, as C: scripts/dist.sh compiles it.
install_mimalloc() {
  local stamp=$stamps/mimalloc-$mimalloc_version new=$tools/mimalloc.new name=libmimalloc-sys-$mimalloc_version from
  [[ -e $stamp && -d $tools/mimalloc ]] && return
  rm -rf "${tools:?}/mimalloc" "$new"
  mkdir -p "$new/src"
  : >"$new/src/lib.rs"
  printf '[package]\nname = "source"\n[dependencies]\nlibmimalloc-sys = "=%s"\n[workspace]\n' "$mimalloc_version" >"$new/Cargo.toml"
  if ! cargo fetch --quiet --manifest-path "$new/Cargo.toml" >"$logs/mimalloc.log" 2>&1 ||
    ! from=$(compgen -G "${CARGO_HOME:-$HOME/.cargo}/registry/cache/*/$name.crate" | head -1) ||
    ! sha256sum --quiet --check <<<"$mimalloc_sum  $from" >>"$logs/mimalloc.log" 2>&1; then
    lacks mimalloc "the allocator of the static tool (see $logs/mimalloc.log)"
    return
  fi
  tar -xzf "$from" -C "$new"
  mv "$new/$name/c_src/mimalloc/v3" "$tools/mimalloc"
  rm -rf "$new" "$stamps"/mimalloc-*
  : >"$stamp"
}

# install_wheel NAME PACKAGE VERSION WHAT SUM...: a package of Python's without dependencies, into $tools/NAME, whose file has
# one of the SHA-256 sums; WHAT is left out without it. False where it is not there, or was already.
install_wheel() {
  local name=$1 package=$2 version=$3 what=$4 stamp=$stamps/$1-$3
  [[ -e $stamp && -d $tools/$name ]] && return 1
  shift 4
  rm -rf "${tools:?}/$name" "$tools/$name.new"
  # pip takes sums from such a file alone.
  { printf '%s==%s' "$package" "$version"; printf ' --hash=sha256:%s' "$@"; echo; } >"$logs/$name.txt"
  if ! python3 -m pip install --quiet --no-deps --only-binary :all: --require-hashes --target "$tools/$name.new" -r "$logs/$name.txt" >"$logs/$name.log" 2>&1; then
    lacks "$name" "$what (see $logs/$name.log)"
    return 1
  fi
  mv "$tools/$name.new" "$tools/$name"
  rm -f "$stamps/$name"-*
  : >"$stamp"
}

# scripts/site.py finds it there.
install_site() { install_wheel mistune mistune "$mistune_version" "make site" "${mistune_sums[@]}" || true; }

# The tests tell Node where it is.
install_koffi() {
  local stamp=$stamps/koffi-$koffi_version what="callbacks on Node's only thread"
  [[ -e $stamp ]] && return
  if ! have npm; then
    lacks koffi "$what (npm is missing)"
  # It brings its binary along; without its script it never compiles one.
  elif npm install --prefix "$tools" --no-save --no-audit --no-fund --ignore-scripts "koffi@$koffi_version" >"$logs/koffi.log" 2>&1; then
    rm -f "$stamps/koffi"-*
    : >"$stamp"
  else
    lacks koffi "$what (see $logs/koffi.log)"
  fi
}

install_zig() {
  [[ -x $bin/zig ]] || rm -f "$stamps/zig-$zig_version"
  install_wheel zig ziglang "$zig_version" "the library for glibc 2.28" "${zig_sums[@]}" || return 0
  printf '#!/bin/sh\nexec %q "$@"\n' "$tools/zig/ziglang/zig" >"$bin/zig.new"
  chmod 0755 "$bin/zig.new"
  mv "$bin/zig.new" "$bin/zig"
}

# Exits with 1 where it can't be had, in CI too: what needs it is left out there.
install_rust() {
  local target=$1
  [[ -d $(rustc --print sysroot)/lib/rustlib/$target/lib ]] && return
  if ! { have rustup && timeout 300 rustup target add "$target"; } >"$logs/rust-$target.log" 2>&1; then
    left_out "what needs Rust's standard library for $target (see ${logs#"$root"/}/rust-$target.log)"
    exit 1
  fi
}

# The same.
install_rust_src() {
  [[ -e $(rustc --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock ]] && return
  if ! { have rustup && timeout 300 rustup component add rust-src; } >"$logs/rust-src.log" 2>&1; then
    left_out "what needs the source of Rust's standard library (see ${logs#"$root"/}/rust-src.log)"
    exit 1
  fi
}

groups=("$@")
((${#groups[@]})) || groups=(go debian clang deny zig site koffi mimalloc golangci)
pids=()
for group in "${groups[@]}"; do
  case $group in
    rust:*) install_rust "${group#rust:}" ;;
    rust-src) install_rust_src ;;
    registry) install_go registry3 & pids+=($!) ;;
    go | golangci | debian | clang | deny | zig | site | koffi | mimalloc | sbom | mutants) "install_$group" & pids+=($!) ;;
    *) fail "unknown group $group: go, golangci, registry, debian, clang, deny, zig, site, koffi, mimalloc, sbom, mutants, rust:TARGET or rust-src" ;;
  esac
done
for pid in "${pids[@]}"; do wait "$pid"; done

if [[ -s $missing ]]; then
  say "could not install, so left out: $(paste -sd ';' "$missing" | sed 's/;/; /g')"
  strict && exit 1
fi
exit 0
