#!/usr/bin/env bash
# Builds what is released for a target: build/dist/cldoci-VERSION-TARGET.tar.gz, and SHA256SUMS of all that lie there.
#   scripts/dist.sh all | TARGET...
# zig compiles what is C and links, for glibc 2.28 and for musl, so that any Linux machine builds for each target; with
# the same commit, Rust and zig it gives the same bytes. QUICK=1 builds for the tests, of what they are built of: build/quick.
. "$(dirname "$0")/lib.sh"

glibc=2.28
targets=("$@")
[[ ${1:-} != all ]] || targets=({x86_64,aarch64}-unknown-linux-{gnu,musl})
((${#targets[@]})) || fail "usage: scripts/dist.sh all | TARGET..."
for target in "${targets[@]}"; do
  [[ $target =~ ^(x86_64|aarch64)-unknown-linux-(gnu|musl)$ ]] || fail "no release is built for $target"
done
need zig "the release archives" || exit 0

version=$(library_version)
abi=$(abi_version include/cldoci.h)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C

# What a target is built in; sets its names.
begin() {
  target=$1 arch=${1%%-*} libc=${1##*-}
  work=$dist/$target name=cldoci-$version-$target
  rm -rf "$work"
  mkdir -p "$work/lib"
  cross "$target"
}

# All code in one archive: ours, the crates', the standard library's. For the tests the machine's own will do, and for musl
# that of `make test-musl` and `make test-aarch64`.
compile() {
  if [[ -n ${QUICK:-} && $target == "$(host_triple)" ]]; then
    compiled=target/release/libcldoci.a
    # As everybody else here asks for it: with another compiler of C or date in the environment cargo would build it anew.
    env -u "CC_${target//-/_}" -u "AR_${target//-/_}" -u SOURCE_DATE_EPOCH make -s release
    return
  fi
  if [[ -n ${QUICK:-} && $libc == musl ]]; then
    compiled=${CARGO_TARGET_DIR:-target}/$target/debug/deps/libcldoci.a
    env -u SOURCE_DATE_EPOCH TARGET="$target" scripts/test-rust.sh --test it --no-run
    return
  fi
  compiled=${CARGO_TARGET_DIR:-target}/$target/release/libcldoci.a
  # Of this crate type alone: beside a Rust library cargo would leave out the link-time optimisation.
  RUSTFLAGS="--remap-path-prefix=$root=cldoci --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=crates" \
    cargo rustc --quiet --release --lib --locked --crate-type staticlib --target "$target" -- "${release_flags[@]}"
}

# The unwinder of glibc's systems is libgcc_s: of two in one process neither could unwind the other's frames. Its names
# and versions stand in for it, so that no system's file is needed.
unwinder() {
  local kind names=(DeleteException GetDataRelBase GetIP GetLanguageSpecificData GetRegionStart GetTextRelBase RaiseException
    Resume SetGR SetIP) older=(Backtrace FindEnclosingFunction GetCFA Resume_or_Rethrow) later=(GetIPInfo)
  {
    printf 'GCC_3.0 { global:'; printf ' _Unwind_%s;' "${names[@]}"
    printf ' local: *; };\nGCC_3.3 { global:'; printf ' _Unwind_%s;' "${older[@]}"
    printf ' } GCC_3.0;\nGCC_4.2.0 { global:'; printf ' _Unwind_%s;' "${later[@]}"
    printf ' } GCC_3.3;\n'
  } >"$work/unwinder.map"
  for kind in "${names[@]}" "${older[@]}" "${later[@]}"; do printf 'void _Unwind_%s(void) {}\n' "$kind"; done >"$work/unwinder.c"
  "$cross_cc" -shared -nostdlib -Wl,-soname,libgcc_s.so.1 -Wl,--version-script="$work/unwinder.map" "$work/unwinder.c" -o "$work/libgcc_s.so.1"
}

# What cargo tells the linker of the shared library, in its own words: build.rs and rustc's list of exports.
link() {
  local needed newest exported more=()
  { printf '{\n  global:\n'; sed 's/.*/    &;/' include/cldoci.symbols; printf '  local: *;\n};\n'; } >"$work/exports.map"
  if [[ $libc == gnu ]]; then
    unwinder
    more=("$work/libgcc_s.so.1")
  fi
  "$cross_cc" -shared -s -o "$work/lib/libcldoci.so" "$work/lib/cldoci.o" "${more[@]}" -Wl,--gc-sections \
    -Wl,--version-script="$work/exports.map" -Wl,-soname,"libcldoci.so.$abi" -Wl,-z,nodelete -Wl,-z,relro,-z,now
  if [[ $libc == gnu ]]; then
    needed=$(readelf -V "$work/lib/libcldoci.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
    newest=$(printf '%s\n' "$glibc" "${needed#GLIBC_}" | sort -V | tail -1)
    [[ $newest == "$glibc" ]] || fail "the library for $target needs ${needed/_/ }"
  fi
  exported=$(readelf --dyn-syms -W "$work/lib/libcldoci.so" | awk '$5 == "GLOBAL" && $7 != "UND" { sub(/@.*/, "", $8); print $8 }' | sort)
  [[ $exported == "$(sort include/cldoci.symbols)" ]] || fail "the library for $target exports something else than include/cldoci.symbols"
  has_unwinding_tables "$work/lib/libcldoci.so" || fail "the library for $target has no tables for the unwinder"
  readelf -d "$work/lib/libcldoci.so" | grep NODELETE >/dev/null || fail "the library for $target can be unmapped"
}

# The allocator of the static tool: musl's gives each buffer of a body back to the kernel (docs/performance.md). This one
# does so after 10 ms, not after a second, and takes no memory in advance; the date is none of its bytes.
allocator() {
  if [[ ! -d $tools/mimalloc ]]; then
    left_out "the allocator of the tool for $target (its source is not there)"
    return
  fi
  cat >"$work/mimalloc.c" <<'END'
#include "static.c"
__attribute__((constructor)) static void keep_little(void) { mi_option_set_default(mi_option_purge_delay, 10); }
END
  "$cross_cc" -O2 -DNDEBUG -DMI_MALLOC_OVERRIDE -DMI_LIBC_MUSL=1 -DMI_DEFAULT_ARENA_EAGER_COMMIT=0 -DMI_DEFAULT_ALLOW_THP=0 \
    -Wno-builtin-macro-redefined '-D__DATE__=""' '-D__TIME__=""' -fno-builtin-malloc -I"$tools/mimalloc/include" \
    -I"$tools/mimalloc/src" -c "$work/mimalloc.c" -o "$work/mimalloc.o"
  cp "$tools/mimalloc/LICENSE" "$work/LICENSE-mimalloc"
  linked+=("$work/mimalloc.o")
}

# The tool: for glibc beside the shared library, in whatever LIBDIR a distribution installs that; for musl by itself.
tool() {
  local how=() linked=() paths
  # shellcheck disable=SC2016 # the loader expands it
  paths='$ORIGIN/../lib:$ORIGIN/../lib64:$ORIGIN/../lib/'$arch-linux-gnu
  [[ $libc == gnu ]] || { how=(-static "-Wl,--gc-sections" "-Wl,--eh-frame-hdr"); paths=''; allocator; }
  CC=$cross_cc RPATH=$paths RUN=${run[*]} scripts/cli.sh "$work/lib" "$work" "${how[@]}" "${linked[@]}"
  # Not by the linker: zig would build another musl for programs without symbols.
  rust_objcopy --strip-all "$work/cli/cldoci"
}

# What is in the library, as cargo resolves it for the target; not in QUICK.
components() {
  [[ -z ${QUICK:-} ]] || return 0
  need cargo-cyclonedx "the list of components in $name" || return 0
  # It writes beside Cargo.toml alone, and names the directory.
  cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$target" --no-build-deps --override-filename "sbom-$target"
  sed "s,path+file://$root#,," "sbom-$target.json" >"$work/sbom.json"
  # What the static tool is linked with is none of cargo's.
  if [[ -e $work/mimalloc.o ]]; then
    local found
    found=$(awk '$2 == "MI_MALLOC_VERSION" { printf "%d.%d.%d", $3 / 10000, $3 / 100 % 100, $3 % 100 }' "$tools/mimalloc/include/mimalloc.h")
    sed -i '0,/^  "components": \[/s//&\n    {"type": "library", "bom-ref": "mimalloc@'"$found"'", "name": "mimalloc", "version": "'"$found"'", "licenses": [{"license": {"id": "MIT"}}]},/' "$work/sbom.json"
  fi
  rm "sbom-$target.json"
}

pack() {
  local level=9
  [[ -z ${QUICK:-} ]] || level=1
  rm -rf "${work:?}/$name"
  TARGET=$target SHARED=$work/lib/libcldoci.so ARCHIVE=$work/lib/libcldoci.a TOOL=$work/cli SBOM=$work/sbom.json MIMALLOC=$work/LICENSE-mimalloc \
    scripts/install.sh install "" "$work/$name" >/dev/null
  tar --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --mode=go=rX,u+rw,a-s \
    -C "$work" -cf - "$name" | gzip -n -$level >"$dist/$name.tar.gz.new"
  mv "$dist/$name.tar.gz.new" "$dist/$name.tar.gz"
  (cd "$dist" && sha256sum cldoci-"$version"-*.tar.gz >SHA256SUMS)
}

for target in "${targets[@]}"; do
  if ! scripts/install-tools.sh "rust:$target"; then continue; fi
  [[ ${target%%-*} == "$(uname -m)" ]] || need "qemu-${target%%-*}" "the release for $target" || continue
  from=$SECONDS
  begin "$target"
  compile
  slim_for "$target" "$compiled" "$work/lib/libcldoci.a"
  link
  tool
  components
  pack
  say "${dist#"$root"/}/$name.tar.gz: $(stat -c %s "$dist/$name.tar.gz") bytes, in $((SECONDS - from)) s"
done
