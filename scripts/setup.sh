#!/usr/bin/env bash
# What `make demo` and `make test` need on a fresh machine: a Rust toolchain, a C compiler, and the
# servers (or a Docker engine that can pull them). Installs what it can, says what it does, and does
# nothing where everything is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/packages.sh

# The toolchain is the user's choice, so it is asked for and not installed.
check_rust() {
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    command -v cargo >/dev/null ||
        fail "there is no cargo here; install Rust $wanted or later with rustup (https://rustup.rs), and start again"
    have=$(cargo --version | cut -d ' ' -f 2)
    [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ] ||
        fail "cargo is $have, and $wanted or later is needed; update it with: rustup update stable"
}

# rustc links with it, and the TLS library has C in it.
check_compiler() {
    command -v cc >/dev/null || install_packages gcc libc6-dev
}

check_rust
check_compiler
scripts/install-servers.sh
