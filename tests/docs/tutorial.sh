# SPDX-License-Identifier: MIT
#
# docs/tutorial/code: sh tutorial.sh PROGRAM STEP (see examples/common.sh).
# What a step promises its successors keep, but for the answers of step 2.

. "$(dirname "$0")/../examples/common.sh"
step=$2

# shellcheck disable=SC2086 # $wrapped is words
start server $wrapped "$program" 0
port=$(port server) || exit 1

greets()
{
	connect "$port" </dev/null >"$work/got"
	echo "Welcome. Come back in step 2." >"$work/expected"
	same "$work/expected" "$work/got" "another greeting"
}

answers()
{
	printf 'one\ntwo\r\n\nhalf' | connect "$port" >"$work/got"
	printf 'you said: %s\n' one two '' >"$work/expected"
	same "$work/expected" "$work/got" "other answers"
	wait_for "end" has_line '^read|eof$' server.out
}

# ann on 3, bob on 4, eve on 5, who reads little.
chats()
{
	talk ann "$port"
	exec 3>"$work/ann.in"
	wait_for "connection" eval '[ "$(sockets server)" -gt 1 ]'
	talk bob "$port"
	exec 4>"$work/bob.in"
	wait_for "second guest" has_line '^guest-2 has come$' ann.out
	talk eve "$port,rcvbuf=16384"
	exec 5>"$work/eve.in"
	wait_for "third guest" has_line '^guest-3 has come$' bob.out
	echo "hello, all" >&3
	wait_for "message" has_line '^guest-1: hello, all$' bob.out
	wait_for "message" has_line '^guest-1: hello, all$' eve.out
	printf 'in two ' >&4
	printf 'pieces\r\n' >&4
	wait_for "line" has_line '^guest-2: in two pieces$' ann.out
	! has_line 'hello' ann.out || fail "ann hears herself"
}

bounds()
{
	long=$(printf '%01023d' 7)
	echo "$long" >&3
	wait_for "long line" has_line "^guest-1: $long\$" bob.out
	talk mad "$port"
	exec 6>"$work/mad.in"
	wait_for "fourth guest" has_line '^guest-4 has come$' bob.out
	printf '%s%s' "$long" 89 >&6
	wait_for "refusal" has_line '^guest-4: a line that does not' server.out
	wait_for "farewell" has_line '^guest-4 has left$' bob.out
	exec 6>&-
	wait_end mad 0

	kill -STOP "$(pid eve)"
	sent=0
	bytes 125 | od -An -v -tx1 | tr -d ' \n' | fold -w 1000 >"$work/lines"
	echo >>"$work/lines"
	until has_line '^guest-3: too slow$' server.out; do
		[ "$sent" -lt 400 ] || fail "eve is still there"
		sent=$((sent + 1))
		cat "$work/lines" >&3
		echo "load $sent" >&3
		wait_for "load" has_line "^guest-1: load $sent\$" bob.out
	done
	kill -CONT "$(pid eve)"
	small server
}

closes()
{
	echo "/nick ann" >&3
	wait_for "name" has_line '^guest-1 is now ann$' bob.out
	kill -INT "$(pid server)"
	wait_for "farewell" has_line '^the room is closing$' ann.out
	wait_for "farewell" has_line '^the room is closing$' bob.out
	wait_end server 0
}

# The last first: each has inherited the way in of those before it.
leaves()
{
	exec 5>&-
	wait_end eve 0
	exec 4>&-
	wait_for "farewell" has_line '^guest-2 has left$' ann.out
	wait_for "the reason" has_line '^guest-2: read|eof$' server.out
	exec 3>&-
	wait_for "last end" eval '[ "$(sockets server)" -eq 1 ]'
}

case $step in
1) greets ;;
2) answers ;;
3) chats && leaves ;;
4) chats && bounds && leaves ;;
5) chats && bounds && closes ;;
*) fail "no step $step" ;;
esac
if [ "$step" != 5 ]; then
	kill "$(pid server)"
	wait_for "end" test -f "$work/server.status"
fi
unblemished server
