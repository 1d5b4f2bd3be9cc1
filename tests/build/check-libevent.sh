#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-libevent.sh ROOT LIBRARY_DIR: one program holds libevent and this
# library, and runs the loops of both.  Where two libraries have a name in
# common, the one that is linked first gets all calls; so it is linked in both
# orders, and shared as well as static.

set -eu

root=$1 libraries=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT

for part in both both-bufev both-libevent; do
	# shellcheck disable=SC2046
	${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -c \
		-I"$root/include" $(pkg-config --cflags libevent_core) \
		-o "$work/$part.o" "$root/tests/build/libevent/$part.c"
done

# try NAME LIBRARY...: in the order in which they are given.
try()
{
	name=$1
	shift
	${CC:-cc} -o "$work/$name" "$work"/*.o -L"$libraries" "$@" -pthread
	echo "$name"
	LD_LIBRARY_PATH=$libraries "$work/$name"
}

# What the dynamic linker will search, in its order.
first()
{
	readelf -d "$work/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
		head -n 1 | grep -q "$2"
}

try bufev-first -lbufev -levent_core
first bufev-first libbufev
try libevent-first -levent_core -lbufev
first libevent-first libevent

# A static libevent is not everywhere.
event=$(pkg-config --variable=libdir libevent_core)/libevent_core.a
bufev=$libraries/libbufev.a
if [ -e "$event" ] && [ -e "$bufev" ]; then
	try static-bufev-first "$bufev" "$event"
	try static-libevent-first "$event" "$bufev"
fi
