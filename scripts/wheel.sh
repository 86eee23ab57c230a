#!/usr/bin/env bash
# Makes the Python wheel in build/wheel: the package, and the library for the oldest glibc.
. "$(dirname "$0")/lib.sh"

need python3 "the wheel" || exit 0
library=$build/portable/libcldoci.so
[[ -e $library ]] || fail "$library is missing: run make wheel, which builds it"
out=$build/wheel
mkdir -p "$out"
rm -f "$out"/*.whl
(
  cd bindings/python
  PYTHONDONTWRITEBYTECODE=1 CLDOCI_LIBRARY=$library python3 -c \
    'import sys, wheel_backend; print("build/wheel/" + wheel_backend.build_wheel(sys.argv[1]))' "$out"
)
