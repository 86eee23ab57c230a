# One command for each thing that is done here; `make help` lists them.

PREFIX ?= /usr/local
DESTDIR ?=
DIR ?= examples/component
REGISTRY ?=
MINUTES ?= 10
TARGET ?= all
LIBDIR ?= lib
REVISION ?=

# A target that install takes from build/dist.
RELEASE = $(filter-out all,$(TARGET))

# What the scripts share, for the recipes that are too short for a script.
SHELL := bash
lib := . scripts/lib.sh;

.DEFAULT_GOAL := help
.PHONY: help demo registry cli test-cli faults examples release dist deb wheel tools test test-rust test-musl test-aarch64 test-older test-demo loom test-install test-dist test-release test-bindings test-upgrade lint lint-go site mutants deny header third-party asan valgrind tsan golden abi counts measure bench bench-full fuzz soak install uninstall ci ci-full

help: ## lists the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: cli ## builds, pushes, tags, resolves and pulls an artifact by the tool: DIR=any directory, REGISTRY=host:port
	@scripts/demo.sh "$(DIR)" "$(REGISTRY)"

registry: ## starts a real registry (CNCF Distribution) on loopback, until Ctrl-C
	@scripts/install-tools.sh registry
	@scripts/registry.sh

# Not as the Rust library too: cargo would then leave out the link-time optimisation.
release: ## builds the library: target/release/libcldoci.{so,a}
	@$(lib) cargo rustc --release --lib --locked --crate-type cdylib,staticlib -- "$${release_flags[@]}"

dist: ## builds the release archives: TARGET=one of x86_64 and aarch64, -unknown-linux-gnu and -musl, or all four: build/dist
	@scripts/install-tools.sh zig debian sbom mimalloc
	@scripts/dist.sh $(TARGET)

