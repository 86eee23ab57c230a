# One command for each thing that is done here; `make help` lists them.

PREFIX ?= /usr/local
DESTDIR ?=
DIR ?= examples/component
REGISTRY ?=
MINUTES ?= 10
TARGET ?= all

.DEFAULT_GOAL := help
.PHONY: help demo registry cli test-cli examples release portable wheel tools test test-rust loom test-install lint header third-party asan valgrind golden abi counts bench bench-full fuzz soak install uninstall ci

help: ## lists the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: cli ## builds, pushes, tags, resolves and pulls an artifact by the tool: DIR=any directory, REGISTRY=host:port
	@scripts/demo.sh "$(DIR)" "$(REGISTRY)"

registry: ## starts a real registry (CNCF Distribution) on loopback, until Ctrl-C
	@scripts/install-tools.sh go
	@scripts/registry.sh

release: ## builds the library: target/release/libcldoci.{so,a}
	@cargo build --release --lib --locked

portable: release ## the same library for glibc 2.28 and newer: build/portable/libcldoci.so
	@scripts/install-tools.sh zig
	@scripts/portable.sh

wheel: portable ## the Python wheel, for glibc 2.28 and newer: build/wheel
	@scripts/wheel.sh

cli: release ## builds the tool, its man pages and completions into build/cli
	@scripts/cli.sh target/release build

examples: release ## builds examples/c into build/examples
	@scripts/examples.sh

tools: ## installs what the tests need into build/tools, pinned
	@scripts/install-tools.sh

test: ## runs every test; installs what it needs
	@scripts/test.sh

test-rust: ## runs the Rust tests alone, with what is installed
	@scripts/test-rust.sh

loom: ## tries every order in which threads may meet at the handle table
	@scripts/loom.sh

test-cli: cli ## tests the tool as its users do, on layouts and on a real registry
	@scripts/test-cli.sh

test-install: ## installs into a temporary prefix and links against it
	@scripts/test-install.sh

lint: ## formatting, clippy, the header, licences
	@scripts/lint.sh

header: ## writes include/cldoci.h and include/cldoci.symbols anew
	@scripts/header.sh write

third-party: ## writes THIRD-PARTY anew
	@CLDOCI_THIRD_PARTY=write cargo test --quiet --locked --test it third_party

asan: ## the C programs and the library under AddressSanitizer and UBSan
	@scripts/asan.sh

valgrind: ## the C programs under valgrind
	@scripts/valgrind.sh

golden: ## the golden digests on a plain x86-64 (qemu)
	@scripts/golden.sh

abi: ## compares the ABI with the checked-in baseline
	@scripts/abi.sh

counts: cli ## the counts that must not grow: system calls, allocations, instructions, memory
	@scripts/counts.sh

bench: ## measures against the peers and the limits, writes docs/performance.md: 15 minutes
	@scripts/bench.sh

bench-full: ## the same with all trees, 8 GiB, 1,000,000 files
	@scripts/bench.sh --full

fuzz: ## the fuzz targets for MINUTES= in all, or TARGET= alone
	@scripts/fuzz.sh "$(TARGET)" "$(MINUTES)"

soak: ## the tests, again and again for MINUTES=, the fuzz targets in the last quarter
	@scripts/soak.sh "$(MINUTES)"

install: $(if $(PORTABLE),portable,cli) ## installs below $(DESTDIR)$(PREFIX); PORTABLE=1: the library for glibc 2.28
	@PORTABLE=$(PORTABLE) scripts/install.sh install "$(PREFIX)" "$(DESTDIR)"

uninstall: ## removes what install put there
	@scripts/install.sh uninstall "$(PREFIX)" "$(DESTDIR)"

ci: ## what CI runs
	@.ci/run
