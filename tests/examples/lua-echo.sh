#!/bin/sh
# SPDX-License-Identifier: MIT
#
# examples/lua/: sh lua-echo.sh LUA MODULES SCRIPTS (see common.sh)

# shellcheck disable=SC2086 # $server and $client are words

. "$(dirname "$0")/common.sh"

modules=$2 scripts=$3
export LUA_CPATH="$modules;;"
unset LUA_CPATH_5_2 LUA_CPATH_5_3 LUA_CPATH_5_4
# The interpreter is not instrumented, the module may be.
instrumented=
[ -z "${LUA_PRELOAD:-}" ] || instrumented="env LD_PRELOAD=$LUA_PRELOAD"

server="$wrapped $instrumented $program $scripts/echo-server.lua"
client="$wrapped $instrumented $program $scripts/echo-client.lua"

start server $server 0
port=$(port server) || exit 1

echo "# a megabyte comes back as it was, to four at a time"
bytes 1024 >"$work/data"
for i in 1 2; do
	connect "$port" <"$work/data" >"$work/echo$i" &
done
for i in 3 4; do
	$client "$port" <"$work/data" >"$work/echo$i" &
done
wait_for "echo" echoed 4194304
for i in 1 2 3 4; do
	same "$work/data" "$work/echo$i" "the echo differs"
done

echo "# words, the end of the server, and what is not there"
start words $client "$port" hello you
wait_end words 0
has_line '^hello you$' words.out || fail "no echo"
start usage $client
wait_end usage 2
start usage2 $server
wait_end usage2 2

echo "# what a client leaves behind is nothing"
wait_for "closed connection" eval '[ "$(sockets server)" -eq 1 ]'
unblemished server
kill -TERM "$(pid server)"
wait_for "end of server" test -f "$work/server.status"
start late $client "$port" hello
wait_end late 1
has_line 'refused' late.err || fail "no reason given"

echo "# the idle, and those who do not take what they are sent, are shown out"
start brisk $server 0 0.4
port=$(port brisk) || exit 1
start idle timeout 60 socat -u "TCP:127.0.0.1:$port" -
wait_end idle 0
zeros
start deaf timeout 60 socat -u "OPEN:$work/zeros" \
	"TCP:127.0.0.1:$port,rcvbuf=65536"
wait_for "end of deaf" test -f "$work/deaf.status"
[ "$(cat "$work/deaf.status")" -ne 124 ] || fail "the deaf one may stay"
[ -n "$instrumented" ] || small brisk
unblemished brisk
