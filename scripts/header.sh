#!/usr/bin/env bash
# include/cldoci.h and include/cldoci.symbols are generated and checked in.
#   scripts/header.sh check | write
. "$(dirname "$0")/lib.sh"

case ${1:-check} in
  write)
    CLDOCI_HEADER=write cargo build --quiet --lib --locked
    ;;
  check)
    CLDOCI_HEADER=check cargo build --quiet --lib --locked || fail "the header is stale; this mends it: make header"
    ;;
  *) fail "check or write" ;;
esac
