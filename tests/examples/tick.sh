# SPDX-License-Identifier: MIT
#
# examples/tick: sh tick.sh PROGRAM (see common.sh)

# shellcheck disable=SC2086 # $wrapped is words

. "$(dirname "$0")/common.sh"

# sound NAME: do the numbers of its ticks rise?  None can be early: a negative
# lateness would be huge.
sound() {
	sed -n 's/^tick \([0-9]*\), \([0-9]*\) ms late$/\1 \2/p' \
		"$work/$1.out" | awk '
	$1 <= last || $2 > 60000 { print "tick " $1 ": " $2 " ms late"; bad = 1 }
	{ last = $1 }
	END { exit bad }' || fail "$1: after another tick"
}

# counts NAME: the ticks, and those that it says were missed, have the numbers
# from 1 on, whatever was late.
counts() {
	awk '
	/^tick / { ticks++; number = $2 + 0 }
	/ ticks and / { told = $1; missed = $4 }
	END { exit !(told == ticks && number <= told + missed) }
	' "$work/$1.out" || fail "$1: $(tail -n 1 "$work/$1.out")"
}

# keeps NAME: are half of the ticks at most 5 ms late, or has one come less than
# an interval after the one before it?  With a drift neither can be.
keeps() {
	awk -F '[ ,]+' '
	/^tick / {
		at = $2 * 20 + $3
		made_up += ticks++ && at - before < 20
		prompt += $3 <= 5
		before = at
	}
	END { exit !(made_up || prompt * 2 > ticks) }' "$work/$1.out"
}

echo "# so many ticks, and without drift: the last is not early, and says so"
start server $wrapped "$program" 20 25
wait_end server 0
sound server
counts server
ms=$(sed -n 's/^25 ticks and .* missed in \([0-9]*\) ms$/\1/p' \
	"$work/server.out")
[ "${ms:-0}" -ge 500 ] || fail "25 ticks of 20 ms in ${ms:-no} ms"
number=$(sed -n 's/^tick \([0-9]*\), .*/\1/p' "$work/server.out" | tail -n 1)
late=$(sed -n 's/^tick .*, \([0-9]*\) ms late$/\1/p' "$work/server.out" |
	tail -n 1)
[ "$ms" -eq $((number * 20 + late)) ] || fail "tick $number at $ms ms"
# A busy machine may be late at each tick of a run, and in the same way.
runs=1
until keeps "$name"; do
	[ "$runs" -lt 10 ] || fail "the ticks are ever later"
	runs=$((runs + 1))
	start "server$runs" $wrapped "$program" 20 25
	wait_end "$name" 0
done
unblemished server

echo "# one that was stopped does not catch up, and counts what it missed"
start clock $wrapped "$program" 50
wait_for "tick" has_line '^tick ' clock.out
kill -STOP "$(pid clock)"
sleep 0.5
lines=$(wc -l <"$work/clock.out")
goes_on() {
	[ "$(wc -l <"$work/clock.out")" -gt $((lines + 1)) ]
}
kill -CONT "$(pid clock)"
wait_for "tick" goes_on
kill -USR1 "$(pid clock)"
wait_for "report" has_line 'missed' clock.out
missed=$(sed -n 's/^[0-9]* ticks and \([0-9]*\) missed in .*/\1/p' \
	"$work/clock.out")
[ "$missed" -ge 8 ] || fail "missed in half a second: $missed"
sound clock

echo "# SIGHUP: from the beginning"
# Does a number fall?
begun() {
	awk '/^tick / { if ($2 + 0 < last) fell = 1; last = $2 + 0 }
	END { exit !fell }' "$work/clock.out"
}
kill -HUP "$(pid clock)"
wait_for "first tick" begun

echo "# SIGTERM, SIGINT"
kill -TERM "$(pid clock)"
wait_end clock 0
has_line 'missed' clock.out || fail "no report"
unblemished clock
start third $wrapped "$program" 10
wait_for "tick" has_line '^tick ' third.out
kill -INT "$(pid third)"
wait_end third 0
unblemished third
start usage "$program"
wait_end usage 2
