# SPDX-License-Identifier: MIT
#
# examples/deadline: sh deadline.sh PROGRAM (see common.sh)

# shellcheck disable=SC2086 # $wrapped is words

. "$(dirname "$0")/common.sh"

# ask NAME ARGUMENT...: in the background.
ask() {
	name=$1
	shift
	start "$name" $wrapped "$program" "$@"
}

# now: in milliseconds.
now() {
	date +%s%3N
}

# again NAME TIMES: has it failed so often?
again() {
	[ "$(grep -cs '; again in [0-9]* ms$' "$work/$1.err")" -ge "$2" ]
}

# pauses NAME: each is at least half of twice the one before it, beginning with
# 25 to 50 ms, up to 3.2 s.
pauses() {
	sed -n 's/.*; again in \([0-9]*\) ms$/\1/p' "$work/$1.err" | awk '
	BEGIN { most = 50 }
	$1 < int(most / 2) || $1 > most { print $1 " of " most; bad = 1 }
	most < 2000 { most *= 2 }
	END { exit bad || NR < 3 }' || fail "$1: the pauses are wrong"
}

echo "# a server that is there"
serve echo EXEC:cat
ask there "127.0.0.1:$port" 'hello there' 60000
wait_end there 0
[ "$(cat "$work/there.out")" = 'hello there' ] || fail "no answer"
[ ! -s "$work/there.err" ] || fail "it complains: $(cat "$work/there.err")"

echo "# a name with several addresses"
ask name "localhost:$port" hello
wait_end name 0

echo "# one that is not there"
before=$(now)
ask nobody 127.0.0.1:1 hello 600
wait_end nobody 1
after=$(now)
[ $((after - before)) -ge 600 ] || fail "too early"
[ $((after - before)) -lt 9000 ] || fail "too late"
has_line 'refused' nobody.err || fail "no reason given"
has_line 'deadline' nobody.err || fail "it does not say why it ends"
[ ! -s "$work/nobody.out" ] || fail "an answer from nobody"
unblemished nobody

echo "# one that comes later"
start early socat -d -d TCP-LISTEN:0,bind=127.0.0.1,reuseaddr PIPE
port=$(port early) || exit 1
kill "$(pid early)"
wait_for "end of early" test -f "$work/early.status"
ask later "127.0.0.1:$port" hello 60000
wait_for "first attempt" has_line 'refused' later.err
start server timeout 60 socat -t 30 "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr" \
	PIPE
wait_end later 0
[ "$(cat "$work/later.out")" = hello ] || fail "no answer"
unblemished later

echo "# one that says nothing, says no whole line, or closes"
serve silent EXEC:'sleep 60'
ask silence "127.0.0.1:$port" hello 60000
ask impatient "127.0.0.1:$port" hello 500
serve drip "SYSTEM:while printf a; do sleep 0.1; done"
ask dripping "127.0.0.1:$port" hello 60000
serve flood "EXEC:cat /dev/zero"
ask flooded "127.0.0.1:$port" hello 60000
serve closing EXEC:true
ask closed "127.0.0.1:$port" hello 60000
wait_for "third attempt" again closed 3
for name in silence dripping flooded closed; do
	wait_for "attempt of $name" again "$name" 1
	kill -INT "$(pid "$name")"
done
for name in silence impatient dripping flooded closed; do
	wait_end "$name" 1
	[ ! -s "$work/$name.out" ] || fail "an answer for $name"
	unblemished "$name"
done
has_line '^no answer in time; again' silence.err || fail "silence"
[ "$(cat "$work/impatient.err")" = 'the deadline has passed' ] ||
	fail "an attempt outlived the deadline"
has_line '^no answer in time; again' dripping.err || fail "dripping"
has_line '^no line that fits; again' flooded.err || fail "flooded"
has_line '^\(no answer\|.*reset.*\); again' closed.err || fail "closed"
pauses closed

echo "# SIGINT, in a pause and in an attempt; no argument"
ask paused 127.0.0.1:1 hello 60000
wait_for "third attempt" again paused 3
kill -INT "$(pid paused)"
wait_end paused 1
pauses paused
unblemished paused
serve mute EXEC:'sleep 60'
ask attempting "127.0.0.1:$port" hello 60000
wait_for "attempt" has_line 'again' attempting.err
wait_for "attempt" eval '[ "$(sockets attempting)" -gt 0 ]'
kill -INT "$(pid attempting)"
wait_end attempting 1
unblemished attempting
ask usage 127.0.0.1:1
wait_end usage 2
