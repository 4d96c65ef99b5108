#!/usr/bin/env bash
# Removes what `make install` has made, but for the configuration and the database. `make uninstall` runs it, as root.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || {
    echo "make uninstall: it needs root: sudo make uninstall" >&2
    exit 1
}
[ ! -d /usr/lib/cdpoll ] || {
    echo "make uninstall: the Debian package cdpoll is installed here: apt remove cdpoll" >&2
    exit 1
}
for unit in systemd/*.service systemd/*.socket; do
    name=$(basename "$unit")
    if [ -d /run/systemd/system ]; then systemctl --quiet disable --now "$name" 2>/dev/null || true; fi
    rm -f "/etc/systemd/system/$name"
done
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
rm -f /etc/sysusers.d/cdpoll.conf /etc/tmpfiles.d/cdpoll.conf /usr/local/share/bash-completion/completions/cdpoll
rm -f /usr/local/share/man/man1/cdpoll*.1
case $(readlink /usr/bin/cdpoll 2>/dev/null || true) in /opt/cdpoll/*) rm -f /usr/bin/cdpoll ;; esac
rm -f /run/cdpoll.restart
# Last: while it is here, the Debian package refuses to be installed.
rm -rf /opt/cdpoll
cat <<'LEFT'
Left as they are: /etc/cdpoll (configuration, credentials), /var/lib/cdpoll (the database: patient data),
/var/spool/cdpoll (what others left there: patient data), the user cdpoll and the group cdpoll-spool. To remove them too:
rm -rf /etc/cdpoll /var/lib/cdpoll /var/spool/cdpoll && userdel cdpoll && groupdel cdpoll-spool
LEFT
