#!/usr/bin/env bash
# Licences, bans (with version floors for known advisories) and sources of the dependencies, by deny.toml.
. "$(dirname "$0")/lib.sh"

need cargo-deny "the check of licences, bans and sources" || exit 0
cargo deny --locked check --hide-inclusion-graph licenses bans sources
