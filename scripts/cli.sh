#!/usr/bin/env bash
# Builds the tool `cldoci` of cli/*.c, which knows of the library what the public header says, and what it prints of
# itself: OUTPUT/cli/cldoci, its man pages and completions. It finds the library as ../lib beside its directory,
# here as where it is installed, or in LIBDIR below PREFIX; with -static it holds the library.
#   scripts/cli.sh LIBRARY_DIRECTORY OUTPUT_DIRECTORY [COMPILER FLAGS...]
# RUN is what runs a program of another processor; RPATH is where the tool looks for the library instead, or nothing:
# in each such place the loader looks for libc too, under the names of some thirty processors.
. "$(dirname "$0")/lib.sh"

from=$(realpath "$1") out=$2
shift 2
abi=$(abi_version include/cldoci.h)
mkdir -p "$out/cli" "$out/lib"
for name in libcldoci.so "libcldoci.so.$abi" libcldoci.a; do
  [[ $out/lib/$name -ef $from/${name%.[0-9]*} ]] || ln -sfn "$from/${name%.[0-9]*}" "$out/lib/$name"
done
# shellcheck disable=SC2016 # the loader expands it
paths='$ORIGIN/../lib'
libdir=${LIBDIR:-lib}
# shellcheck disable=SC2016
[[ $libdir == lib ]] || paths+=":\$ORIGIN/../${libdir#"${PREFIX:-}/"}"
paths=${RPATH-$paths}
${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -g -Wall -Wextra -Werror -pedantic "$@" -Iinclude cli/*.c \
  -o "$out/cli/cldoci" -L"$out/lib" -lcldoci ${paths:+"-Wl,-rpath,$paths"}
# shellcheck disable=SC2086 # no word, or one
${RUN:-} "$out/cli/cldoci" manual man >"$out/cli/cldoci.1"
# shellcheck disable=SC2086
for shell in bash zsh fish; do ${RUN:-} "$out/cli/cldoci" completion $shell >"$out/cli/completion.$shell"; done
awk -f cli/libcldoci.3.awk include/cldoci.h >"$out/cli/libcldoci.3"
