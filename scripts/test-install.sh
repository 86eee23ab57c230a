#!/usr/bin/env bash
# Installs into a temporary prefix and links against what is there: by pkg-config (shared, static) and CMake.
. "$(dirname "$0")/lib.sh"

need pkg-config "the test of the install" || exit 0
prefix=$(mktemp -d)/prefix
trap 'rm -rf "${prefix%/prefix}"' EXIT
work=${prefix%/prefix}

make -s release
scripts/cli.sh target/release build
scripts/install.sh install "$prefix" >/dev/null
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
version=$(pkg-config --modversion cldoci)

cat >"$work/version.c" <<'END'
#include <cldoci.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  puts(cldoci_version_string());
  return strcmp(cldoci_version_string(), CLDOCI_VERSION_STRING) != 0;
}
END
works() {
  local output
  output=$("$@") || fail "$* ended with $?"
  [[ $output == "$version" ]] || fail "$* says version $output, pkg-config says $version"
}
# shellcheck disable=SC2046
cc -Wall -Werror "$work/version.c" -o "$work/shared" $(pkg-config --cflags --libs cldoci)
works env LD_LIBRARY_PATH="$prefix/lib" "$work/shared"
env LD_LIBRARY_PATH="$prefix/lib" ldd "$work/shared" | grep "$prefix/lib/libcldoci.so" >/dev/null || fail "the shared program does not use the installed library"

# shellcheck disable=SC2046
cc -Wall -Werror "$work/version.c" -o "$work/static" \
  $(pkg-config --cflags cldoci) "$prefix/lib/libcldoci.a" $(pkg-config --static --libs-only-l cldoci | sed 's/-lcldoci//')
works "$work/static"
# Where there is nothing but the archive, the flags do as they are.
mkdir -p "$work/archive/lib"
cp -r "$prefix/include" "$work/archive"
cp -r "$prefix/lib/pkgconfig" "$prefix/lib/libcldoci.a" "$work/archive/lib"
# shellcheck disable=SC2046
cc -Wall -Werror "$work/version.c" -o "$work/archived" \
  $(PKG_CONFIG_PATH=$work/archive/lib/pkgconfig pkg-config --define-variable=prefix="$work/archive" --static --cflags --libs cldoci)
works "$work/archived"
if ldd "$work/static" | grep libcldoci >/dev/null; then fail "the static program needs libcldoci.so"; fi
say "install: pkg-config, shared and static: ok"

if need cmake "the CMake package"; then
  cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.16)
