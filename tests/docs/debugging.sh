#!/bin/sh
# SPDX-License-Identifier: MIT
#
# debugging.sh PROGRAM PAGE: with BUFEV_DEBUG=1 the program says what the page
# shows, but for the times and the descriptors.

set -eu

# The lines of the trace, as they are the same every time.
plain()
{
	sed -n 's/^ *bufev [0-9.]* \(turn .*\)/\1/p' "$1" |
		sed 's/(fd [0-9]*)/(fd)/'
}

work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT
BUFEV_DEBUG=1 "$1" 2>"$work/said"
plain "$work/said" >"$work/is"
plain "$2" >"$work/shown"
[ -s "$work/shown" ]
diff "$work/shown" "$work/is"
