#!/usr/bin/env bash
# Makes dist/cdpoll_VERSION_ARCH.deb for Debian 12 of this checkout. `make deb` runs it, with the tools in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$PWD/.venv/bin
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
umask 022

# The date of the commit comes first, so that apt takes a later commit for a newer version.
git=(git -c safe.directory="$PWD")
commit=$("${git[@]}" describe --always --abbrev=12 --exclude='*' --dirty 2>/dev/null || echo unknown)
case $commit in
*-dirty | unknown) SOURCE_DATE_EPOCH=$(date +%s) commit=$(date -u +%Y%m%dT%H%M%SZ) ;;
*) SOURCE_DATE_EPOCH=$("${git[@]}" log -1 --format=%ct) commit=g$commit ;;
esac
export SOURCE_DATE_EPOCH
DEB_VERSION=$("$bin/python" -c 'import worker; print(worker.__version__)')+$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).$commit
DEB_ARCH=$(dpkg --print-architecture)
export DEB_VERSION DEB_ARCH STAGE=$stage

# For the Python of Debian 12, and without bytecode: postinst makes that.
lib=$stage/lib
"$bin/python" -m pip --disable-pip-version-check --quiet install --no-compile --require-hashes --no-deps \
    --only-binary=:all: --python-version 3.11 --implementation cp --target "$lib" -r requirements.txt
# These build packages, and nothing of them is needed when cdpoll runs.
rm -rf "$lib"/bin "$lib"/{setuptools,wheel,pkg_resources}{,-*} "$lib"/_distutils_hack "$lib"/*.pth
cp -r worker cli sandbox "$lib"
find "$lib" -name __pycache__ -prune -exec rm -rf {} +
echo "$commit" >"$lib/worker/build.txt"

"$bin/python" -m cli.man_pages "$stage/man"
gzip -n9 "$stage"/man/*.1
_CDPOLL_COMPLETE=bash_source "$bin/cdpoll" >"$stage/completion"

find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
chmod -R u=rwX,go=rX "$stage"
mkdir -p dist
rm -f dist/cdpoll_*.deb
package=dist/cdpoll_${DEB_VERSION}_$DEB_ARCH.deb
"$bin/nfpm" package --config packaging/deb/nfpm.yaml --packager deb --target "$stage/nfpm.deb"
# dpkg-deb packs a sixth smaller than nfpm.
dpkg-deb --raw-extract "$stage/nfpm.deb" "$stage/packed"
dpkg-deb -Zxz --root-owner-group --build "$stage/packed" "$package" >/dev/null
