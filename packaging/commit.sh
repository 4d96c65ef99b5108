#!/usr/bin/env bash
# Prints which commit the present folder has, as `g` and its hash; where that cannot be told, or a file differs from it,
# the time.
set -euo pipefail

# The folder may be another user's.
commit=$(git -c safe.directory="$PWD" describe --always --abbrev=12 --exclude='*' --dirty 2>/dev/null || echo unknown)
case $commit in
*-dirty | unknown) date -u +%Y%m%dT%H%M%SZ ;;
*) echo "g$commit" ;;
esac
