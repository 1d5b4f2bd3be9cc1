#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sh tests/run.sh [--long]: builds everything and runs all tests.
#
# Stages, each in a build directory of its own under build-test/ (or under
# $BUFEV_BUILD), without a warning:
#
#   gcc       all tests on all backends, the build checks, what the programs
#             say that read the source, a benchmark smoke run
#   clang     all tests on the best two backends of Linux
#   asan      address and undefined-behaviour sanitizer, all backends
#   tsan      thread sanitizer, the tests that use threads
#   valgrind  the gcc build, on one backend
#   fuzz      each fuzzer for a minute, under the address sanitizer, with the
#             same inputs each time; the seeds of all are run by every stage
#   coverage  all lines of lib/ were run, and 19 of 20 branches, by the tests of
#             a build that counts: tests/coverage/coverage.py
#
# With --long, besides:
#
#   repeat    the tests of the gcc build 20 times, to find those that fail now
#             and then
#   stress    8,000 connections at once for a minute, on each backend, and then
#             300 through two network namespaces and a wire that loses packets
#   tidy      clang-tidy, to the end of every path
#   valgrind  on all backends that it understands (not io_uring) instead
#   examples  these under valgrind, too, on one backend
#   model     a billion steps of the model of bufferevents, from half a million
#             seeds: 17 minutes of a core
#   compare   a hundred seeds of the scripts that are compared with libevent
#   i386      4 bytes a pointer; all tests and backends
#   s390x     big-endian, in qemu: what that passes on to the system
#   musl      another C library; all tests and backends
#   bare      no more than POSIX.1-2008 has: on poll
#   fuzz      each fuzzer for an hour instead
#   dist      the archive that `meson dist` makes of what is committed: all of
#             the gcc stage again, in there
#   debian    Debian packages made of it: tests/build/check-debian.sh
#   mutation  a hundred changes to the library, of which the tests must notice
#             nine in ten: tests/mutation/mutate.py
#
# That is on Debian, which has what each stage needs.  Elsewhere (another Linux,
# macOS, FreeBSD, NetBSD, OpenBSD) a stage whose needs are not met is skipped,
# and says why; "gcc" takes the compiler that is there.
#
# What is missing of packages is installed where we are root.  The
# very last line says "N passed, N failed"; the exit code is 0 where none did.

set -u
exec </dev/null
export LC_ALL=C

long=
case ${1-} in
'') ;;
--long) long=yes ;;
*)
	sed -n 's/^# \(sh tests.*\)/usage: \1/p' "$0"
	exit 2
	;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
builds=${BUFEV_BUILD:-$root/build-test}

. "$root/tests/support/packages.sh"
# pkg-config comes first: it finds others.
need pkg-config
need timeout gcc g++ clang clang++ make meson ninja nm python3 cmake git \
	module:cmocka module:libevent module:libuv header:ev.h \
	valgrind strace gdb gcovr clang-format clang-tidy cppcheck shellcheck \
	socat curl wrk script mandoc pandoc \
	lua5.1 lua5.2 lua5.3 lua5.4 luajit lua:socket module:lua5.1 \
	module:lua5.2 module:lua5.3 module:lua5.4 module:luajit

# What follows must not depend on how the caller builds other things.
unset CFLAGS CPPFLAGS LDFLAGS DESTDIR BUFEV_BACKEND BUFEV_SLOW BUFEV_BRIEF
unset BUFEV_FUZZ_SECONDS

# Two at a time would wipe each other's builds.
mkdir -p "$builds"
if command -v flock >/dev/null; then
	exec 9>"$builds/lock"
	flock -n 9 || {
		echo "another run is going on in $builds"
		exit 1
	}
fi

linux=
[ "$(uname -s)" != Linux ] || linux=yes
backends='epoll poll uring kqueue' benchmarks=true
[ -n "$linux" ] || backends='kqueue poll' benchmarks=false
first=gcc
command -v gcc >/dev/null || first=cc
# Where Python has no plain name, meson has brought one of a version.
python=$(command -v python3 ||
	find /usr/pkg/bin -name 'python3.[1-9]*[0-9]' | sort | tail -n 1)

