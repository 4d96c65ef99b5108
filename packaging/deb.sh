#!/usr/bin/env bash
# Makes dist/cdpoll_VERSION_ARCH.deb for Debian 12 of this checkout. `make deb` runs it, with the tools in .venv.
#
# The same commit gives the same bytes: in any folder, at any time, by any user, under any umask and locale. With
# EXTRA=postgres it holds psycopg too, for a database on a PostgreSQL server.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$PWD/.venv/bin
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
umask 022
export LC_ALL=C.UTF-8 TZ=UTC
unset "${!CDPOLL_@}"

requirements=(-r requirements.txt)
case ${EXTRA:-} in
"") ;;
postgres) requirements+=(-r requirements-postgres.txt) ;;
*)
    echo "make deb: EXTRA=$EXTRA is not known; there is EXTRA=postgres" >&2
    exit 1
    ;;
esac

# The date of the commit comes first, so that apt takes a later commit for a newer version.
git=(git -c safe.directory="$PWD")
commit=$(packaging/commit.sh)
case $commit in
g*) SOURCE_DATE_EPOCH=$("${git[@]}" log -1 --format=%ct) ;;
*) SOURCE_DATE_EPOCH=$(date +%s) ;;
esac
export SOURCE_DATE_EPOCH
DEB_VERSION=$("$bin/python" -c 'import worker; print(worker.__version__)')+$(date -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).$commit
DEB_ARCH=$(dpkg --print-architecture)
# Who answers for a package is who makes it: named as Debian's own tools are told, else as the commit names its author.
DEB_MAINTAINER="${DEBFULLNAME:-cdpoll} <${DEBEMAIL:-$("${git[@]}" log -1 --format=%ae 2>/dev/null || echo root@localhost)}>"
export DEB_VERSION DEB_ARCH DEB_MAINTAINER STAGE=$stage

# What git knows, and nothing else that lies in the checkout.
mkdir "$stage/tree" "$stage/packed"
parts=(worker cli sandbox docs systemd packaging README.md CHANGELOG.md config.example.ini)
if [ -e .git ]; then "${git[@]}" ls-files -z -- "${parts[@]}"; else find "${parts[@]}" -type f -print0; fi |
    xargs -0 cp --parents -t "$stage/tree"
find "$stage/tree" -name __pycache__ -prune -exec rm -rf {} +

# For the Python of Debian 12, and without bytecode: postinst makes that.
lib=$stage/lib
"$bin/python" -m pip --disable-pip-version-check --quiet install --no-compile --require-hashes --no-deps \
    --only-binary=:all: --python-version 3.11 --implementation cp --target "$lib" "${requirements[@]}"
# These build packages, and nothing of them is needed when cdpoll runs.
(cd "$lib" && rm -rf bin {setuptools,wheel,pkg_resources}{,-*} _distutils_hack ./*.pth)
"$bin/python" packaging/deb/copyright.py "$lib" >"$stage/copyright"
# What pip notes about itself; it holds the path of this folder.
rm -f "$lib"/*.dist-info/{RECORD,REQUESTED,INSTALLER}
mv "$stage"/tree/{worker,cli,sandbox} "$lib"
echo "$commit" >"$lib/worker/build.txt"
# Modules are imported, not started: no first line names an interpreter.
find "$lib" -name '*.py' -exec sed -i '1{/^#!/d}' {} +

"$bin/python" -m cli.man_pages "$stage/man"
gzip -n9 "$stage"/man/*.1
_CDPOLL_COMPLETE=bash_source "$bin/cdpoll" >"$stage/completion"
# The package makes the folder of the spool, so the daemon is to look into it.
sed 's/^#\[spool\]$/[spool]/' config.example.ini >"$stage/cdpoll.ini"
cat >"$stage/changelog" <<CHANGELOG
cdpoll ($DEB_VERSION) bookworm; urgency=medium

  * /usr/share/doc/cdpoll/CHANGELOG.md tells what has changed.

 -- $DEB_MAINTAINER  $(date -R -d "@$SOURCE_DATE_EPOCH")
CHANGELOG
gzip -n9 "$stage/changelog"

(cd "$stage/tree" && "$bin/nfpm" package --config packaging/deb/nfpm.yaml --packager deb --target "$stage/nfpm.deb")
# dpkg-deb packs a sixth smaller than nfpm, with the modes that are wanted here.
dpkg-deb --raw-extract "$stage/nfpm.deb" "$stage/packed"
find "$stage/packed" -type f -not -path '*/DEBIAN/*' -not -path '*/usr/bin/*' -exec chmod 0644 {} +
find "$stage/packed" -type d -exec chmod 0755 {} +
find "$stage/packed" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
package=cdpoll_${DEB_VERSION}_$DEB_ARCH.deb
# One thread, because several make other bytes.
dpkg-deb -Zxz --threads-max=1 --root-owner-group --build "$stage/packed" "$stage/$package" >/dev/null
mkdir -p dist
rm -f dist/cdpoll_*.deb
mv "$stage/$package" dist/
echo "dist/$package"
