# SPDX-License-Identifier: MIT
#
# examples/unix-server: sh unix-server.sh PROGRAM (see common.sh)

# shellcheck disable=SC2086 # $wrapped is words

. "$(dirname "$0")/common.sh"

path=$work/control
me=$(id -u)

# say: standard input to the server, and what it answers.
say() {
	timeout 60 socat -t 30 - "UNIX-CONNECT:$path"
}

# serving NAME: does it answer?
serving() {
	wait_for "answer of $1" eval 'echo ready | say 2>/dev/null | grep -q ready'
}

start server $wrapped "$program" "$path"
serving server

echo "# it knows who speaks; the socket is for its user alone"
[ "$(printf 'hello\nall' | say)" = "$me: hello" ] || fail "no answer"
[ "$(find "$path" -type s -perm 0700)" = "$path" ] || fail "its mode is wrong"

echo "# a line may have 255 bytes, and not more"
long=$(printf '%0255d' 7)
[ "$(echo "$long" | say)" = "$me: $long" ] || fail "no answer"
mkfifo "$work/long.in"
start long sh -c 'exec socat -t 60 - "UNIX-CONNECT:$1" <"$2"' sh "$path" \
	"$work/long.in"
exec 3>"$work/long.in"
printf 'short\n%s8' "$long" >&3
wait_for "end of the connection" eval '[ "$(sockets server)" -eq 1 ]'
exec 3>&-
wait_end long 0
[ "$(cat "$work/long.out")" = "$me: short" ] || fail "the answer is lost"

echo "# who does not read is not served, and costs nothing"
yes | head -c 67108864 >"$work/lines"
start deaf socat -u "OPEN:$work/lines" "UNIX-CONNECT:$path"
stall deaf
small server
serving server

echo "# a second one does not take its place"
start second $wrapped "$program" "$path"
wait_end second 1
has_line 'unavailable' second.err || fail "no reason given"
unblemished second
serving server

echo "# one that was killed leaves its socket, and the next takes its place"
kill -KILL "$(pid server)"
wait_end server 137
wait_for "end of deaf" test -f "$work/deaf.status"
[ -S "$path" ] || fail "no socket is left behind"
start next $wrapped "$program" "$path"
serving next

echo "# quit: it ends when the last client has gone"
mkfifo "$work/guest.in"
start guest sh -c 'exec socat -t 30 - "UNIX-CONNECT:$1" <"$2"' sh "$path" \
	"$work/guest.in"
exec 3>"$work/guest.in"
echo hello >&3
wait_for "answer" has_line hello guest.out
[ "$(echo quit | say)" = "$me: quit" ] || fail "no answer"
wait_for "removed socket" eval '[ ! -e "$path" ]'
echo still here >&3
wait_for "answer" has_line 'still here' guest.out
exec 3>&-
wait_end guest 0
wait_end next 0
unblemished next

echo "# SIGINT"
start third $wrapped "$program" "$path"
serving third
kill -INT "$(pid third)"
wait_end third 0
[ ! -e "$path" ] || fail "the socket is left behind"
unblemished third

echo "# what is no socket is left alone; a path too long is an error"
echo precious >"$path"
start file "$program" "$path"
wait_end file 1
has_line 'in use' file.err || fail "no reason given"
[ "$(cat "$path")" = precious ] || fail "the file is damaged"
start far "$program" "$work/$long"
wait_end far 1
has_line 'too long' far.err || fail "no reason given"
start usage "$program"
wait_end usage 2
