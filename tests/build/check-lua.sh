#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-lua.sh ROOT BUILD: the module of Lua builds alone, by the line that
# examples/lua/bufev-lua.c names and by that of docs/howto/lua.md, and shows
# nothing but what Lua asks for.  The script on that page works with it.

set -eu

root=$1 build=$2
page=$root/docs/howto/lua.md
command -v lua5.4 >/dev/null && pkg-config --exists lua5.4 &&
	lua5.4 -e 'require "socket"' 2>/dev/null || exit 77
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
server=
end()
{
	status=$?
	trap - EXIT
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
	rm -rf "$work"
	exit $status
}
trap end EXIT

cp "$root"/examples/lua/* "$work"
cd "$work"
mkdir bin
printf '#!/bin/sh\nPATH=%s exec %s -Wall -Werror "$@"\n' \
	"$PATH" "${CC:-cc}" >bin/cc
chmod +x bin/cc

# compile: by the line in the file "line"; "cc" is what we are built with.
compile()
{
	cat line
	rm -f bufev.so
	PATH=$work/bin:$PATH PKG_CONFIG_PATH=$build/meson-uninstalled \
		sh -e line
	shown=$(nm -D --defined-only bufev.so | awk '{ print $NF }')
	[ "$shown" = luaopen_bufev ] && return
	echo "it shows: $shown"
	exit 1
}
sed -n '/^ \*   cc /,/^ \*$/s/^ \*//p' bufev-lua.c | grep . >line
compile
grep '^cc ' "$page" >line
compile

export LUA_CPATH_5_4='./?.so;;' LD_LIBRARY_PATH="$build/lib" DYLD_LIBRARY_PATH="$build/lib"
lua5.4 echo-server.lua 0 >listening &
server=$!
tries=0
until [ -s listening ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || exit 1
	sleep 0.1
done
port=$(sed 's/.*://' listening)
sed -n '/^```lua$/,/^```$/p' "$page" | grep -v '^```' >page.lua
sed "s/7000/$port/; s/(10, 10)/(0.2, 0.2)/" page.lua >there.lua
timeout 60 lua5.4 there.lua >said
[ "$(cat said)" = 'hello
read|timeout' ]
echo 'the script of the page works'
