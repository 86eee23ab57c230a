#!/usr/bin/env bash
# Licences, bans (with version floors for known advisories) and sources of the dependencies, by deny.toml.
. "$(dirname "$0")/lib.sh"

need cargo-deny "the check of licences, bans and sources" || exit 0
checked() { cargo deny --locked --config deny.toml --manifest-path "$1" check --hide-inclusion-graph "${@:2}" licenses bans sources; }
# An exception for the fuzz targets' libFuzzer is none of the library's.
checked Cargo.toml --allow license-exception-not-encountered
checked fuzz/Cargo.toml --allow license-not-encountered
# Its few crates need few of the licences.
checked tests/loom/Cargo.toml --allow license-not-encountered --allow license-exception-not-encountered
