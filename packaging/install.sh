#!/usr/bin/env bash
# Installs this checkout for the whole machine. `make install` runs it, as root; run again, it installs another version.
# With EXTRA=postgres, or where the version before has it, psycopg comes too, for a database on a PostgreSQL server.
#
#   /opt/cdpoll/VERSION      a virtual environment for each version; the one before stays, for the way back
#   /usr/bin/cdpoll          a link to the version in use
#   /etc/systemd/system      the units, which are not started here
#   /etc/cdpoll              the configuration and the credentials, made once and never changed
#   /var/lib/cdpoll          the database
#   /var/spool/cdpoll        the spool, where other users leave ids
set -euo pipefail
cd "$(dirname "$0")/.."

python=${SYSTEM_PYTHON:-/usr/bin/python3}
units=(systemd/*.service systemd/*.socket)

fail() {
    echo "make install: $1" >&2
    exit 1
}

extra=${EXTRA:-}
case $extra in
"" | postgres) ;;
*) fail "EXTRA=$extra is not known; there is EXTRA=postgres" ;;
esac
[ "$(id -u)" = 0 ] || fail "it needs root: sudo make install"
command -v systemctl >/dev/null || fail "this machine has no systemd"
[ ! -d /usr/lib/cdpoll ] ||
    fail "the Debian package cdpoll is installed here; apt remove cdpoll leaves configuration and database as they are"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "$python is no Python 3.11 or later; apt-get install python3, or set SYSTEM_PYTHON="
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "no venv module: apt-get install python3-venv"
# By its full name, such as python3.11: a Debian that is upgraded keeps it for a time, and python3 is then another one.
python=$(realpath "$(command -v "$python")")
case $python in
/root/* | /home/* | /run/user/*) fail "the services cannot see a Python in a home folder; set SYSTEM_PYTHON=" ;;
esac

version=$("$python" -c 'import worker; print(worker.__version__)')
commit=$(packaging/commit.sh)
home=/opt/cdpoll/$version+$commit
before=$(readlink -f /usr/bin/cdpoll 2>/dev/null || true)
before=${before%/bin/cdpoll}
if [ -e "$before/postgres" ]; then extra=postgres; fi

pip=("$home/bin/python" -m pip --disable-pip-version-check --quiet)
libraries() {
    "${pip[@]}" install --require-hashes --no-deps -r "$1" ||
        fail "pip could not install from the package index; PIP_INDEX_URL, PIP_PROXY and PIP_CERT tell it where and how"
}

if [ ! -e "$home/complete" ]; then
    echo "installing into $home …"
    rm -rf "$home"
    "$python" -m venv "$home"
    libraries requirements.txt
    # A copy, because a build leaves its files in the folder that it builds.
    source=$(mktemp -d)
    trap 'rm -rf "$source"' EXIT
    cp -r pyproject.toml README.md worker cli sandbox "$source"
    echo "$commit" >"$source/worker/build.txt"
    "${pip[@]}" install --no-deps --no-build-isolation "$source"
    "$home/bin/python" -m compileall -q "$home/lib"
    mkdir "$home/libexec"
    mv "$home/bin/cdpoll" "$home/libexec/cdpoll"
    # 78: systemd does not try again.
    cat >"$home/bin/cdpoll" <<SCRIPT
#!/bin/sh
[ -x $home/bin/python ] || {
    echo "cdpoll: $python is gone, which it was installed with; run make install again in the checkout, as root" >&2
    exit 78
}
exec $home/bin/python -I $home/libexec/cdpoll "\$@"
SCRIPT
    chmod 0755 "$home/bin/cdpoll"
    touch "$home/complete"
fi
if [ "$extra" = postgres ] && [ ! -e "$home/postgres" ]; then
    libraries requirements-postgres.txt
    touch "$home/postgres"
fi

completions=/usr/local/share/bash-completion/completions
install -d /etc/sysusers.d /etc/tmpfiles.d /usr/local/share/man/man1 $completions
install -m 0644 systemd/sysusers.d/cdpoll.conf /etc/sysusers.d/cdpoll.conf
install -m 0644 systemd/tmpfiles.d/cdpoll.conf /etc/tmpfiles.d/cdpoll.conf
systemd-sysusers /etc/sysusers.d/cdpoll.conf
systemd-tmpfiles --create /etc/tmpfiles.d/cdpoll.conf
first=
if [ ! -e /etc/cdpoll/cdpoll.ini ]; then
    # The folder of the spool is there, so the daemon is to look into it.
    sed 's/^#\[spool\]$/[spool]/' config.example.ini | install -m 0640 -g cdpoll /dev/stdin /etc/cdpoll/cdpoll.ini
    first=yes
fi

# What runs is stopped before its version changes, and begins again with the new one; after a failure, when this is run
# once more.
restart=/run/cdpoll.restart
if [ -d /run/systemd/system ]; then
    for unit in "${units[@]}"; do
        name=$(basename "$unit")
        case $(systemctl show --value --property=ActiveState "$name") in
        active | activating | reloading) echo "$name" >>$restart ;;
        esac
    done
fi
running=()
if [ -e $restart ]; then
    mapfile -t running < <(sort -u $restart)
    systemctl stop "${running[@]}"
fi
install -m 0644 "${units[@]}" /etc/systemd/system/
ln -sfn "$home/bin/cdpoll" /usr/bin/cdpoll
rm -f /usr/local/share/man/man1/cdpoll*.1
"$home/bin/python" -m cli.man_pages /usr/local/share/man/man1
_CDPOLL_COMPLETE=bash_source "$home/bin/cdpoll" >$completions/cdpoll
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
database=$(cdpoll db path 2>/dev/null || true)
if [ -n "$database" ] && [ -e "$database" ] && ! cdpoll db migrate; then
    fail "nothing is started, because the database cannot be used by this version (see above); when that is put right,
run make install once more"
fi
if ((${#running[@]})); then
    systemctl start "${running[@]}" ||
        fail "not all of these have started: ${running[*]}; journalctl -u cdpoll says why; then run make install once more"
    rm -f $restart
fi

# The version before stays for the way back; what is older goes. Where this is the second attempt, the version before is
# not known.
for old in /opt/cdpoll/*/; do
    old=${old%/}
    if [ "$old" != "$home" ] && [ "$old" != "$before" ] && [ "$home" != "$before" ]; then rm -rf "$old"; fi
done

echo "installed: $(cdpoll --version)"
if ((${#running[@]})); then
    echo "started again: ${running[*]}"
fi
if [ -n "$first" ]; then cat packaging/next.txt; fi
