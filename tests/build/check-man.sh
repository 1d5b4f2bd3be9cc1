#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-man.sh ROOT LIBRARY_DIR: the manual, as it is installed.  mandoc finds
# nothing to warn of; check-man.py holds the rest against headers and library.

set -eu
export LC_ALL=C

root=$1 libraries=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT
unset DESTDIR BUFEV_BACKEND

# An installation of its own: what the caller installed stays in his log.
{
	meson setup "$work/build" "$root" --prefix=/usr --mandir=share/man \
		-Dtests=false -Dexamples=false &&
		meson install --no-rebuild --tags man -C "$work/build" \
			--destdir "$work/stage"
} >"$work/log" 2>&1 || {
	cat "$work/log"
	exit 1
}

mandoc -T lint -W warning "$root"/docs/man/*.[0-9]
python3 "$root/tests/build/check-man.py" "$root" \
	"$work/stage/usr/share/man" "$libraries"
