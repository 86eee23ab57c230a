#!/usr/bin/env bash
# Builds examples/c/*.c into build/examples, against the release library and the public header alone.
. "$(dirname "$0")/lib.sh"

mkdir -p build/examples
for source in examples/c/*.c; do
  program=build/examples/$(basename "$source" .c)
  ${CC:-cc} -std=c99 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -pedantic -Iinclude "$source" -o "$program" \
    -Ltarget/release -lcldoci -Wl,-rpath,"$root/target/release"
done
# The soname is what the loader looks for; cargo names the file without it.
soname=$(readelf -d target/release/libcldoci.so | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')
[[ -z $soname || $soname == libcldoci.so ]] || ln -sf libcldoci.so "target/release/$soname"
