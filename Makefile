# From a fresh clone:
#
#   make demo         installs what is missing, and runs the demo; make demo ARGS="--break redis"
#   make test         installs what is missing, and runs every test
#   make experiments  runs every experiment, and writes docs/experiments.md; ARGS="E1 --short"
#   make bench        measures ours beside others, and writes docs/benchmarks.md; ARGS="B2 --short"
#   make servers      installs the servers that these start where no Docker engine is
#   make ci           everything that a change has to pass

SHELL := bash
export PATH := $(PATH):$(HOME)/.cargo/bin
ARGS :=

.PHONY: help demo test experiments bench servers ci

help:
	@sed -n 's/^#   //p' Makefile

demo:
	@scripts/setup.sh
	cargo run --locked -p qa-cli --bin qa -- demo $(ARGS)

test:
	@scripts/setup.sh
	@scripts/install-browser.sh
	@scripts/install-valgrind.sh
	cargo test --workspace --all-features --locked --no-fail-fast

experiments:
	@scripts/setup.sh
	cargo run --locked --release -p integration-tests --bin experiments -- $(ARGS)

bench:
	@scripts/setup.sh
	@scripts/install-valgrind.sh
	cargo run --locked --release -p benches -- $(ARGS)

servers:
	@scripts/install-servers.sh --process

ci:
	.ci/run
