#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-drawings.sh ROOT: the drawings are what their program draws.

set -eu

work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT
drawings=$1/docs/explanation/drawings
PYTHONDONTWRITEBYTECODE=1 python3 "$drawings/draw.py" "$work"
for path in "$drawings"/*.svg; do
	cmp "$path" "$work/${path##*/}" || {
		echo "run python3 docs/explanation/drawings/draw.py"
		exit 1
	}
done
