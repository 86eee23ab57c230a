#!/usr/bin/env bash
# The tests in C for another target: the header, its functions called with bad arguments, the programs of tests/c and
# examples/c. The tests run here and start what they compiled, under qemu for another processor.
#   scripts/test-c.sh TARGET [LIBRARY]
# LIBRARY is the shared library or the archive; without it, the archive that the Rust tests for TARGET made.
. "$(dirname "$0")/lib.sh"

target=$1 library=${2:-}
arch=${target%%-*} libc=${target##*-}
need zig "the tests in C on $target" || exit 0
scripts/install-tools.sh "rust:$target" || exit 0
cross "$target"
if ((${#run[@]})); then
  need "${run[0]}" "the tests in C on $target" || exit 0
  export LEFT_OUT=tests/qemu-left-out CLDOCI_TEST_C_SLOWNESS=10
fi
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
# A program goes on as another user.
chmod 0755 "$temporary"
if [[ -n $library ]]; then
  cp "$library" "$temporary/libcldoci.${library##*.}"
else
  slim_for "$target" "${CARGO_TARGET_DIR:-target}/$target/debug/deps/libcldoci.a" "$temporary/libcldoci.a"
fi

# What it is linked with; Python, Node and Ruby load this machine's own library alone.
compiler=$cross_cc how=(-Wno-unused-command-line-argument)
set -- --skip enter_a_runtime_with_one_thread
if [[ -e $temporary/libcldoci.a ]]; then
  how+=(-static "-Wl,--gc-sections" "-Wl,--eh-frame-hdr")
  # Zig links an allocator of its own in place of musl's, which a child of fork can't rely on.
  if ((${#run[@]} == 0)) && need musl-gcc "static programs of musl's own"; then
    compiler=$(command -v musl-gcc)
    # The kernel's headers lie among glibc's; musl's ioctl takes an int.
    how+=(-Wno-overflow -idirafter /usr/include -idirafter "/usr/include/$(gcc -print-multiarch)")
  fi
  # They look at a shared library.
  set -- "$@" --skip loaded_and_unloaded --skip no_function_that_a_guest_must_not_call
elif [[ $libc == musl ]]; then
  how+=(-dynamic "-Wl,--dynamic-linker,$musl_loader")
fi
export CLDOCI_TEST_C_COMPILER="$compiler ${how[*]}" CLDOCI_TEST_C_LIBRARY=$temporary CLDOCI_TEST_C_RUNNER="${run[*]}"
TARGET='' scripts/test-rust.sh --test it -- c_calls:: c_programs:: examples:: the_header_compiles_alone every_form_of_the_version "$@"
