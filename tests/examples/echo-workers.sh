# SPDX-License-Identifier: MIT
#
# examples/echo-workers: sh echo-workers.sh PROGRAM (see common.sh)

. "$(dirname "$0")/common.sh"

# shellcheck disable=SC2086 # $wrapped is words
start server $wrapped "$program" 0 3
port=$(port server) || exit 1

echo "# eight at a time, dealt out to three threads"
bytes 512 >"$work/data"
for i in 1 2 3 4 5 6 7 8; do
	connect "$port" <"$work/data" >"$work/echo$i" &
done
wait_for "echo" echoed 4194304
for i in 1 2 3 4 5 6 7 8; do
	same "$work/data" "$work/echo$i" "the echo differs"
done
wait_for "closed connections" eval '[ "$(sockets server)" -eq 3 ]'

echo "# SIGINT ends all threads"
kill -INT "$(pid server)"
wait_end server 0
unblemished server
