# SPDX-License-Identifier: MIT
#
# examples/watch-fd: sh watch-fd.sh PROGRAM (see common.sh)

# shellcheck disable=SC2086 # $wrapped is words

. "$(dirname "$0")/common.sh"

mkdir "$work/dir" "$work/other" "$work/many"

echo "# what comes, is written, and goes"
start server $wrapped "$program" "$work/dir"
wait_for "beginning" has_line "^watching $work/dir$" server.out
echo hello >"$work/dir/a file"
wait_for "event" has_line '^a file was written$' server.out
mv "$work/dir/a file" "$work/dir/b"
wait_for "event" has_line '^b came$' server.out
mv "$work/dir/b" "$work/other/b"
wait_for "event" has_line '^b went$' server.out
mv "$work/other/b" "$work/dir/c"
rm "$work/dir/c"
wait_for "event" has_line '^c went$' server.out
cat >"$work/expected" <<END
watching $work/dir
a file came
a file was written
a file went
b came
b went
c came
c went
END
same "$work/expected" "$work/server.out" "the events differ"
rmdir "$work/dir"
wait_end server 0
has_line '^the directory went$' server.out || fail "it does not say so"
unblemished server

echo "# while the output is not read the kernel keeps the events"
mkfifo "$work/fifo"
start stalled sh -c "exec $wrapped '$program' '$work/many' >'$work/fifo'"
exec 3<"$work/fifo"
read -r line <&3
[ "$line" = "watching $work/many" ] || fail "it begins with: $line"
long=$(printf '%0200d' 7)
before=$(progress stalled)
(
	cd "$work/many" || exit
	i=0
	while [ $i -lt 1500 ]; do
		: >"$long-$i"
		i=$((i + 1))
	done
)
wait_for "calm" eval '[ "$(sed -n "s/^State:.\(.\).*/\1/p" \
	"/proc/$(pid stalled)/status")" = S ]'
# 3000 events of 224 bytes were to be read, and as much to be written, of which
# a pipe and the buffer take 128 KiB.
[ $(($(progress stalled) - before)) -lt 300000 ] || fail "it reads them all"
: >"$work/many/last"
sed '/^last was written$/q' <&3 >"$work/got"
[ "$(grep -c "^$long-[0-9]* came$" "$work/got")" -eq 1500 ] ||
	fail "events were lost"
kill -INT "$(pid stalled)"
wait_end stalled 0
exec 3<&-
unblemished stalled

echo "# SIGINT; errors"
start third $wrapped "$program" "$work/many"
wait_for "beginning" has_line '^watching' third.out
kill -INT "$(pid third)"
wait_end third 0
unblemished third
start nowhere $wrapped "$program" "$work/nowhere"
wait_end nowhere 1
has_line 'No such' nowhere.err || fail "no reason given"
unblemished nowhere
start file $wrapped "$program" "$work/got"
wait_end file 1
has_line 'Not a directory' file.err || fail "no reason given"
start full sh -c "exec $wrapped '$program' '$work/many' >/dev/full"
wait_end full 1
has_line 'space' full.err || fail "no reason given"
unblemished full
start usage "$program"
wait_end usage 2