# Tests wait more than they reckon: two for each processor keep it busy.
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
export MESON_TESTTHREADS=$((2 * cores))

logs=
begin=$(date +%s)
say()
{
	printf '\n=== %s (%d s)\n' "$*" $(($(date +%s) - begin))
}

# configure NAME COMPILER OPTION...: a build of the source in $from.
from=$root
configure()
{
	name=$1 compiler=$2
	shift 2
	say "build $name"
	rm -rf "${builds:?}/$name"
	CC=$compiler meson setup "$builds/$name" "$from" -Dwerror=true "$@" \
		>"$builds/$name.log" 2>&1 &&
		! grep WARNING "$builds/$name.log" && return
	tail -n 60 "$builds/$name.log"
	return 1
}

# build NAME COMPILER OPTION...: all of it.
build()
{
	configure "$@" || return
	ninja -C "$builds/$name" >"$builds/$name.log" 2>&1 && return
	tail -n 60 "$builds/$name.log"
	return 1
}

# run STAGE BUILD SETUP ARGUMENT...: SETUP is "-" for none.  What the tests need
# and has not been built is built.
run()
{
	stage=$1 build=$2 setup=$3
	shift 3
	say "run $stage"
	base=$builds/$build/meson-logs/$stage
	[ "$setup" = - ] || set -- --setup "$setup" "$@"
	[ "$setup" = - ] || base=$base-$setup
	meson test -C "$builds/$build" --logbase "$stage" --print-errorlogs \
		--quiet "$@" >"$builds/$stage.log" 2>&1 ||
		cat "$builds/$stage.log"
	grep -E '^(Ok|Fail|Timeout|Skipped):' "$builds/$stage.log"
	logs="$logs$stage=$base.json
"
}

# check STAGE COMMAND...: one test, which says in its last line how it went.
# It is skipped where it exits with 77, as in meson.
check()
{
	stage=$1
	shift
	say "run $stage"
	"$@" >"$builds/$stage.log" 2>&1
	case $? in
	0) result=OK lines=1 ;;
	77) result=SKIP lines=1 ;;
	*) result=FAIL lines=60 ;;
	esac
	tail -n "$lines" "$builds/$stage.log"
	printf '{"name": "%s", "result": "%s"}\n' "$stage" "$result" \
		>"$builds/$stage.json"
	logs="$logs$stage=$builds/$stage.json
"
}

# stress STAGE OPTION...: for $backend.
stress()
{
	name=$1
	shift
	check "$name" env BUFEV_LONG=1 BUFEV_BACKEND="$backend" \
		timeout 600 "$builds/gcc/tests/stress/stress" "$@"
}

# foreign NAME SETUP [ARGUMENT...]: a build for another machine, and its tests.
foreign()
{
	machine=$1 setup_of=$2
	shift 2
	check "prepare-$machine" sh "$root/tests/foreign/prepare.sh" \
		"$machine" "$builds/prepared-$machine"
	case $result in
	SKIP) return ;;
	OK) build "$machine" gcc -Ddefault_library=static \
		--cross-file "$builds/prepared-$machine/cross.ini" &&
		run "$machine" "$machine" "$setup_of" --no-suite build "$@" &&
		return ;;
	esac
	lost "$machine"
}

# archive: a release, as others get it.
archive()
{
	source=$builds/dist-source
	check dist-archive sh "$root/tests/build/check-dist.sh" "$root" \
		"$builds/gcc" "$source"
	case $result in
	SKIP) source=$root ;;
	OK)
		# There it is in no git repository, whatever is around it.
		export GIT_CEILING_DIRECTORIES="$builds"
		from=$source
		if build dist gcc; then
			run dist dist -
		else
			lost dist
		fi
		from=$root
		;;
	*)
		lost dist debian
		return
		;;
	esac
	check debian sh "$root/tests/build/check-debian.sh" "$source"
}

# lacks STAGE WHY COMMAND...: skips the stage where the command fails.
lacks()
{
	stage=$1 why=$2
	shift 2
	if [ "$manager" = apt-get ] || "$@" >"$builds/$stage.log" 2>&1; then
		return 1
	fi
	check "$stage" sh -c 'echo "skipped: $1"; exit 77' sh "$why"
}

