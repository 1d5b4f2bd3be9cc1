# SPDX-License-Identifier: MIT
#
# examples/workers: sh workers.sh PROGRAM (see common.sh)

# shellcheck disable=SC2086 # $wrapped is words

. "$(dirname "$0")/common.sh"

start server $wrapped "$program" 0
port=$(port server) || exit 1

echo "# eight at a time, handed to four threads"
bytes 512 >"$work/data"
for i in 1 2 3 4 5 6 7 8; do
	connect "$port" <"$work/data" >"$work/echo$i" &
done
wait_for "echo" echoed 4194304
for i in 1 2 3 4 5 6 7 8; do
	same "$work/data" "$work/echo$i" "the echo differs"
done
wait_for "closed connections" eval '[ "$(sockets server)" -eq 1 ]'

echo "# SIGINT: nobody comes in, and it ends when the last one has gone"
for i in 1 2 3 4 5; do
	talk "guest$i" "$port"
done
exec 3>"$work/guest1.in" 4>"$work/guest2.in" 5>"$work/guest3.in" \
	6>"$work/guest4.in" 7>"$work/guest5.in"
for i in 1 2 3 4 5; do
	echo hello >&$((i + 2))
	wait_for "echo" has_line hello "guest$i.out"
done
kill -INT "$(pid server)"
wait_for "closed listener" eval '[ "$(sockets server)" -eq 5 ]'
for i in 1 2 3 4 5; do
	echo still here >&$((i + 2))
	wait_for "echo" has_line 'still here' "guest$i.out"
done
# Who has nothing to do sleeps, and so is never put to sleep again.
busy=$(sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' \
	"/proc/$(pid server)"/task/*/status | awk '$1 > 3' | wc -l)
[ "$busy" -ge 4 ] || fail "busy threads: $busy"
exec 3>&- 4>&- 5>&- 6>&-
for i in 1 2 3 4; do
	wait_end "guest$i" 0
done
echo last >&7
wait_for "echo" has_line last guest5.out
exec 7>&-
wait_end guest5 0
wait_end server 0
unblemished server

echo "# a second SIGINT: at once"
# What a shell starts in the background ignores it, and that is what comes back.
start other env --default-signal=INT $wrapped "$program" 0
port=$(port other) || exit 1
talk guest "$port"
exec 3>"$work/guest.in"
echo hello >&3
wait_for "echo" has_line hello guest.out
kill -INT "$(pid other)"
wait_for "closed listener" eval '[ "$(sockets other)" -eq 1 ]'
kill -INT "$(pid other)"
wait_end other 130
exec 3>&-

echo "# an address in use is an error"
serve taken PIPE
start second "$program" "$port"
wait_end second 1
has_line 'in use' second.err || fail "no reason given"
start usage "$program"
wait_end usage 2
