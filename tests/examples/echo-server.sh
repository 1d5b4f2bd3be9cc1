# SPDX-License-Identifier: MIT
#
# examples/echo-server: sh echo-server.sh PROGRAM (see common.sh)

. "$(dirname "$0")/common.sh"

# shellcheck disable=SC2086 # $wrapped is words
start server $wrapped "$program" 0 60000
port=$(port server) || exit 1

echo "# a megabyte comes back as it was, to four at a time"
bytes 1024 >"$work/data"
for i in 1 2 3 4; do
	connect "$port" <"$work/data" >"$work/echo$i" &
done
wait_for "echo" echoed 4194304
for i in 1 2 3 4; do
	same "$work/data" "$work/echo$i" "the echo differs"
done

echo "# what a client leaves behind is nothing"
wait_for "closed connection" eval '[ "$(sockets server)" -eq 1 ]'

echo "# an address in use is an error"
start second "$program" "$port"
wait_end second 1
has_line 'in use' second.err || fail "no reason given"
start usage "$program"
wait_end usage 2

echo "# SIGINT: nobody comes in, and it ends when the last one has gone"
talk client "$port"
exec 3>"$work/client.in"
echo hello >&3
wait_for "echo" has_line hello client.out
kill -INT "$(pid server)"
wait_for "closed listener" eval '[ "$(sockets server)" -eq 1 ]'
echo still here >&3
wait_for "echo" has_line 'still here' client.out
exec 3>&-
wait_end client 0
wait_end server 0
unblemished server

echo "# the idle, and those who do not take what they are sent, are shown out"
# shellcheck disable=SC2086 # $wrapped is words
start brisk $wrapped "$program" 0 400
port=$(port brisk) || exit 1
start idle timeout 60 socat -u "TCP:127.0.0.1:$port" -
wait_end idle 0
zeros
start deaf timeout 60 socat -u "OPEN:$work/zeros" \
	"TCP:127.0.0.1:$port,rcvbuf=65536"
wait_for "end of deaf" test -f "$work/deaf.status"
[ "$(cat "$work/deaf.status")" -ne 124 ] || fail "the deaf one may stay"
small brisk
kill -INT "$(pid brisk)"
wait_end brisk 0
unblemished brisk
