#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-gdb.sh ROOT LIBRARY: what gdb shows of the library's structs, by the
# script that it finds by itself where the library is installed.
#
# First in a program that runs; then after its pointers have been broken; then
# in a core of that.  What is broken is said to be so: no exception comes out.

set -eu
export LC_ALL=C

root=$1 library=$2
work=$(cd "$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")" && pwd -P)
trap 'rm -rf "$work"' EXIT
# meson lets the programs of its tests find the library where it was built.
unset DESTDIR BUFEV_BACKEND BUFEV_DEBUG LD_LIBRARY_PATH

# The script as it is installed, and beside it the library of this build.
there=$work/there
{
	meson setup "$work/build" "$root" --prefix="$there" --libdir=lib \
		-Dtests=false -Dexamples=false &&
		meson install --no-rebuild --tags gdb -C "$work/build"
} >"$work/log" 2>&1 || {
	cat "$work/log"
	exit 1
}
mkdir "$there/lib"
cp "$library" "$there/lib"
ln -s "${library##*/}" "$there/lib/libbufev.so.0"
ln -s libbufev.so.0 "$there/lib/libbufev.so"
${CC:-cc} -g -O1 -Wall -Wextra -Werror -o "$work/debugged" \
	"$root/tests/build/gdb/debugged.c" -I"$root/include" \
	-L"$there/lib" -lbufev -Wl,-rpath,"$there/lib"

# debug OUTPUT FILES COMMAND...: each, also where one before it has failed.
debug()
{
	output=$work/$1 files=$2 left=$(($# - 2))
	shift 2
	while [ $left -gt 0 ]; do
		set -- "$@" -ex "$1"
		shift
		left=$((left - 1))
	done
	# shellcheck disable=SC2086 # files are words
	(cd "$work" && gdb -nx -q -batch \
		-iex "set auto-load scripts-directory $there/share/gdb/auto-load" \
		-iex "set auto-load safe-path $there" \
		-ex 'set print pretty on' "$@" $files) \
		>"$output" 2>&1 </dev/null || true
	if grep -q 'ptrace: Operation not permitted' "$output"; then
		echo 'a process may not be looked at here'
		exit 77
	fi
	grep 'Python Exception\|Traceback\|Error occurred' "$output" || return 0
	cat "$output"
	exit 1
}

# shows OUTPUT: each line of the standard input, but for $N, addresses and the
# very moment.
shows()
{
	sed 's/^\$[0-9]* = //; s/0x[0-9a-f]*/0x/g; s/(fd [0-9]*)/(fd)/
		s/in 3[56][0-9]\{5\} ms/in an hour/
		s/in 7[12][0-9]\{5\} ms/in two hours/
		s/in [23][09][0-9]\{3\} ms/in half a minute/
		s/^ *[0-9]*  0x */fd 0x /; s/  */ /g' \
		"$work/$1" >"$work/plain"
	missing=0
	while IFS= read -r line; do
		grep -qxF -e "$line" "$work/plain" && continue
		echo "is not shown: $line"
		missing=1
	done
	[ $missing = 0 ] || {
		cat "$work/plain"
		exit 1
	}
}

debug running debugged 'break look' run 'print *plain' 'print *wrapped' \
	'print *far' continue 'print *near' 'print *reactor' \
	'info bufferevents reactor' 'info bufferevents far' 'print/r *plain' \
	'info bufferevents'
shows running <<'END'
evbuffer of 14 bytes (limit 4096): "one \"line\"\r\n\001\377"
evbuffer of 61 bytes: "0123456789abcdefghijklmnopqrstuvwxyz0123456789ab"...
bufferevent (fd) = {
 enabled = write,
bufferevent "near" (fd) = {
 enabled = read|write,
 state = owned, socket, writable, was_blocking, counted, waiting read,
 list = output,
 read = marks 5 to 1000, timeout 30000 ms, calls got,
 write = marks 0 to no limit, calls none,
 error = calls lost,
 in = evbuffer of 5 bytes: "hello",
 out = evbuffer of 10 bytes: "to be sent",
reactor on "poll", between turns = {
 descriptors = 2 bufferevents, 1 watch,
 lists = output 1,
 timers = 2, early in an hour, late in two hours,
 timeouts = 1, looks in half a minute,
 wake = 1 signal, 1 post,
fd 0x read|write 5 10 "near" owned, socket, writable, was_blocking, counted, waiting read
fd 0x write 0 0 socket, writable, was_blocking
 limit = 4096,
Which reactor? A pointer to it, or to a bufferevent that lives on it.
END
[ "$(grep -c '"near" owned' "$work/running")" = 2 ]

# Pointers that lead nowhere, a list that leads in a circle.
debug broken debugged 'break look' run continue \
	'set var plain->ring.base = 16' 'set var wrapped->ring.tail += 1000' \
	'set var near->name = 16' 'set var near->in.ring.base = 16' \
	'set var near->out.ring.order = 255' 'set var near->read = 16' \
	'set var near->watch.place = 99' \
	'set var reactor->kernel = 16' 'set var reactor->wake.posted = 16' \
	'set var reactor->timers.due.next = 16' \
	'set var far->watch.link.next = &far->watch.link' \
	'set var reactor->list[1].next = &far->watch.link' \
	'set var reactor->by_fd[1] = 16' 'generate-core-file core' \
	'print *plain' 'print *(struct bufferevent *)16' \
	'set var reactor->by_fd = 16' 'print *reactor' \
	'info bufferevents reactor' \
	'set var reactor->fds = -1' 'info bufferevents near' \
	'info bufferevents 16' kill
shows broken <<'END'
evbuffer of 14 bytes (limit 4096): <unreadable>
 descriptors = <unreadable>,
The reactor is broken: Cannot access memory at address 0x
The reactor is broken: its table has -1 descriptors
END
debug dead 'debugged core' 'print *plain' 'print *wrapped' 'print *near' \
	'print *reactor' 'info bufferevents reactor' 'info bufferevents near'
shows dead <<'END'
evbuffer of 14 bytes (limit 4096): <unreadable>
evbuffer, broken: it cannot hold what head and tail say
bufferevent <unreadable> (fd) = {
 list = 99, which is none,
 read = marks 5 to 1000, timeout 30000 ms, calls 0x,
 in = evbuffer of 5 bytes: <unreadable>,
 out = evbuffer, broken: it cannot hold what head and tail say,
reactor on "<unreadable>", between turns = {
 descriptors = <unreadable>,
 lists = input <unreadable>, output 1,
 timers = 2, <unreadable>,
 wake = <unreadable>,
fd 0x <unreadable>
fd 0x read|write 5 broken <unreadable> owned, socket, writable, was_blocking, counted, waiting read
END
echo 'gdb shows them, whole and broken'
