#!/usr/bin/env bash
# Makes Debian packages of the release archive of this machine's kind: libcldoci0, libcldoci-dev and cldoci in build/deb.
#   scripts/deb.sh
# They need what the archive needs: glibc 2.28, so any Debian from 10 and any Ubuntu from 18.10 on. lintian looks at them
# where it is installed.
. "$(dirname "$0")/lib.sh"

for tool in dpkg-deb dpkg-architecture; do need "$tool" "the Debian packages" || exit 0; done
triple=$(uname -m)-unknown-linux-gnu
version=$(library_version) abi=$(abi_version include/cldoci.h)
architecture=$(dpkg-architecture -qDEB_HOST_ARCH) multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
maintainer="the cldoci maintainers <cldoci@example.org>"
out=$build/deb
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TARGET=$triple LIBDIR=lib/$multiarch scripts/install.sh install /usr "$work/all" >/dev/null
# A package's library lies where the loader looks: the tool needs no path of its own.
cross "$triple"
# shellcheck disable=SC2154 # cross sets it
CC=$cross_cc RPATH='' RUN="env LD_LIBRARY_PATH=$work/lib" scripts/cli.sh "$work/all/usr/lib/$multiarch" "$work" -fPIE -pie
strip "$work/cli/cldoci"
install -m 0755 "$work/cli/cldoci" "$work/all/usr/bin/cldoci"
gzip -9n "$work"/all/usr/share/man/man*/*
mkdir -p "$work/all/usr/share/zsh/vendor-completions"
mv "$work/all/usr/share/zsh/site-functions/_cldoci" "$work/all/usr/share/zsh/vendor-completions/_cldoci"
rmdir "$work/all/usr/share/zsh/site-functions"
chmod 0644 "$work/all/usr/lib/$multiarch"/libcldoci.so.*.*

# package NAME SECTION DEPENDS SUMMARY DESCRIPTION PATHS...: `Multi-Arch: same` for libraries.
package() {
  local name=$1 section=$2 depends=$3 summary=$4 description=$5 path documents root
  shift 5
  root=$work/$name
  documents=$root/usr/share/doc/$name
  mkdir -p "$root/DEBIAN" "$documents"
  for path in "$@"; do
    mkdir -p "$root/$(dirname "$path")"
    cp -a "$work/all/$path" "$root/$path"
  done
  {
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: cldoci\n\nFiles: *\n'
    printf 'Copyright: the cldoci contributors\nLicense: Apache-2.0 or Expat\n'
    printf ' On Debian systems the text of the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.\n .\n'
    sed 's/^$/./; s/^/ /' LICENSE-MIT
    printf '\nComment: what is linked into the library, with the licence of each, is in THIRD-PARTY.gz of libcldoci%s.\n' "$abi"
  } >"$documents/copyright"
  {
    printf 'cldoci (%s) unstable; urgency=medium\n\n  * CHANGELOG.md of the source tells what changed.\n\n' "$version"
    printf ' -- %s  %s\n' "$maintainer" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
  } | gzip -9n >"$documents/changelog.gz"
  {
    printf 'Package: %s\nSource: cldoci\nVersion: %s\nArchitecture: %s\n' "$name" "$version" "$architecture"
    [[ $section == utils ]] || printf 'Multi-Arch: same\n'
    printf 'Maintainer: %s\nSection: %s\nPriority: optional\nDepends: %s\n' "$maintainer" "$section" "$depends"
    printf 'Installed-Size: %s\n' "$(du -sk --exclude=DEBIAN "$root" | cut -f1)"
    printf 'Description: %s\n' "$summary"
    fold -sw 78 <<<"$description" | sed 's/ *$//; s/^/ /'
  } >"$root/DEBIAN/control"
  if [[ $name == libcldoci"$abi" ]]; then
    gzip -9nc THIRD-PARTY >"$documents/THIRD-PARTY.gz"
    printf 'libcldoci %s %s (>= %s)\n' "$abi" "$name" "$version" >"$root/DEBIAN/shlibs"
    printf 'activate-noawait ldconfig\n' >"$root/DEBIAN/triggers"
    {
      printf 'libcldoci.so.%s %s #MINVER#\n' "$abi" "$name"
      sed "s/.*/ &@Base $version/" include/cldoci.symbols
    } >"$root/DEBIAN/symbols"
  fi
  (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
  chmod -R go=rX,u+rwX "$root"
  dpkg-deb --root-owner-group -Zxz --build "$root" "$out/${name}_${version}_$architecture.deb" >/dev/null
}

about="It builds a directory into an OCI artifact, and pushes, pulls, tags and checks artifacts on registries and in local image layouts: the same bytes every time, verified, all or nothing."
lib=usr/lib/$multiarch
package "libcldoci$abi" libs "libc6 (>= 2.28), libgcc-s1 | libgcc1" "library for OCI artifacts" "$about" \
  "$lib/libcldoci.so.$abi" "$lib/libcldoci.so.$abi.$version"
package libcldoci-dev libdevel "libcldoci$abi (= $version), libc6-dev" "library for OCI artifacts (development files)" \
  "$about This package has the headers, the archive, and what pkg-config and CMake read." \
  usr/include/cldoci.h usr/include/cldoci.hpp usr/include/cldoci.ffi.h "$lib/libcldoci.so" "$lib/libcldoci.a" \
  "$lib/pkgconfig" "$lib/cmake" usr/share/man/man3
package cldoci utils "libcldoci$abi (= $version), libc6 (>= 2.28)" "command-line tool for OCI artifacts" "$about" \
  usr/bin/cldoci usr/share/man/man1 usr/share/bash-completion usr/share/zsh usr/share/fish

if have lintian; then
  lintian --allow-root --fail-on error,warning "$out"/*.deb
else
  left_out "lintian's look at the Debian packages (it is not installed)"
fi
say "build/deb: $(cd "$out" && printf '%s ' *.deb)"
