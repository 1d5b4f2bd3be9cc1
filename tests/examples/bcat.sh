# SPDX-License-Identifier: MIT
#
# examples/bcat: sh bcat.sh PROGRAM (see common.sh)

# shellcheck disable=SC2086 # $wrapped is words

. "$(dirname "$0")/common.sh"

for tool in script python3; do
	command -v "$tool" >/dev/null || skip "no $tool here"
done
bytes 4096 >"$work/data"
cksum <"$work/data" >"$work/sum"

# cat_to NAME PORT: standard input and output are those of the caller.
cat_to() {
	timeout 60 $wrapped "$program" "127.0.0.1:$2" 2>"$work/$1.err"
}

# succeeds NAME PORT / fails NAME PORT REASON
succeeds() {
	cat_to "$1" "$2" >"$work/$1.out" || fail "$1: $(cat "$work/$1.err")"
	[ ! -s "$work/$1.err" ] || fail "$1 complains: $(cat "$work/$1.err")"
}

fails() {
	cat_to "$1" "$2" >"${4:-$work/$1.out}" </dev/null
	status=$?
	[ "$status" -eq 1 ] || fail "$1: status $status, not 1"
	has_line "$3" "$1.err" || fail "$1: $(cat "$work/$1.err")"
	unblemished "$1"
}

# typed NAME TERMINAL...: on a terminal that another program makes for $work/run,
# which bcat is to leave as it was, whatever is typed.
typed() {
	name=$1
	shift
	cat >"$work/run" <<-END
		trap : INT
		grep flags /proc/self/fdinfo/0 >'$work/$name.before'
		$wrapped '$program' 127.0.0.1:$port 2>'$work/$name.err'
		echo \$? >'$work/$name.status'
		grep flags /proc/self/fdinfo/0 >'$work/$name.after'
	END
	timeout 60 "$@" >"$work/$name.tty"
	same "$work/$name.before" "$work/$name.after" "$name: the flags differ"
	unblemished "$name"
}

echo "# from and to a file, a pipe, and nothing"
serve echo EXEC:cat
succeeds file "$port" <"$work/data"
same "$work/data" "$work/file.out" "the echo differs"
cat "$work/data" | cat_to pipe "$port" | cat >"$work/pipe.out"
same "$work/data" "$work/pipe.out" "the echo differs"
unblemished pipe
succeeds nothing "$port" </dev/null
[ ! -s "$work/nothing.out" ] || fail "something out of nothing"

echo "# from and to a terminal, of socat and of script"
printf 'one\ntwo\n\004' | typed socat socat -t 30 - \
	"EXEC:sh $work/run,pty,setsid,ctty,echo=0"
tr -d '\r' <"$work/socat.tty" | grep -q '^two$' || fail "no echo"
wait_end socat 0
{
	printf 'three\nfour\n'
	wait_for "echo" has_line 'four.*' script.tty
	printf '\004'
} | typed script script -qec "stty -echo; sh $work/run" /dev/null
tr -d '\r' <"$work/script.tty" | grep -q '^four$' || fail "no echo"
wait_end script 0

echo "# ^C on a terminal"
{
	printf 'five\n'
	wait_for "echo" has_line five int.tty
	printf '\003'
} | typed int socat -t 30 - "EXEC:sh $work/run,pty,setsid,ctty,echo=0"
wait_end int 130

echo "# our end is passed on, and the answer comes"
serve sum EXEC:cksum
succeeds half "$port" <"$work/data"
same "$work/sum" "$work/half.out" "the sum differs"

echo "# the peer's end is passed on, and it can be sent more"
cat >"$work/first.py" <<'END'
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
peer = listener.accept()[0]
peer.sendall(b"goodbye\n")
peer.shutdown(socket.SHUT_WR)
with open(sys.argv[1], "wb") as heard:
    while data := peer.recv(65536):
        heard.write(data)
END
start first timeout 60 python3 "$work/first.py" "$work/heard"
port=$(port first) || exit 1
mkfifo "$work/later.in"
start later sh -c "exec $wrapped '$program' 127.0.0.1:$port <'$work/later.in'"
exec 3>"$work/later.in"
wait_for "its word" has_line '^goodbye$' later.out
cat "$work/data" >&3
exec 3>&-
wait_end later 0
wait_end first 0
same "$work/data" "$work/heard" "what was sent differs"
unblemished later

echo "# a peer that does not read holds us back"
zeros
mkfifo "$work/up"
start deaf socat -d -d -u TCP-LISTEN:0,bind=127.0.0.1,rcvbuf=65536 \
	"OPEN:$work/up"
port=$(port deaf) || exit 1
start writer sh -c "exec $wrapped '$program' 127.0.0.1:$port <'$work/zeros'"
stall writer
small writer
cat "$work/up" | same - "$work/zeros" "what was sent differs" || exit 1
wait_end writer 0
unblemished writer

echo "# output that nobody reads holds the peer back"
start source socat -d -d -U TCP-LISTEN:0,bind=127.0.0.1 "OPEN:$work/zeros"
port=$(port source) || exit 1
mkfifo "$work/down"
start reader sh -c \
	"exec $wrapped '$program' 127.0.0.1:$port </dev/null >'$work/down'"
exec 4<"$work/down"
stall source
small reader
same - "$work/zeros" "what came differs" <&4
exec 4<&-
wait_end reader 0
unblemished reader

echo "# the end comes while the output, a pipe and a buffer, is full"
bytes 150 >"$work/some"
start brief socat -d -d -U TCP-LISTEN:0,bind=127.0.0.1 "OPEN:$work/some"
port=$(port brief) || exit 1
mkfifo "$work/slow"
start slow sh -c \
	"exec $wrapped '$program' 127.0.0.1:$port </dev/null >'$work/slow'"
exec 5<"$work/slow"
wait_end brief 0
same - "$work/some" "what came differs" <&5
exec 5<&-
wait_end slow 0
unblemished slow

echo "# errors"
fails refused 1 'refused'
serve file "OPEN:$work/data,rdonly"
fails full "$port" 'space' /dev/full
{
	cat_to closed "$port" </dev/null
	echo $? >"$work/closed.status"
} | true
wait_end closed 1
has_line 'pipe' closed.err || fail "no reason given"
start usage "$program"
wait_end usage 2
