#!/usr/bin/env bash
# Makes docs/status-page*.png anew: the status page in Chromium, over four real servers of which one is
# frozen, in light, in dark and as on a phone. With a directory as its argument it leaves them there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install-browser.sh
scripts/install-servers.sh --process
folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
QA_SCREENSHOTS=$(realpath "$folder") QA_TEST_PROVIDER=process \
    cargo test --locked -p qa-pool --all-features --test http chromium
if [ $# = 0 ]; then
    cp "$folder/light.png" docs/status-page.png
    cp "$folder/dark.png" docs/status-page-dark.png
    cp "$folder/phone.png" docs/status-page-phone.png
    rm -rf "$folder"
fi
