#!/usr/bin/env bash
# Puts the release build below DESTDIR PREFIX, or removes it from there.
#   scripts/install.sh install|uninstall PREFIX [DESTDIR]
# PORTABLE=1 takes the shared library and the tool of scripts/portable.sh.
. "$(dirname "$0")/lib.sh"

action=${1:-} prefix=${2:-} destination=${3:-}
[[ $prefix == /* ]] || fail "PREFIX is '$prefix', must be absolute"
prefix=${prefix%/}
target=$destination$prefix
version=$(sed -n 's/^#define CLDOCI_VERSION_STRING "\(.*\)"/\1/p' include/cldoci.h)
abi=$(abi_version include/cldoci.h)
[[ -n $version && -n $abi ]] || fail "include/cldoci.h does not say version and ABI version"

library=lib/libcldoci.so.$abi.$version
# Every file and link that is installed, in one list for both ways.
files=(
  "$library" "lib/libcldoci.so.$abi" lib/libcldoci.so lib/libcldoci.a lib/pkgconfig/cldoci.pc
  lib/cmake/cldoci/cldoci-config.cmake lib/cmake/cldoci/cldoci-config-version.cmake include/cldoci.h include/cldoci.hpp include/cldoci.ffi.h
  bin/cldoci share/man/man1/cldoci.1 share/man/man3/libcldoci.3 share/bash-completion/completions/cldoci
  share/zsh/site-functions/_cldoci share/fish/vendor_completions.d/cldoci.fish
  share/licenses/cldoci/LICENSE-APACHE share/licenses/cldoci/LICENSE-MIT share/licenses/cldoci/THIRD-PARTY
)

# What a static link needs besides: rustc names it.
static_libraries="-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"

put() { install -D -m "$1" "$2" "$target/$3"; }

case $action in
  install)
    shared=target/release/libcldoci.so
    tool=$build/cli
    [[ -z ${PORTABLE:-} ]] || shared=$build/portable/libcldoci.so tool=$build/portable/cli
    for file in "$shared" target/release/libcldoci.a "$tool/cldoci"; do
      [[ -e $file ]] || fail "$file is missing: run make install, which builds it"
    done
    put 0755 "$shared" "$library"
    ln -sf "${library##*/}" "$target/lib/libcldoci.so.$abi"
    ln -sf "libcldoci.so.$abi" "$target/lib/libcldoci.so"
    put 0644 target/release/libcldoci.a lib/libcldoci.a
    for file in cldoci.h cldoci.hpp cldoci.ffi.h; do put 0644 "include/$file" "include/$file"; done
    put 0755 "$tool/cldoci" bin/cldoci
    put 0644 "$tool/cldoci.1" share/man/man1/cldoci.1
    put 0644 "$tool/libcldoci.3" share/man/man3/libcldoci.3
    put 0644 "$tool/completion.bash" share/bash-completion/completions/cldoci
    put 0644 "$tool/completion.zsh" share/zsh/site-functions/_cldoci
    put 0644 "$tool/completion.fish" share/fish/vendor_completions.d/cldoci.fish
    for file in LICENSE-APACHE LICENSE-MIT THIRD-PARTY; do put 0644 "$file" "share/licenses/cldoci/$file"; done
    mkdir -p "$target/lib/pkgconfig" "$target/lib/cmake/cldoci"
    cat >"$target/lib/pkgconfig/cldoci.pc" <<END
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: cldoci
Description: Builds directories into OCI artifacts and pushes, pulls, tags and checks them on registries
Version: $version
License: Apache-2.0 OR MIT
Libs: -L\${libdir} -lcldoci
Libs.private: $static_libraries
Cflags: -I\${includedir}
END
    # Found beside the file itself, so that the prefix may be moved.
    cat >"$target/lib/cmake/cldoci/cldoci-config.cmake" <<END
get_filename_component(_cldoci_prefix "\${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
if(NOT TARGET cldoci::cldoci)
  add_library(cldoci::cldoci SHARED IMPORTED)
  set_target_properties(cldoci::cldoci PROPERTIES
    IMPORTED_LOCATION "\${_cldoci_prefix}/$library"
    IMPORTED_SONAME "libcldoci.so.$abi"
    INTERFACE_INCLUDE_DIRECTORIES "\${_cldoci_prefix}/include")
endif()
if(NOT TARGET cldoci::cldoci_static)
  add_library(cldoci::cldoci_static STATIC IMPORTED)
  set_target_properties(cldoci::cldoci_static PROPERTIES
    IMPORTED_LOCATION "\${_cldoci_prefix}/lib/libcldoci.a"
    INTERFACE_LINK_LIBRARIES "${static_libraries// /;}"
    INTERFACE_INCLUDE_DIRECTORIES "\${_cldoci_prefix}/include")
endif()
unset(_cldoci_prefix)
END
    # While 0.x, another soname is another interface, and it is the minor version that says so.
    cat >"$target/lib/cmake/cldoci/cldoci-config-version.cmake" <<END
set(PACKAGE_VERSION "$version")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
END
    say "installed cldoci $version below $target"
    ;;
  uninstall)
    for file in "${files[@]}"; do rm -f "$target/$file"; done
    for directory in lib/cmake/cldoci share/licenses/cldoci; do
      [[ ! -d $target/$directory ]] || rmdir --ignore-fail-on-non-empty "$target/$directory"
    done
    say "removed cldoci from $target"
    ;;
  *) fail "install or uninstall" ;;
esac
