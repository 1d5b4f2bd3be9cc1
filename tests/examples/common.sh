# SPDX-License-Identifier: MIT
#
# What the tests of the examples share.  Each runs as
#
#     sh echo-server.sh PROGRAM
#
# in POSIX sh, against socat, with ports that the system chooses and files in a
# directory of its own, so that all may run at the same time.  Nothing waits
# for a guessed time: wait_for() asks again and again, and gives up in the end.
# $EXAMPLE_WRAPPER is put before the program (valgrind and its options).

# Who sources this uses what is set here.
# shellcheck disable=SC2034

set -u
program=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX") || exit 1
wrapped=${EXAMPLE_WRAPPER:-}
patience=200 # in tenths of a second
started=

skip() {
	echo "skipped: $*"
	rmdir "$work"
	exit 77
}

command -v socat >/dev/null || skip "no socat here"
if [ ! -r /proc/self/io ] && grep -q 'sockets \|stall \|/proc/' "$0"; then
	skip "no /proc here, which says what a program has open and has read"
fi
case $wrapped in
*valgrind*)
	# It does not see what the kernel writes for a ring, and takes it for
	# uninitialised.
	[ "${BUFEV_BACKEND:-epoll}" != uring ] || skip "valgrind and io_uring"
	export BUFEV_BACKEND="${BUFEV_BACKEND:-epoll}"
	;;
esac

# The shell that started a program reports how it ended, when it has.
finish() {
	status=$?
	trap - EXIT
	for name in $started; do
		[ -f "$work/$name.status" ] ||
			kill -TERM "$(pid "$name")" && kill -CONT "$(pid "$name")"
	done 2>/dev/null
	wait
	if [ "$status" -ne 0 ]; then
		for log in "$work"/*.err; do
			echo "--- ${log##*/}" && tail -n 5 "$log"
		done >&2
	fi
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

fail() {
	echo "failed: $*" >&2
	exit 1
}

# wait_for WHAT COMMAND...: until the command succeeds.
wait_for() {
	what=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt "$patience" ] || fail "no $what"
		sleep 0.1
	done
}

# start NAME COMMAND...: in the background; $work/NAME.out, .err, .status.
start() {
	name=$1
	shift
	started="$started $name"
	(
		sh -c 'echo $$ >"$1.pid"; shift; exec "$@"' sh \
			"$work/$name" "$@" >"$work/$name.out" 2>"$work/$name.err"
		echo $? >"$work/$name.tmp"
		mv "$work/$name.tmp" "$work/$name.status"
	) &
	wait_for "start of $name" test -s "$work/$name.pid"
}

pid() {
	cat "$work/$1.pid"
}

# wait_end NAME STATUS: until it has ended, and as it should.
wait_end() {
	wait_for "end of $1" test -s "$work/$1.status"
	[ "$(cat "$work/$1.status")" -eq "$2" ] ||
		fail "$1: status $(cat "$work/$1.status"), not $2"
}

# port NAME: of what was started, ours or a listening socat -d -d.
port() {
	wait_for "port of $1" grep -qs 'listening on .*[0-9]' \
		"$work/$1.out" "$work/$1.err"
	sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' \
		"$work/$1.out" "$work/$1.err"
}

# serve NAME ADDRESS...: a socat server; $port.
serve() {
	name=$1
	shift
	start "$name" timeout 60 socat -d -d -t 30 \
		TCP-LISTEN:0,bind=127.0.0.1,fork "$@"
	port=$(port "$name") || exit 1
}

# connect PORT: a client of standard input and output, that waits for the
# answer for long after the end of its input.
connect() {
	timeout 60 socat -t 30 - "TCP:127.0.0.1:$1"
}

# talk NAME PORT: the same in the background; write to the fifo $work/NAME.in.
talk() {
	mkfifo "$work/$1.in"
	start "$1" sh -c 'exec socat -T 60 -t 30 - "TCP:127.0.0.1:$1" <"$2"' \
		sh "$2" "$work/$1.in"
}

# bytes N: as many KiB that do not repeat.
bytes() {
	dd if=/dev/urandom bs=1024 count="$1" 2>/dev/null
}

same() {
	cmp "$1" "$2" || fail "$3"
}

has_line() {
	grep -qs -- "$1" "$work/$2"
}

# echoed N: are there so many bytes in the files echo1 to echo4?
echoed() {
	[ "$(cat "$work"/echo[0-9] 2>/dev/null | wc -c)" -ge "$1" ]
}

# zeros: $work/zeros, 64 MiB, more than all kernel buffers on the way hold.
zeros() {
	dd if=/dev/zero bs=1048576 count=64 2>/dev/null >"$work/zeros"
}

# stall NAME: until what it reads from a file grows no more, for half a second;
# it must not have come to the end.
stall() {
	wait_for "beginning" eval "[ \"\$(progress $1)\" -gt 100000 ]"
	before=0
	calm=0
	while [ "$calm" -lt 5 ]; do
		sleep 0.1
		now=$(progress "$1")
		calm=$((now == before ? calm + 1 : 0))
		before=$now
	done
	[ "$now" -lt 50000000 ] || fail "$1 was not held back"
}

progress() {
	sed -n 's/^rchar: //p' "/proc/$(pid "$1")/io"
}

# sockets NAME: how many it has open.
sockets() {
	find "/proc/$(pid "$1")/fd" -lname 'socket:*' | wc -l
}

# small NAME: has it never used over 16 MiB?  Not to be asked of valgrind.
small() {
	[ -z "$wrapped" ] && [ -r "/proc/$(pid "$1")/status" ] || return 0
	[ "$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' \
		"/proc/$(pid "$1")/status")" -lt "${SMALL:-16384}" ] ||
		fail "$1 has used $(grep VmHWM "/proc/$(pid "$1")/status")"
}

# What a wrapper or a sanitizer had to say.
unblemished() {
	! grep -E '^==[0-9]+==|runtime error|ERROR:' "$work/$1.err" ||
		fail "$1 is not clean"
}
