# SPDX-License-Identifier: MIT
#
# examples/chat-server: sh chat-server.sh PROGRAM (see common.sh)

. "$(dirname "$0")/common.sh"

# shellcheck disable=SC2086 # $wrapped is words
start server $wrapped "$program" 0
port=$(port server) || exit 1

echo "# what one says, all the others read"
talk ann "$port"
exec 3>"$work/ann.in"
wait_for "connection" eval '[ "$(sockets server)" -gt 1 ]'
talk bob "$port"
exec 4>"$work/bob.in"
wait_for "second guest" has_line '^guest-2 has come$' ann.out
talk eve "$port,rcvbuf=16384"
exec 5>"$work/eve.in"
wait_for "third guest" has_line '^guest-3 has come$' bob.out
echo "/nick ann" >&3
wait_for "name" has_line '^guest-1 is now ann$' bob.out
printf '/nick eve\r\n' >&5
wait_for "name" has_line '^guest-3 is now eve$' ann.out
echo "hello, all" >&3
wait_for "message" has_line '^ann: hello, all$' bob.out
wait_for "message" has_line '^ann: hello, all$' eve.out
printf 'in two ' >&4
printf 'pieces\n' >&4
wait_for "line" has_line '^guest-2: in two pieces$' ann.out
! has_line 'hello' ann.out || fail "ann hears herself"

echo "# a line may be as long as the high mark, and no longer"
long=$(printf '%01023d' 7)
echo "$long" >&3
wait_for "long line" has_line "^ann: $long\$" bob.out
talk mad "$port"
exec 6>"$work/mad.in"
wait_for "fourth guest" has_line '^guest-4 has come$' bob.out
printf '%s%s' "$long" 89 >&6
wait_for "refusal" has_line '^guest-4: a line that does not fit$' server.out
exec 6>&-
wait_end mad 0

echo "# a slow reader is dropped, and the others miss nothing"
kill -STOP "$(pid eve)"
{
	bytes 125 | od -An -v -tx1 | tr -d ' \n' | fold -w 1000
	echo
} >"$work/lines"
lines=$(wc -l <"$work/lines")
sent=0
dropped() {
	has_line '^eve: too slow$' server.out
}
# A load only goes out when bob has had the one before: bob is not slow.
until dropped; do
	[ "$sent" -lt 400 ] || fail "eve is still there"
	cat "$work/lines" >&3
	sent=$((sent + 1))
	echo "load $sent" >&3
	wait_for "load $sent" has_line "^ann: load $sent\$" bob.out
done
sed -n 's/^ann: //p' "$work/bob.out" | grep -c '^[0-9a-f]\{1000\}$' >"$work/got"
[ "$(cat "$work/got")" -eq $((sent * lines)) ] ||
	fail "bob has $(cat "$work/got") lines of $((sent * lines))"
kill -CONT "$(pid eve)"
exec 5>&-
wait_end eve 0
echo "still here" >&4
wait_for "message" has_line '^guest-2: still here$' ann.out

echo "# leaving is told to the others, and leaves nothing behind"
exec 4>&-
wait_for "farewell" has_line '^guest-2 has left$' ann.out
wait_end bob 0
small server
exec 3>&-
wait_end ann 0
wait_for "last farewell" has_line '^ann: read|eof$' server.out
[ "$(sockets server)" -eq 1 ] || fail "open sockets"

echo "# SIGINT ends the connections and the server"
talk zoe "$port"
exec 3>"$work/zoe.in"
wait_for "connection" eval '[ "$(sockets server)" -gt 1 ]'
kill -INT "$(pid server)"
wait_end server 0
exec 3>&-
wait_end zoe 0
has_line '^guest-5: the server ends$' server.out || fail "it does not say so"
unblemished server