# can PROGRAM COMPILER OPTION...: is it compiled, and does it run?
can()
{
	echo "$1" >"$builds/can.c"
	shift
	"$@" -o "$builds/can" "$builds/can.c" && "$builds/can" -runs=1
}
program='int main(void) { return 0; }'
fuzzer='int LLVMFuzzerTestOneInput(const unsigned char *, unsigned long);
int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n)
{ (void)p; (void)n; return 0; }'

# A stage that could not be built has no log, which counts as a failure.
lost()
{
	for stage in "$@"; do
		logs="$logs$stage=/nonexistent
"
	done
}

if build gcc "$first" -Dbenchmarks="$benchmarks"; then
	run gcc gcc -
	if [ -n "$long" ]; then
		run repeat gcc - --repeat 20 --no-suite build --no-suite bench \
			--no-suite examples --no-suite stress
		for backend in $backends; do
			stress "stress-$backend"
			stress "wire-$backend" --wire
		done
		lacks tidy 'no clang-tidy' command -v clang-tidy ||
			check tidy env BUFEV_LONG=1 "$python" \
				"$root/tests/lint/each.py" "$builds/gcc" clang-tidy
		check model "$builds/gcc/tests/test-bufferevent-model" \
			100000000 1000000000
		scripts=$builds/gcc/tests/differential
		for name in buffers streams bulk; do
			check "compare-$name" \
				sh "$root/tests/differential/compare.sh" \
				"$scripts/$name-libevent" \
				"$scripts/$name-bufev" 1000 1099
		done
	fi
	if ! lacks valgrind 'no valgrind' command -v valgrind; then
		if [ -n "$long" ]; then
			run valgrind gcc valgrind
			run examples gcc valgrindexamples --suite examples \
				--no-suite uring --no-suite poll
		else
			run valgrind gcc valgrind --no-suite poll \
				${linux:+--no-suite kqueue}
		fi
	fi
else
	lost gcc valgrind
fi
if lacks clang 'no clang' command -v clang; then
	:
elif build clang clang; then
	if [ -n "$linux" ]; then
		run clang clang brief --suite once --suite epoll --suite uring
	else
		run clang clang brief --suite once --suite kqueue
	fi
else
	lost clang
fi
if lacks asan 'no address sanitizer' \
	can "$program" "$first" -fsanitize=address,undefined; then
	:
elif build asan "$first" -Db_lundef=false -Db_sanitize=address,undefined; then
	run asan asan asan
else
	lost asan
fi
if lacks tsan 'no thread sanitizer' \
	can "$program" "$first" -fsanitize=thread; then
	:
elif configure tsan "$first" -Db_lundef=false -Db_sanitize=thread; then
	run tsan tsan tsan --suite threads
else
	lost tsan
fi
# The fuzzers run beside each other.
if lacks fuzz 'no libFuzzer' \
	can "$fuzzer" clang -fsanitize=fuzzer,address,undefined; then
	:
elif configure fuzz clang -Dfuzzing=true -Dexamples=false -Db_lundef=false \
	-Db_sanitize=address,undefined; then
	[ -z "$long" ] || export BUFEV_FUZZ_SECONDS=3600
	run fuzz fuzz -
else
	lost fuzz
fi
# -O0, so that a line is a line; atomic, so that threads count right.
if lacks coverage 'what has to be run is said for Debian' false; then
	:
elif build coverage gcc -Db_coverage=true -Dbuildtype=debug -Dexamples=false \
	-Ddefault_library=static -Dc_args=-fprofile-update=atomic; then
	run coverage-run coverage brief
	check coverage python3 "$root/tests/coverage/coverage.py" "$root" \
		"$builds/coverage"
else
	lost coverage
fi
if [ -n "$long" ]; then
	foreign i386 -
	foreign s390x qemu
	foreign musl -
	foreign bare - --no-suite differential
	archive
	lacks mutation 'for Debian' false ||
		check mutation python3 "$root/tests/mutation/mutate.py" \
			"$root" "$builds/mutation" --seed 1 --count 100
fi

IFS='
'
# One argument a line.
# shellcheck disable=SC2086
exec "$python" "$root/tests/support/summary.py" $logs