project(version C)
find_package(cldoci 0.1 REQUIRED)
add_executable(cmake_shared version.c)
target_link_libraries(cmake_shared PRIVATE cldoci::cldoci)
add_executable(cmake_static version.c)
target_link_libraries(cmake_static PRIVATE cldoci::cldoci_static)
END
  cmake -S "$work" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "cmake"; }
  cmake --build "$work/cmake" >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "cmake"; }
  works "$work/cmake/cmake_shared"
  works "$work/cmake/cmake_static"
  # finds WHAT, refuses WHAT: what may follow find_package(cldoci.
  asks() { printf 'cmake_minimum_required(VERSION 3.19)\nproject(asks C)\nfind_package(cldoci %s REQUIRED)\n' "$1" >"$work/asks/CMakeLists.txt"
    rm -rf "$work/asks/build"; cmake -S "$work/asks" -B "$work/asks/build" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" 2>&1; }
  mkdir "$work/asks"
  for wanted in '' "$version" 0.1...0.3 "$version EXACT" 'COMPONENTS static' 'OPTIONAL_COMPONENTS other'; do
    asks "$wanted" || { cat "$work/cmake.log"; fail "cmake does not find cldoci $wanted"; }
  done
  for wanted in 0.0.5 0.2 1.0 0.2...0.9 "0.1...<$version" 'COMPONENTS other'; do
    ! asks "$wanted" || fail "cmake finds cldoci $wanted"
  done
  say "install: CMake, shared and static: ok"
fi

# The tool finds the library that was installed with it, wherever the prefix was moved to.
mv "$prefix" "$prefix.moved"
ldd "$prefix.moved/bin/cldoci" | grep "$prefix.moved/" >/dev/null || fail "the tool does not use the library of its prefix"
[[ $("$prefix.moved/bin/cldoci" version | head -n 1) == "cldoci $version" ]] || fail "the tool is not of version $version"
mv "$prefix.moved" "$prefix"
grep -q '^\.TH CLDOCI 1' "$prefix/share/man/man1/cldoci.1" || fail "there is no man page of the tool"
grep -q '^\.TH LIBCLDOCI 3' "$prefix/share/man/man3/libcldoci.3" || fail "there is no man page of the library"
bash -c '. "$1"; complete -p cldoci' bash "$prefix/share/bash-completion/completions/cldoci" >/dev/null || fail "bash has no completions"
grep -q '^#compdef cldoci' "$prefix/share/zsh/site-functions/_cldoci" || fail "zsh has no completions"
grep -q '^complete -c cldoci' "$prefix/share/fish/vendor_completions.d/cldoci.fish" || fail "fish has no completions"
say "install: the tool, its man pages and completions: ok"

# The oldest glibc that it runs on, by the newest symbol version that it asks for.
glibc=$(objdump -T "$prefix/lib/libcldoci.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
oldest=2.34
newest=$(printf '%s\n' "$oldest" "${glibc#GLIBC_}" | sort -V | tail -1)
[[ $newest == "$oldest" ]] || fail "the library needs ${glibc/_/ }, the README promises that glibc $oldest will do"
say "install: needs ${glibc/_/ } or newer"

# What it says that the prefix needs is what it needs: as it says it, the program of README's first steps finds all.
said=$(env -u PKG_CONFIG_PATH -u LD_LIBRARY_PATH scripts/install.sh install "$prefix")
(
  unset PKG_CONFIG_PATH LD_LIBRARY_PATH
  eval "$(sed -n 's/^  export/export/p' <<<"$said")"
  # shellcheck disable=SC2046
  cc "$work/version.c" $(pkg-config --cflags --libs cldoci) -o "$work/told"
  works "$work/told"
) || fail "with what make install said, a program does not build or run: $said"
again=$(LD_LIBRARY_PATH=$prefix/lib scripts/install.sh install "$prefix")
[[ $(wc -l <<<"$again") == 1 ]] || fail "it says what is there already: $again"
[[ $(DESTDIR='' scripts/install.sh install /usr "$work/staged" | wc -l) == 1 ]] || fail "it says what a staged tree needs"

uninstalled() {
  scripts/install.sh uninstall "$@" >/dev/null
  left=$(find "$prefix" "$work/staged" ! -type d)
  [[ -z $left ]] || fail "uninstall leaves $left"
}
scripts/install.sh uninstall /usr "$work/staged" >/dev/null
uninstalled "$prefix"
say "install: says what a prefix needs, and uninstall leaves nothing: ok"

export TARGET QUICK=1
TARGET=$(uname -m)-unknown-linux-gnu
scripts/dist.sh "$TARGET"
if [[ -e $build/quick/cldoci-$version-$TARGET.tar.gz ]]; then
  for LIBDIR in lib "lib/$(uname -m)-linux-gnu" "$prefix/lib64"; do
    export LIBDIR
    scripts/install.sh install "$prefix" >/dev/null
    at=$prefix/${LIBDIR#"$prefix/"}
    # shellcheck disable=SC2046
    cc "$work/version.c" $(PKG_CONFIG_PATH=$at/pkgconfig pkg-config --cflags --libs cldoci) -o "$work/elsewhere"
    works env LD_LIBRARY_PATH="$at" "$work/elsewhere"
    ldd "$prefix/bin/cldoci" | grep "$prefix/bin/../${at#"$prefix/"}/libcldoci.so" >/dev/null || fail "the tool does not use the library in $at"
    [[ $(objdump -T "$at/libcldoci.so" "$prefix/bin/cldoci" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1) == GLIBC_2.28 ]] ||
      fail "the release for $TARGET needs another glibc than 2.28"
    if have cmake; then
      cmake -S "$work" -B "$work/cmake${LIBDIR##*/}" -Dcldoci_DIR="$at/cmake/cldoci" >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "cmake"; }
      cmake --build "$work/cmake${LIBDIR##*/}" >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "cmake"; }
      works "$work/cmake${LIBDIR##*/}/cmake_shared"
      works "$work/cmake${LIBDIR##*/}/cmake_static"
    fi
    uninstalled "$prefix"
  done
  say "install: a release archive for glibc 2.28, with LIBDIR: ok"
fi
