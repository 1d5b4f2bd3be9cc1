#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-alone.sh ROOT BUILD: each example builds alone by the cc line that
# stands in its head, also as strict C11 and without a warning; it runs, and
# says how it is used (or, the test, how it went).  It has fewer than 150 lines,
# so that it can be read at once; the first ones are a little longer.

set -eu
export LC_ALL=C

root=$1 build=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$root"/examples/*.[ch] "$work"
cd "$work"
export PKG_CONFIG_PATH="$build/meson-uninstalled"
export LD_LIBRARY_PATH="$build/lib" DYLD_LIBRARY_PATH="$build/lib"

failed=0
complain()
{
	echo "$*"
	failed=1
}

# Called by the line, so that its `cc` is the compiler of the build.
# shellcheck disable=SC2317
cc()
{
	# Both are words, to be split.
	# shellcheck disable=SC2086
	command ${CC:-cc} $flags "$@"
}

for source in *.c; do
	name=${source%.c}
	[ -e "$build/examples/$name" ] || continue # not on this system
	# It goes on where it ends with a backslash.
	line=$(awk '/^ \*   cc -o/ { more = 1 }
		more { sub(/^ \* */, ""); print; more = /\\$/ }' "$source")
	for flags in '' '-std=c11 -Wall -Wextra -Wpedantic -Werror'; do
		rm -f "$name"
		eval "$line" || true
		[ -x "$name" ] || complain "$source is not built by: $line"
	done
	status=0
	timeout 10 "./$name" >said 2>&1 </dev/null || status=$?
	grep -q '^usage: \|^runs: ' said ||
		complain "$name without arguments: $status, $(cat said)"
done
for source in *.[ch]; do
	case $source in
	chat-server.c | line-client.c | sim-test.c | tcp-proxy.c) most=175 ;;
	*) most=149 ;;
	esac
	[ "$(wc -l <"$source")" -le $most ] || complain "$source: over $most lines"
done
exit $failed
