# SPDX-License-Identifier: MIT
#
# examples/line-client: sh line-client.sh PROGRAM (see common.sh)

. "$(dirname "$0")/common.sh"

bytes 4096 >"$work/data"
cksum <"$work/data" >"$work/sum"

# client NAME ARGUMENT: standard input is that of the caller.
client() {
	# shellcheck disable=SC2086 # $wrapped is words
	timeout 60 $wrapped "$program" "$2" 2>"$work/$1.err"
}

# succeeds NAME PORT / fails NAME PORT REASON
succeeds() {
	client "$1" "127.0.0.1:$2" >"$work/$1.out" || fail "$1: $(cat "$work/$1.err")"
	[ ! -s "$work/$1.err" ] || fail "$1 complains: $(cat "$work/$1.err")"
}

fails() {
	client "$1" "$2" >"$work/$1.out"
	status=$?
	[ "$status" -eq 1 ] || fail "$1: status $status, not 1"
	has_line "$3" "$1.err" || fail "$1: $(cat "$work/$1.err")"
	unblemished "$1"
}

echo "# what comes back is printed: from a file, a pipe, nothing, a terminal"
serve echo EXEC:cat
succeeds file "$port" <"$work/data"
same "$work/data" "$work/file.out" "the echo differs"
cat "$work/data" | succeeds pipe "$port" || exit 1
same "$work/data" "$work/pipe.out" "the echo differs"
succeeds nothing "$port" </dev/null
[ ! -s "$work/nothing.out" ] || fail "something out of nothing"
echo "exec $wrapped '$program' 127.0.0.1:$port" >"$work/run"
printf 'one\ntwo\n\004' | timeout 60 socat -t 30 - \
	"EXEC:sh $work/run,pty,setsid,ctty,echo=0" >"$work/tty.out" 2>"$work/tty.err"
tr -d '\r' <"$work/tty.out" | grep -q '^two$' || fail "no echo on a terminal"

echo "# the half-close: the server answers when the input has ended"
serve sum EXEC:cksum
succeeds half "$port" <"$work/data"
same "$work/sum" "$work/half.out" "the sum differs"

echo "# a name with several addresses, of which one listens"
client name "localhost:$port" <"$work/data" >"$work/name.out" ||
	 fail "$(cat "$work/name.err")"
same "$work/sum" "$work/name.out" "the sum differs"

echo "# a server that is not there, or has no name, is an error"
fails refused 127.0.0.1:1 'refused' </dev/null
fails nobody 127.0.0.1:no-such-service '.' </dev/null
fails usage nothing 'usage' </dev/null

echo "# a server that is lost is an error"
start deaf socat -d -d TCP-LISTEN:0,bind=127.0.0.1 PIPE
port=$(port deaf) || exit 1
kill -STOP "$(pid deaf)"
mkfifo "$work/lost.in"
start lost sh -c "exec $wrapped '$program' 127.0.0.1:$port <'$work/lost.in'"
exec 3>"$work/lost.in"
# More than a pipe holds: once it is written, the client is connected.
bytes 256 >&3
kill -KILL "$(pid deaf)"
wait_end lost 1
exec 3>&-
has_line 'reset' lost.err || fail "lost: $(cat "$work/lost.err")"

echo "# a server that ends before it has taken all is one, too"
zeros
mkfifo "$work/word"
start brief socat -d -d -U TCP-LISTEN:0,bind=127.0.0.1,rcvbuf=16384 \
	"OPEN:$work/word,rdonly"
port=$(port brief) || exit 1
start early sh -c "exec $wrapped '$program' 127.0.0.1:$port <'$work/zeros'"
stall early
echo bye >"$work/word"
wait_end early 1
has_line '^bye$' early.out || fail "its last word was not printed"
wait_end brief 0

echo "# output that cannot be written is an error"
serve file "OPEN:$work/data,rdonly"
client full "127.0.0.1:$port" </dev/null >/dev/full &&
	fail "a full device goes unnoticed"
has_line 'space' full.err || fail "no reason given"
{
	client closed "127.0.0.1:$port" </dev/null
	echo $? >"$work/closed.status"
} | true
wait_end closed 1
has_line 'pipe' closed.err || fail "no reason given"
