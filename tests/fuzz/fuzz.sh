#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fuzz.sh PROGRAM CORPUS: fuzzes for a minute, and begins with the corpus.  What
# it tries is the same each time, so that what passes once passes again.  For
# $BUFEV_FUZZ_SECONDS it looks for what is new.  An input that finds something
# is printed, to be put into the corpus under a name that says what it shows.

set -eu
program=$1 corpus=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT

# It learns from what is compared: also from pointers, which are never the same.
if [ -n "${BUFEV_FUZZ_SECONDS-}" ]; then
	set -- -max_total_time="$BUFEV_FUZZ_SECONDS"
else
	set -- -max_total_time=60 -seed=1 -use_cmp=0
fi
mkdir "$work/new"
if "$program" "$@" -max_len=1024 -print_final_stats=1 \
	-artifact_prefix="$work/found-" \
	"$work/new" "$corpus" >"$work/log" 2>&1; then
	sed -n 's/^stat::number_of_executed_units: */inputs: /p' "$work/log"
	exit 0
fi
tail -n 60 "$work/log"
for found in "$work"/found-*; do
	[ ! -e "$found" ] || base64 "$found"
done
exit 1
