#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-listed.sh ROOT: what lies in the tree is built and run.  Every file of
# lib/ is in lib/meson.build or is a backend, every test-NAME.c is in
# tests/meson.build (and among the threaded where it is), every fuzzer runs, every
# example is built and has its test, and every public header is installed.  The
# same goes for the module of Lua.

# The names of the files are words.
# shellcheck disable=SC2013,SC2044,SC2046

set -eu

cd "$1"
failed=0

# listed NAME MESON_FILE
listed()
{
	grep -qF "'$1'" "$2" && return
	echo "$2 does not list $1"
	failed=1
}

for path in lib/*.c; do
	name=${path#lib/}
	case $name in
	kernel-posix.c) listed "$name" lib/meson.build ;;
	kernel-*.c)
		name=${name#kernel-}
		listed "${name%.c}" lib/meson.build
		;;
	*) listed "$name" lib/meson.build ;;
	esac
done
for path in $(find tests -name 'test-*.c'); do
	name=${path#tests/}
	listed "${name%.c}" tests/meson.build
done
# A test with threads is one for the thread sanitizer: it is listed twice.
for path in $(grep -l 'pthread_create' $(find tests -name 'test-*.c')); do
	name=${path#tests/}
	[ "$(grep -cF "'${name%.c}'" tests/meson.build)" = 2 ] && continue
	echo "tests/meson.build does not list $name among the threaded"
	failed=1
done
for path in tests/fuzz/fuzz-*.c; do
	name=${path#tests/fuzz/fuzz-}
	listed "${name%.c}" tests/fuzz/meson.build
done
for path in examples/*.c; do
	name=${path#examples/}
	listed "${name%.c}" examples/meson.build
	[ -e "tests/examples/${name%.c}.sh" ] || {
		echo "$path has no test"
		failed=1
	}
done
for path in docs/*/code/*.c; do
	name=${path##*/}
	case $name in
	step-*.c) continue ;; # by its number
	esac
	listed "${name%.c}" tests/docs/meson.build
done
for path in examples/lua/*.c; do
	listed "${path##*/}" examples/lua/meson.build
done
for path in examples/lua/*.lua; do
	grep -q "${path##*/}" tests/examples/lua-echo.sh && continue
	echo "$path has no test"
	failed=1
done
for path in tests/lua/test-*.lua; do
	name=${path##*/}
	listed "${name%.lua}" tests/lua/meson.build
done
for path in include/*.h include/*/*.h; do
	listed "$path" meson.build
done
exit $failed
