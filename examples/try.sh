#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sh examples/try.sh: builds the library and the examples in build-try/ (or in
# $BUFEV_BUILD), starts the echo server, and has the line client talk to it.
# The exit code is 0 where all that was said came back.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUFEV_BUILD:-$root/build-try}

. "$root/tests/support/packages.sh"
need pkg-config gcc meson ninja

unset DESTDIR BUFEV_BACKEND

# quietly COMMAND...: its output is worth reading only where it fails.
quietly()
{
	"$@" >"$work/log" 2>&1 </dev/null || {
		cat "$work/log"
		echo "failed: $*"
		exit 1
	}
}

server=
end()
{
	status=$?
	trap - EXIT
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
	rm -rf "$work"
	exit $status
}
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap end EXIT
trap 'exit 1' HUP INT TERM

echo "Building libbufev and its examples in $build ..."
[ -e "$build/build.ninja" ] ||
	quietly meson setup "$build" "$root" -Dtests=false
quietly ninja -C "$build"

# A shell lets what runs in the background ignore SIGINT, and that is passed
# on; the server takes the signal nevertheless, since it asks for it.
echo
echo '$ echo-server 0 &'
"$build/examples/echo-server" 0 >"$work/server" 2>&1 &
server=$!
tries=0
until grep -q '^listening on .*:[0-9]' "$work/server"; do
	tries=$((tries + 1))
	if [ $tries -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
		cat "$work/server"
		echo 'The server did not start.'
		exit 1
	fi
	sleep 0.1
done
cat "$work/server"
address=$(sed -n 's/^listening on //p' "$work/server")

cat >"$work/said" <<'END'
Hello, reactor.
A line is a line, whatever the pieces are that it comes in.
The end of input is half a close: what is on its way still comes back.
END
echo
echo "\$ line-client $address"
sed 's/^/> /' "$work/said"
if ! timeout 60 "$build/examples/line-client" "$address" \
	<"$work/said" >"$work/heard"; then
	echo 'The client has failed.'
	exit 1
fi
sed 's/^/< /' "$work/heard"

echo
echo '$ kill -INT %1'
kill -INT "$server"
status=0
wait "$server" || status=$?
server=
echo "The server has ended with $status."

[ "$status" = 0 ] || exit 1
cmp -s "$work/said" "$work/heard" || {
	echo 'What came back is not what was said.'
	exit 1
}
echo
echo 'All of it came back. The programs are in examples/; begin with'
echo 'examples/echo-server.c, and with the first program in README.md.'
