#!/bin/sh
# SPDX-License-Identifier: MIT
#
# compare.sh WITH_LIBEVENT WITH_BUFEV FIRST LAST: runs both programs with each
# of these seeds; what they print must be the same.

set -eu

libevent=$1 bufev=$2 seed=$3 last=$4
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT
lines=0

while [ "$seed" -le "$last" ]; do
	"$libevent" "$seed" >"$work/libevent"
	"$bufev" "$seed" >"$work/bufev"
	if ! cmp -s "$work/libevent" "$work/bufev"; then
		echo "seed $seed: libevent <, libbufev >"
		diff "$work/libevent" "$work/bufev" | head -n 40
		exit 1
	fi
	lines=$((lines + $(wc -l <"$work/bufev")))
	seed=$((seed + 1))
done
echo "$lines lines are the same"
[ $lines -gt 0 ]
