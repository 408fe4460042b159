#!/usr/bin/env bash
# Installs Chromium, in which a test looks at the status page. Nothing where it is there already.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
install_packages chromium fonts-dejavu-core
