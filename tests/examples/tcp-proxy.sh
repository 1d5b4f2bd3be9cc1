# SPDX-License-Identifier: MIT
#
# examples/tcp-proxy: sh tcp-proxy.sh PROGRAM (see common.sh)

. "$(dirname "$0")/common.sh"

# proxy NAME: in front of $port; $entry is its own port.
proxy() {
	# shellcheck disable=SC2086 # $wrapped is words
	start "$1" $wrapped "$program" 0 "127.0.0.1:$port"
	entry=$(port "$1") || exit 1
}

# vacant NAME: nothing is left of the connections.
vacant() {
	wait_for "end of the connections of $1" \
		eval "[ \"\$(sockets $1)\" -eq 1 ]"
}

bytes 5120 >"$work/data"
cksum <"$work/data" >"$work/sum"

echo "# five megabytes there and back, three times at once"
serve echo EXEC:cat
proxy one
for i in 1 2 3; do
	connect "$entry" <"$work/data" >"$work/echo$i" &
done
wait_for "echo" echoed 15728640
for i in 1 2 3; do
	same "$work/data" "$work/echo$i" "the echo differs"
done
vacant one
small one

echo "# the half-close: the server answers when the client has ended"
serve sum EXEC:cksum
proxy two
connect "$entry" <"$work/data" >"$work/half"
same "$work/sum" "$work/half" "the sum differs"
connect "$entry" </dev/null >"$work/none"
cksum </dev/null | same - "$work/none" "the sum of nothing differs"
vacant two

echo "# back-pressure: while the client does not read, the server must wait"
zeros
mkfifo "$work/down" "$work/up"
start down socat -d -d -U TCP-LISTEN:0,bind=127.0.0.1 "OPEN:$work/zeros"
port=$(port down) || exit 1
proxy three
# It opens the fifo, and so begins, when cat does.
start reader socat -T 60 -t 60 "TCP:127.0.0.1:$entry,rcvbuf=65536" \
	"OPEN:/dev/null,rdonly!!OPEN:$work/down,wronly"
stall down
small three
cat "$work/down" | same - "$work/zeros" "what comes down differs" || exit 1
wait_end down 0
wait_end reader 0
vacant three
small three

echo "# and while the server does not read, the client must"
start up socat -d -d -u TCP-LISTEN:0,bind=127.0.0.1,rcvbuf=65536 \
	"OPEN:$work/up"
port=$(port up) || exit 1
proxy four
start writer socat -u "OPEN:$work/zeros" "TCP:127.0.0.1:$entry"
stall writer
small four
cat "$work/up" | same - "$work/zeros" "what goes up differs" || exit 1
wait_end writer 0
wait_end up 0
vacant four
small four

echo "# a server that is not there ends the connection, and nothing else"
port=1
proxy five
for i in 1 2; do
	connect "$entry" </dev/null >"$work/refused" 2>&1
	[ ! -s "$work/refused" ] || has_line 'reset' refused ||
		fail "$(cat "$work/refused")"
done
vacant five

echo "# a client that is lost takes its server connection with it"
start waiting socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork PIPE
port=$(port waiting) || exit 1
proxy six
talk lost "$entry"
exec 3>"$work/lost.in"
echo hello >&3
wait_for "echo" has_line hello lost.out
kill -KILL "$(pid lost)"
exec 3>&-
vacant six

echo "# SIGINT: nobody comes in, and it ends when the last one has gone"
talk guest "$entry"
exec 3>"$work/guest.in"
echo hello >&3
wait_for "echo" has_line hello guest.out
kill -INT "$(pid six)"
wait_for "closed listener" eval '[ "$(sockets six)" -eq 2 ]'
echo still here >&3
wait_for "echo" has_line 'still here' guest.out
exec 3>&-
wait_end guest 0
for name in one two three four five six; do
	[ "$name" = six ] || kill -INT "$(pid "$name")"
	wait_end "$name" 0
	unblemished "$name"
done
