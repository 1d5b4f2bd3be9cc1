# SPDX-License-Identifier: MIT
#
# examples/http-hello: sh http-hello.sh PROGRAM (see common.sh)
#
# Against curl and wrk; http-hello.py has the rules of the protocol.

# shellcheck disable=SC2086 # $wrapped is words

. "$(dirname "$0")/common.sh"

for tool in curl wrk python3; do
	command -v "$tool" >/dev/null || skip "no $tool here"
done
rules=$(dirname "$0")/http-hello.py

start server $wrapped "$program" 0 60000
port=$(port server) || exit 1
url=http://127.0.0.1:$port/

# told FORMAT ARGUMENT...: what curl has to tell of all that it asks for.
told() {
	format=$1
	shift
	{ curl -s -w "%{stderr}%{$format} " "$@" >/dev/null; } 2>&1
}

# statuses WANTED ARGUMENT...
statuses() {
	wanted=$1
	shift
	got=$(told http_code "$@")
	[ "$got" = "$wanted " ] || fail "curl $1: $got, not $wanted"
}

echo "# curl is greeted, and keeps its connection"
[ "$(curl -s "$url")" = 'Hello, world' ] || fail "no greeting"
curl -sI "$url" | tr -d '\r' | grep -qx 'Content-Length: 13' ||
	fail "HEAD has no length"
statuses '200 200 200' "$url" "$url?[1-2]"
connects=$(told num_connects "${url}[1-5]")
[ "$connects" = '1 0 0 0 0 ' ] || fail "connections: $connects"
connects=$(told num_connects -0 "${url}[1-2]")
[ "$connects" = '1 1 ' ] || fail "connections of HTTP/1.0: $connects"

echo "# and told what is wrong"
bytes 16 | base64 | tr -d '\n' >"$work/long"
bytes 65 >"$work/large"
head -c 65536 "$work/large" >"$work/fits"
statuses '200 200' -X GET --data-binary "@$work/fits" "${url}[1-2]"
statuses 413 -X GET --data-binary "@$work/large" "$url"
statuses 411 -X GET -T - "$url" <"$work/fits"
statuses 501 --data a=b "$url"
statuses 431 -H "A: $(cat "$work/long")" "$url"
statuses 414 "$url$(cat "$work/long")"
statuses 400 -H 'Host: a/b' "$url"

echo "# wrk, with one request at a time, and with sixteen"
cat >"$work/pipeline.lua" <<'END'
function init()
	local all = {}
	for i = 1, 16 do
		all[i] = wrk.format("GET", "/" .. i)
	end
	sixteen = table.concat(all)
end
function request()
	return sixteen
end
END
# load NAME ARGUMENT...
load() {
	name=$1
	shift
	wrk -t 2 -c 40 -d 1s "$@" "$url" >"$work/$name.out" 2>&1 || fail "wrk"
	! has_line 'Non-2xx\|Socket errors' "$name.out" ||
		fail "$(cat "$work/$name.out")"
	requests=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' \
		"$work/$name.out")
	[ "${requests:-0}" -ge 100 ] || fail "$name: $requests requests"
}
load single
load sixteen -s "$work/pipeline.lua"

python3 "$rules" rules "$port" || fail "against the rules"
wait_for "closed connections" eval '[ "$(sockets server)" -eq 1 ]'
small server

start brisk $wrapped "$program" 0 1000
port=$(port brisk) || exit 1
python3 "$rules" late "$port" 1000 || fail "with the late"
wait_for "closed connections" eval '[ "$(sockets brisk)" -eq 1 ]'
small brisk

echo "# SIGINT with nobody there; an address in use; no argument"
kill -INT "$(pid brisk)"
wait_end brisk 0
unblemished brisk
port=$(port server) || exit 1
start second "$program" "$port"
wait_end second 1
has_line 'in use' second.err || fail "no reason given"
start usage "$program"
wait_end usage 2

# It has all the time that this may take.
python3 "$rules" interrupt "$port" "$(pid server)" || fail "at the interrupt"
wait_end server 0
unblemished server
