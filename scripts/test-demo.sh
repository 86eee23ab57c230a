#!/usr/bin/env bash
# `make demo` as a newcomer runs it, on a layout and on a real registry.
. "$(dirname "$0")/lib.sh"

log=$build/demo.log
make --no-print-directory demo >"$log" 2>&1 || { cat "$log"; fail "make demo"; }
say "demo: on a layout: ok"
if need registry3 "the demo on a registry"; then
  # shellcheck disable=SC2016
  scripts/registry.sh run sh -c 'make --no-print-directory demo REGISTRY="$REGISTRY"' >"$log" 2>&1 || { cat "$log"; fail "make demo REGISTRY="; }
  say "demo: on Distribution 3: ok"
fi
