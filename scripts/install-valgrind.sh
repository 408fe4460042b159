#!/usr/bin/env bash
# Installs valgrind, with which a test and a benchmark count instructions. Nothing where it is there already.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

command -v valgrind >/dev/null || install_packages valgrind
