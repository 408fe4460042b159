# Builds a small image from the servers that are installed on this machine, without a registry.
#
# usage: build-image mongodb|rabbitmq|clickhouse|redis IMAGE
# SERVERS is the directory of scripts/install-servers.sh, LAUNCHER the text of ClickHouse's launcher.
#
# The image is busybox, the server's files at their own paths and the libraries that they name. It
# takes the same command and reads the same additional files as the official image.
set -euo pipefail
system=$1 image=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

fail() {
    echo "$*" >&2
    exit 1
}

need() {
    command -v "$1" 2>/dev/null || fail "$1 is not installed: run scripts/install-servers.sh --process"
}

# Copies the libraries that the programs name, at the paths by which they are found.
add_libraries() {
    local library
    { ldd "$@" 2>/dev/null || true; } | sed -nE 's|^.*[[:space:]](/[^ :]+) \(0x.*|\1|p' | sort -u |
        while read -r library; do
            [ -e "$root$library" ] || install -D -m 755 "$library" "$root$library"
        done
}

add_programs() {
    local program
    for program in "$@"; do
        install -D -m 755 "$program" "$root$program"
        add_libraries "$program"
    done
}

add_base() {
    mkdir -p "$root"/{bin,usr/bin,usr/local/bin,etc,tmp,proc,sys,dev,root,data/db,run,lib64}
    chmod 1777 "$root/tmp"
    local busybox applet
    busybox=$(need busybox)
    install -m 755 "$busybox" "$root/bin/busybox"
    add_libraries "$busybox"
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    echo 'root:x:0:' >"$root/etc/group"
    echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
    printf '#!/bin/sh\nexec "$@"\n' >"$root/usr/local/bin/docker-entrypoint.sh"
    chmod 755 "$root/usr/local/bin/docker-entrypoint.sh"
}

# import CHANGE...: makes the image of what is in $root.
import() {
    local changes=() change
    for change in 'ENTRYPOINT ["docker-entrypoint.sh"]' "$@"; do
        changes+=(--change "$change")
    done
    tar -C "$root" --numeric-owner --owner=0 --group=0 -cf - . | docker import "${changes[@]}" - "$image" >/dev/null
}

path='/usr/local/bin:/usr/bin:/bin'

redis() {
    local program
    program=$(need redis-server)
    add_programs "$program"
    [ "$program" = /usr/bin/redis-server ] || ln -s "$program" "$root/usr/bin/redis-server"
    import 'CMD ["redis-server"]' 'WORKDIR /data' "ENV PATH=$path" 'EXPOSE 6379'
}

mongodb() {
    local program=$SERVERS/bin/mongod
    [ -x "$program" ] || program=$(need mongod)
    install -m 755 "$program" "$root/usr/bin/mongod"
    add_libraries "$program"
    import 'CMD ["mongod"]' 'WORKDIR /data' "ENV PATH=$path" 'EXPOSE 27017'
}

rabbitmq() {
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || need rabbitmq-server
    mkdir -p "$root"/usr/lib/erlang "$root"/usr/lib/rabbitmq "$root"/var/{lib,log}/rabbitmq "$root"/etc/rabbitmq
    cp -aL /usr/lib/erlang/. "$root/usr/lib/erlang/"
    # Its scripts find their home by following their own links, so these are kept.
    cp -a /usr/lib/rabbitmq/. "$root/usr/lib/rabbitmq/"
    find "$root/usr/lib/erlang" -type f \( -perm -u+x -o -name '*.so' \) >"$root/tmp/programs"
    while read -r program; do add_libraries "$program"; done <"$root/tmp/programs"
    rm "$root/tmp/programs"
    local name
    for name in erl escript epmd; do ln -s "/usr/lib/erlang/bin/$name" "$root/usr/bin/$name"; done
    printf 'listeners.tcp.default = 5672\nmanagement.tcp.port = 15672\n' >"$root/etc/rabbitmq/rabbitmq.conf"
    import 'CMD ["rabbitmq-server"]' 'WORKDIR /var/lib/rabbitmq' 'EXPOSE 5672' 'EXPOSE 15672' \
        "ENV PATH=/usr/lib/rabbitmq/bin:$path HOME=/var/lib/rabbitmq LANG=C.UTF-8 RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_LOG_BASE=/var/log/rabbitmq"
}

clickhouse() {
    local home=$SERVERS/clickhouse python library
    [ -e "$home/chdb/_chdb.abi3.so" ] || fail "the chdb-core wheel is not installed: run scripts/install-servers.sh --process"
    python=$(readlink -f "$home/python3")
    library=$("$python" -S -E -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
    add_programs "$python"
    add_libraries "$home/chdb/_chdb.abi3.so" "$library"/lib-dynload/*.so
    mkdir -p "$root$library" "$root"/opt/clickhouse "$root"/etc/clickhouse-server/users.d "$root"/var/lib/clickhouse/data
    tar -C "$library" --exclude=__pycache__ --exclude=test --exclude=tests --exclude='config-*' \
        --exclude=ensurepip --exclude=idlelib --exclude=pydoc_data --exclude=site-packages --exclude=dist-packages \
        -cf - . | tar -C "$root$library" -xf -
    cp -a "$home/chdb" "$home/chdb_core.libs" "$root/opt/clickhouse/"
    echo "$LAUNCHER" >"$root/opt/clickhouse/launcher.py"
    cat >"$root/var/lib/clickhouse/config.xml" <<'X'
<clickhouse>
    <logger><level>information</level><console>1</console></logger>
    <path>/var/lib/clickhouse/data/</path>
    <http_port>8123</http_port><listen_host>0.0.0.0</listen_host>
    <user_directories><users_xml><path>/etc/clickhouse-server/users.d/qa.xml</path></users_xml></user_directories>
    <max_server_memory_usage>2000000000</max_server_memory_usage>
    <mark_cache_size>67108864</mark_cache_size>
    <shutdown_wait_unfinished>2</shutdown_wait_unfinished>
    <query_log><database>system</database><table>query_log</table><flush_interval_milliseconds>500</flush_interval_milliseconds></query_log>
</clickhouse>
X
    import "CMD [\"$python\",\"-S\",\"-E\",\"/opt/clickhouse/launcher.py\",\"/var/lib/clickhouse\",\"/opt/clickhouse/chdb/_chdb.abi3.so\"]" \
        'WORKDIR /var/lib/clickhouse' "ENV PATH=$path HOME=/var/lib/clickhouse" 'EXPOSE 8123'
}

add_base
"$system"
