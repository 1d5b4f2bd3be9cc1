#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-readme.sh ROOT LIBRARY_DIR: the first program in README.md compiles as
# it stands, echoes what a client says, and ends on SIGINT with 0.

set -eu

root=$1 libraries=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
server=
end()
{
	status=$?
	trap - EXIT
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
	rm -rf "$work"
	exit $status
}
trap end EXIT

sed -n '/^```c$/,/^```$/p' "$root/README.md" | grep -v '^```' >"$work/first.c"
compile()
{
	${CC:-cc} -Wall -Werror -o "$work/first" "$1" -I"$root/include" \
		-L"$libraries" -lbufev
}
compile "$work/first.c"

# start PORT: false where the port is taken.
start()
{
	sed "s/htons(7000)/htons($1)/" "$work/first.c" >"$work/there.c"
	compile "$work/there.c"
	LD_LIBRARY_PATH=$libraries DYLD_LIBRARY_PATH=$libraries \
		"$work/first" &
	server=$!
	tries=0
	while kill -0 "$server" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || exit 1
		sleep 0.1
		socat -u OPEN:/dev/null "TCP:127.0.0.1:$1" 2>/dev/null &&
			kill -0 "$server" && return
	done
	return 1
}

port=$((20000 + $$ % 10000))
until start "$port"; do
	port=$((port + 1))
	[ $port -lt 30010 ] || exit 1
done

seq 1 20000 >"$work/said"
timeout 60 socat -t 30 - "TCP:127.0.0.1:$port" <"$work/said" >"$work/heard"
cmp "$work/said" "$work/heard"
kill -INT "$server"
wait "$server"
server=
echo "the first program works, on port $port"