wheel: ## the Python wheel, for glibc 2.28 and newer: build/wheel
	@scripts/install-tools.sh zig
	@scripts/dist.sh "$$(uname -m)-unknown-linux-gnu"
	@$(lib) need python3 "the wheel" || exit 0; mkdir -p "$$build/wheel"; rm -f "$$build"/wheel/*.whl; cd bindings/python; \
	PYTHONDONTWRITEBYTECODE=1 CLDOCI_LIBRARY=$$dist/$$(uname -m)-unknown-linux-gnu/lib/libcldoci.so python3 -c \
	  'import sys, wheel_backend; print("build/wheel/" + wheel_backend.build_wheel(sys.argv[1]))' "$$build/wheel"

cli: release ## builds the tool, its man pages and completions into build/cli
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' scripts/cli.sh target/release build

# The soname is what the loader looks for; cargo names the file without it.
examples: release ## builds examples/c into build/examples, with nothing but the library and its header
	@$(lib) mkdir -p build/examples; ln -sf libcldoci.so "target/release/libcldoci.so.$$(abi_version include/cldoci.h)"; \
	for source in examples/c/*.c; do \
	  $${CC:-cc} -std=c99 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -pedantic -Iinclude "$$source" \
	    -o "build/examples/$$(basename "$$source" .c)" -Ltarget/release -lcldoci -Wl,-rpath,"$$root/target/release"; \
	done

tools: ## installs what the tests need into build/tools, pinned
	@scripts/install-tools.sh

test: ## runs every test; installs what it needs
	@scripts/install-tools.sh go debian clang zig koffi mimalloc
	@scripts/test-rust.sh
	@$(MAKE) --no-print-directory loom test-install
	@QUICK=1 $(MAKE) --no-print-directory test-dist TARGET=
	@QUICK=1 scripts/deb.sh
	@$(MAKE) --no-print-directory test-release test-demo test-cli faults test-upgrade test-bindings

test-rust: ## runs the Rust tests alone, with what is installed
	@scripts/test-rust.sh

# Those that neither compile programs of C against the shared library nor look at one.
SUITES ?= behaviour:: determinism:: unpack:: pack:: layout:: store::

test-musl: ## the suites of behaviour, archives and layouts on musl, natively, and the tests in C
	@TARGET="$$(uname -m)-unknown-linux-musl" scripts/test-rust.sh --test it -- $(SUITES)
	@scripts/test-c.sh "$$(uname -m)-unknown-linux-musl"

test-aarch64: ## the same on aarch64, under qemu, which has no openat2: 20 minutes, or those of SUITES= alone
	@TARGET=aarch64-unknown-linux-musl LEFT_OUT=tests/qemu-left-out scripts/test-rust.sh --test it -- $(SUITES)
	@scripts/test-c.sh aarch64-unknown-linux-musl

test-older: ## the same suites and the torture suite as on an older Linux: without openat2, statx and others
	@scripts/test-older.sh $(SUITES)

test-demo: ## `make demo` as a newcomer runs it, on a layout and on a real registry
	@$(lib) mkdir -p build; quietly() { "$$@" >build/demo.log 2>&1 || { cat build/demo.log; fail "$$*"; }; }; \
	quietly $(MAKE) --no-print-directory demo; say "demo: on a layout: ok"; \
	need registry3 "the demo on a registry" || exit 0; \
	quietly scripts/registry.sh run sh -c '$(MAKE) --no-print-directory demo REGISTRY="$$REGISTRY"'; \
	say "demo: on Distribution 3: ok"

# Their own flags and target: the library itself is not built with them.
loom: ## tries every order in which threads may meet at the handle table
	@RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=build/loom CARGO_PROFILE_DEV_OPT_LEVEL=2 CARGO_PROFILE_DEV_DEBUG=0 \
	  cargo test --quiet --locked --manifest-path tests/loom/Cargo.toml

test-cli: cli ## tests the tool as its users do, on layouts and on a real registry
	@scripts/test-cli.sh

# The rest of the faults is tried by soak.
faults: cli ## lets system calls of each verb fail and kills it at them, for 40 s; then a storm of kills
	@scripts/faults.sh --seconds 40
	@scripts/faults.sh --storm 15

test-install: ## installs into a temporary prefix and links against it
	@scripts/test-install.sh

test-release: ## what only the release of the library can show
	@scripts/test-release.sh

test-bindings: cli ## the bindings and the snippets of the documents, against one installation
	@$(lib) prefix=$$(mktemp -d)/prefix; trap 'rm -rf "$${prefix%/prefix}"' EXIT; \
	scripts/install.sh install "$$prefix"; \
	for part in go python docs; do scripts/test-$$part.sh "$$prefix"; done

test-dist: ## links programs of C, C++ and Go with the archives in build/dist, TARGET=one or all, and runs them
	@scripts/test-dist.sh $(TARGET)

test-upgrade: release ## programs that were compiled at the first commit of this soname, on the library as it is now
	@scripts/test-upgrade.sh

lint: ## formatting, clippy, rustdoc, the header and its comments, the shell scripts, C++ by clang-tidy
	@scripts/lint.sh

lint-go: cli ## the Go package by golangci-lint
	@scripts/install-tools.sh golangci
	@scripts/lint.sh go

# An exception for the fuzz targets' libFuzzer is none of the library's; few crates need few of the licences.
site: ## the guides and the reference of the headers as one static site, build/site; checks its links and those of all pages
	@scripts/site.sh

mutants: ## changes the code where a silent change would hurt most and sees which test notices, for MINUTES=
	@scripts/install-tools.sh mutants
	@scripts/mutants.sh $(MINUTES)

deny: ## licences, bans (with the floors of known advisories) and sources of the dependencies, by deny.toml
	@$(lib) need cargo-deny "the check of licences, bans and sources" || exit 0; \
	checked() { cargo deny --locked --config deny.toml --manifest-path "$$1" check --hide-inclusion-graph "$${@:2}" licenses bans sources; }; \
	checked Cargo.toml --allow license-exception-not-encountered; \
	checked fuzz/Cargo.toml --allow license-not-encountered; \
	checked tests/loom/Cargo.toml --allow license-not-encountered --allow license-exception-not-encountered

header: ## writes include/cldoci.h, its lists and docs/options.md anew
	@CLDOCI_HEADER=write cargo build --quiet --lib --locked

third-party: ## writes THIRD-PARTY anew
	@CLDOCI_THIRD_PARTY=write cargo test --quiet --locked --test it third_party

asan: ## the C programs and the library under AddressSanitizer and UBSan
	@scripts/sanitize.sh asan

valgrind: ## the C programs under valgrind
	@scripts/sanitize.sh valgrind

tsan: ## the C programs, the library and the torture suite under ThreadSanitizer; it builds Rust's own library anew
	@scripts/sanitize.sh tsan

# The test programs are the newest, as cargo names them; --no-run builds nothing that the tests did not.
golden: ## the golden digests on a plain x86-64 without any newer instruction (qemu)
	@$(lib) need qemu-x86_64 "the golden digests on a plain x86-64" || exit 0; count=0; \
	for program in $$(cargo test --locked --no-run --message-format=json 2>/dev/null | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'); do \
	  listed=$$("$$program" --list 2>/dev/null | grep -c 'golden.*: test$$' || true); ((listed)) || continue; \
	  say "qemu64: $$listed golden tests of $$(basename "$$program")"; \
	  qemu-x86_64 -cpu qemu64 "$$program" golden --test-threads=1; count=$$((count + listed)); \
	done; ((count)) || fail "no golden test was found"

abi: ## compares the ABI with the checked-in baseline
	@scripts/abi.sh

counts: cli ## the counts that must not grow: system calls, allocations, instructions, memory
	@scripts/counts.sh

measure: ## counts what makes the code hard to take over: REVISION=any commit
	@$(lib) need python3 "the counts" || exit 0; scripts/measure.py $(REVISION)

bench: cli ## measures against the peers and the limits, writes docs/performance.md: 15 minutes
	@scripts/install-tools.sh go debian
	@$(lib) need python3 "the benchmarks" && need openssl "the certificate of a registry" && python3 benches/macro $(BENCH)

bench-full: BENCH := --full
bench-full: bench ## the same with all trees, 8 GiB, 1,000,000 files
	@python3 benches/ranges.py
	@for libc in gnu musl; do $(MAKE) --no-print-directory dist TARGET="$$(uname -m)-unknown-linux-$$libc" || exit 1; done
	@python3 benches/libcs.py

fuzz: ## the fuzz targets for MINUTES= in all, or TARGET= alone
	@scripts/fuzz.sh "$(TARGET)" "$(MINUTES)"

soak: ## the tests, again and again for MINUTES=, the fuzz targets in the last quarter
	@scripts/soak.sh "$(MINUTES)"

install: $(if $(RELEASE),,cli) ## installs below $(DESTDIR)$(PREFIX), libraries in LIBDIR=; TARGET=one of dist's: its release archive
	@TARGET=$(RELEASE) LIBDIR=$(LIBDIR) scripts/install.sh install "$(PREFIX)" "$(DESTDIR)"

deb: ## makes Debian packages of the release archive of this machine: build/deb
	@$(MAKE) --no-print-directory dist TARGET="$$(uname -m)-unknown-linux-gnu"
	@scripts/deb.sh

uninstall: ## removes what install put there
	@LIBDIR=$(LIBDIR) scripts/install.sh uninstall "$(PREFIX)" "$(DESTDIR)"

ci: ## what CI runs
	@.ci/run

ci-full: ci test-older test-aarch64 dist tsan ## the same, and what takes longer: as on an older Linux and on aarch64, ThreadSanitizer, and all four release archives, each linked with and run
	@scripts/test-dist.sh all
