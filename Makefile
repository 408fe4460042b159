# From a fresh clone:
#
#   make demo     installs what is missing, and runs the demo; make demo ARGS="--break redis"
#   make test     installs what is missing, and runs every test
#   make servers  installs the servers that the two start where no Docker engine is
#   make ci       everything that a change has to pass

SHELL := bash
export PATH := $(PATH):$(HOME)/.cargo/bin
ARGS :=

.PHONY: help demo test servers ci

help:
	@sed -n 's/^#   //p' Makefile

demo:
	@scripts/setup.sh
	cargo run --locked -p qa-cli --bin qa -- demo $(ARGS)

test:
	@scripts/setup.sh
	cargo test --workspace --all-features --locked --no-fail-fast

servers:
	@scripts/install-servers.sh --process

ci:
	.ci/run
