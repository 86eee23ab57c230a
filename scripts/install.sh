#!/usr/bin/env bash
# Puts the release build below DESTDIR PREFIX, or removes it from there, and says what the prefix needs to be found.
#   scripts/install.sh install|uninstall PREFIX [DESTDIR]
# TARGET installs the release archive of that target (scripts/dist.sh). LIBDIR is where libraries lie below the prefix:
# lib, lib64, lib/x86_64-linux-gnu. With an empty PREFIX the tree may lie anywhere: it is what a release archive holds.
. "$(dirname "$0")/lib.sh"

action=${1:-} prefix=${2:-} destination=${3:-}
[[ -z $prefix || $prefix == /* ]] || fail "PREFIX is '$prefix', must be absolute"
prefix=${prefix%/}
libdir=${LIBDIR:-lib}
[[ $libdir != /* || $libdir == "$prefix"/* ]] || fail "LIBDIR is '$libdir', must be below the prefix $prefix"
libdir=${libdir#"$prefix/"}
target=$destination$prefix
version=$(library_version)
abi=$(abi_version include/cldoci.h)
[[ -n $version && -n $abi ]] || fail "include/cldoci.h does not say version and ABI version"

library=libcldoci.so.$abi.$version
# The first version of this soname.
first_version=0.1.0
# What is installed, from where it is taken: `lib` is LIBDIR.
shared=${SHARED:-target/release/libcldoci.so} archive=${ARCHIVE:-$build/slim/libcldoci.a} tool=${TOOL:-$build/cli}
declare -A from=(
  ["lib/$library"]=$shared ["lib/libcldoci.a"]=$archive
  ["include/cldoci.h"]=include/cldoci.h ["include/cldoci.hpp"]=include/cldoci.hpp
  ["include/cldoci.ffi.h"]=include/cldoci.ffi.h
  ["bin/cldoci"]=$tool/cldoci
  ["share/man/man1/cldoci.1"]=$tool/cldoci.1 ["share/man/man3/libcldoci.3"]=$tool/libcldoci.3
  ["share/bash-completion/completions/cldoci"]=$tool/completion.bash
  ["share/zsh/site-functions/_cldoci"]=$tool/completion.zsh
  ["share/fish/vendor_completions.d/cldoci.fish"]=$tool/completion.fish
)
for file in LICENSE-APACHE LICENSE-MIT THIRD-PARTY; do from[share/licenses/cldoci/$file]=$file; done
sbom=share/doc/cldoci/cldoci.cdx.json
mimalloc=share/licenses/cldoci/LICENSE-mimalloc
[[ ! -e ${SBOM:-} ]] || from[$sbom]=$SBOM
[[ ! -e ${MIMALLOC:-} ]] || from[$mimalloc]=$MIMALLOC
# What is made here.
links=("lib/libcldoci.so.$abi" lib/libcldoci.so)
cmake=lib/cmake/cldoci/cldoci-config
made=("${links[@]}" lib/pkgconfig/cldoci.pc "$cmake.cmake" "$cmake-version.cmake")

# Where a file of the list above lies.
place() { case $1 in lib/*) printf '%s' "$target/$libdir/${1#lib/}" ;; *) printf '%s' "$target/$1" ;; esac; }

# What a static link needs besides. The unwinder is the compiler's: with gcc and clang libgcc_eh, which zig knows too;
# the archive for musl carries its own. gcc leaves out the table that an unwinder reads where all is static; cgo takes no
# flag for it from pkg-config, so for glibc it is for whoever links with -static to give (docs/install.md).
static_libraries() {
  case ${TARGET:-gnu} in
    *musl) printf '%s' "-Wl,--eh-frame-hdr -lc" ;;
    *) printf '%s' "-lgcc_eh -lrt -lpthread -lm -ldl -lc" ;;
  esac
}

unpack_release() {
  local name=cldoci-$version-$TARGET file
  [[ -e $dist/$name.tar.gz ]] || fail "${dist#"$root"/}/$name.tar.gz is missing: run make dist TARGET=$TARGET"
  (cd "$dist" && sha256sum --quiet --check --ignore-missing SHA256SUMS)
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  tar -xzf "$dist/$name.tar.gz" -C "$unpacked"
  for file in "$sbom" "$mimalloc"; do [[ ! -e $unpacked/$name/$file ]] || from[$file]=; done
  for file in "${!from[@]}"; do from[$file]=$unpacked/$name/$file; done
}

# Only what is true of this machine, and only for a prefix that programs are to use as it is.
say_what_it_needs() {
  local needs=() lib=$prefix/$libdir trusted
  [[ -z $destination && -n $prefix ]] || return 0
  if have pkg-config && ! [[ $(pkg-config --variable=pcfiledir cldoci 2>/dev/null) -ef $lib/pkgconfig ]]; then
    needs+=("export PKG_CONFIG_PATH=$lib/pkgconfig   # where programs are built")
  fi
  trusted=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -N -X -v 2>/dev/null | sed -n 's/^\(\/[^:]*\):.*/\1/p') || true
  if [[ :${LD_LIBRARY_PATH:-}: == *:$lib:* ]]; then
    :
  elif ! grep -qxF "$lib" <<<"$trusted"; then
    needs+=("export LD_LIBRARY_PATH=$lib   # where they run, unless linked with -Wl,-rpath,$lib")
  elif ! PATH=$PATH:/sbin:/usr/sbin ldconfig -p | grep -qF " $lib/libcldoci.so.$abi"; then
    needs+=("ldconfig   # as root, so that the loader finds the library")
  fi
  ((${#needs[@]})) || return 0
  say "programs find it after:"
  printf '  %s\n' "${needs[@]}"
}

case $action in
  install)
    if [[ -n ${TARGET:-} && -z ${SHARED:-} ]]; then
      unpack_release
    elif [[ -z ${ARCHIVE:-} ]]; then
      [[ -e target/release/libcldoci.a ]] || fail "target/release/libcldoci.a is missing: run make install, which builds it"
      mkdir -p "$build/slim"
      slim target/release/libcldoci.a "$archive"
    fi
    for file in "${!from[@]}"; do
      [[ -e ${from[$file]} ]] || fail "${from[$file]} is missing: run make install, which builds it"
      mode=0644
      [[ $file != bin/* && $file != *.so.* ]] || mode=0755
      install -D -m $mode "${from[$file]}" "$(place "$file")"
    done
    for link in "${links[@]}"; do ln -sfn "$library" "$(place "$link")"; done
    mkdir -p "$target/$libdir/pkgconfig" "$target/$libdir/cmake/cldoci"
    # From LIBDIR/pkgconfig, and LIBDIR/cmake/cldoci, back to the prefix.
    up=$(sed 's/[^/]\+/../g' <<<"$libdir")
    pc_prefix=$prefix
    [[ -n $prefix ]] || pc_prefix="\${pcfiledir}/../$up"
    cat >"$(place lib/pkgconfig/cldoci.pc)" <<END
prefix=$pc_prefix
libdir=\${prefix}/$libdir
includedir=\${prefix}/include

Name: cldoci
Description: Builds directories into OCI artifacts and pushes, pulls, tags and checks them on registries
Version: $version
License: Apache-2.0 OR MIT
Libs: -L\${libdir} -lcldoci
Libs.private: $(static_libraries)
Cflags: -I\${includedir}
END
    # Found beside the file itself, so that the prefix may be moved.
    cat >"$(place $cmake.cmake)" <<END
get_filename_component(_cldoci_prefix "\${CMAKE_CURRENT_LIST_DIR}/../../$up" ABSOLUTE)
if(NOT TARGET cldoci::cldoci)
  add_library(cldoci::cldoci SHARED IMPORTED)
  set_target_properties(cldoci::cldoci PROPERTIES
    IMPORTED_LOCATION "\${_cldoci_prefix}/$libdir/$library"
    IMPORTED_SONAME "libcldoci.so.$abi"
    INTERFACE_INCLUDE_DIRECTORIES "\${_cldoci_prefix}/include")
endif()
if(NOT TARGET cldoci::cldoci_static)
  add_library(cldoci::cldoci_static STATIC IMPORTED)
  set_target_properties(cldoci::cldoci_static PROPERTIES
    IMPORTED_LOCATION "\${_cldoci_prefix}/$libdir/libcldoci.a"
    INTERFACE_LINK_LIBRARIES "$(static_libraries | tr ' ' ';')"
    INTERFACE_INCLUDE_DIRECTORIES "\${_cldoci_prefix}/include")
endif()
unset(_cldoci_prefix)
foreach(_cldoci_component IN LISTS cldoci_FIND_COMPONENTS)
  if(_cldoci_component MATCHES "^(shared|static)\$")
    set(cldoci_\${_cldoci_component}_FOUND TRUE)
  elseif(cldoci_FIND_REQUIRED_\${_cldoci_component})
    set(cldoci_FOUND FALSE)
    set(cldoci_NOT_FOUND_MESSAGE "cldoci has no component '\${_cldoci_component}': it has shared and static")
  endif()
endforeach()
END
    # docs/abi.md: what was written for a version of this soname runs with every later one.
    cat >"$(place $cmake-version.cmake)" <<END
set(PACKAGE_VERSION "$version")
set(PACKAGE_VERSION_COMPATIBLE TRUE)
if(PACKAGE_FIND_VERSION AND PACKAGE_FIND_VERSION VERSION_LESS "$first_version")
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
elseif(PACKAGE_FIND_VERSION_RANGE)
  if(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION_MIN OR PACKAGE_VERSION VERSION_GREATER PACKAGE_FIND_VERSION_MAX OR
     (PACKAGE_FIND_VERSION_RANGE_MAX STREQUAL "EXCLUDE" AND PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION_MAX))
    set(PACKAGE_VERSION_COMPATIBLE FALSE)
  endif()
elseif(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
elseif(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
endif()
END
    say "installed cldoci $version below $target"
    say_what_it_needs
    ;;
  uninstall)
    for file in "${!from[@]}" $sbom $mimalloc "${made[@]}"; do rm -f "$(place "$file")"; done
    for directory in lib/cmake/cldoci share/licenses/cldoci share/doc/cldoci; do
      [[ ! -d $(place $directory) ]] || rmdir --ignore-fail-on-non-empty "$(place $directory)"
    done
    say "removed cldoci from $target"
    ;;
  *) fail "install or uninstall" ;;
esac
