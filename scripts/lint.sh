#!/usr/bin/env bash
# Formatting, clippy, the pages of the Rust interface, the generated header; the shell scripts, and the header's pages; C++.
#   scripts/lint.sh [rust|text|cpp]     one part alone: the last two need what scripts/install-tools.sh installs
#   scripts/lint.sh go                  the Go package by golangci-lint; not among them, as it needs a library: `make lint-go`
# The licences are `make deny`.
. "$(dirname "$0")/lib.sh"

rust() {
  local other
  cargo fmt --all --check || fail "not formatted; this mends it: cargo fmt"
  for other in tests/loom fuzz; do
    cargo fmt --manifest-path $other/Cargo.toml --check || fail "not formatted; this mends it: cargo fmt --manifest-path $other/Cargo.toml"
  done
  CLDOCI_HEADER=check cargo clippy --quiet --locked --all-targets -- -D warnings ||
    fail "clippy, or the header is stale (make header writes it)"
  RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps --lib
}

text() {
  if need shellcheck "the look at the shell scripts"; then
    shellcheck --external-sources --source-path=SCRIPTDIR --exclude=SC2317 scripts/*.sh bindings/go/migrate/*.sh examples/ci/*.sh .ci/run
  fi
  if need doxygen "the look at the header's comments"; then
    mkdir -p "$build/doxygen"
    # What the header says once, on its opening page, no function says again; tests/it/abi.rs knows of what.
    doxygen - <<END
INPUT = include/cldoci.h
OUTPUT_DIRECTORY = $build/doxygen
OPTIMIZE_OUTPUT_FOR_C = YES
JAVADOC_AUTOBRIEF = YES
GENERATE_HTML = NO
GENERATE_LATEX = NO
GENERATE_XML = YES
QUIET = YES
WARN_IF_INCOMPLETE_DOC = NO
WARN_AS_ERROR = FAIL_ON_WARNINGS
END
  fi
}

# By .clang-tidy; as C++20, since the header has parts that older standards don't see.
cpp() {
  need clang-tidy "the look at the C++ header" || return 0
  timeout 600 clang-tidy --quiet tests/cpp/workflow.cpp -- -std=c++20 -Wall -Wextra -Iinclude 2>"$build/clang-tidy.log" ||
    { cat "$build/clang-tidy.log"; fail "clang-tidy"; }
}

# Its defaults, with the library and without.
golang() {
  local prefix
  need golangci-lint "the look at the Go package" || return 0
  prefix=$(mktemp -d)
  # shellcheck disable=SC2064 # now
  trap "rm -rf '$prefix'" EXIT
  scripts/install.sh install "$prefix/prefix" >/dev/null
  export GOLANGCI_LINT_CACHE=$build/golangci PKG_CONFIG_PATH=$prefix/prefix/lib/pkgconfig CGO_LDFLAGS="-g -O2 -Wl,-rpath-link,$prefix/prefix/lib"
  cd bindings/go
  golangci-lint run --no-config ./... || fail "golangci-lint"
  CGO_ENABLED=0 golangci-lint run --no-config ./... || fail "golangci-lint, without the library"
}

case ${1:-all} in
  rust) rust ;;
  text) text ;;
  cpp) cpp ;;
  go) golang ;;
  all) rust && text && cpp ;;
  *) fail "rust, text, cpp or go" ;;
esac
