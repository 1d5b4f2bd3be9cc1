#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Measures this library beside libevent, libuv, libev and the bare system
# calls.
#
#   sh tests/bench/run.sh                 everything, about eleven minutes
#   sh tests/bench/run.sh --page          the same, and renders the page of it:
#                                         docs/explanation/performance.md
#   sh tests/bench/run.sh --smoke         everything briefly: only that it works
#   sh tests/bench/run.sh --only echo     just the echo servers; may be repeated
#   sh tests/bench/run.sh --help          the rest
#
# Builds in release mode in build-bench/ and leaves the figures in bench.json
# there, or with --page in docs/explanation/performance.json.  The machine
# should have nothing else to do.  tests/bench/render.py makes the page anew of
# the figures that are there.  What is missing of Debian's packages is installed where apt-get
# and the rights for it are at hand.

set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build-bench}

missing=
need() { # need PACKAGE TEST...
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}
need gcc command -v cc
need meson command -v meson
need ninja-build command -v ninja
need pkg-config command -v pkg-config
need python3 command -v python3
need libevent-dev test -e /usr/include/event2/event.h
need libuv1-dev test -e /usr/include/uv.h
need libev-dev test -e /usr/include/ev.h
need socat command -v socat
if [ -n "$missing" ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		# shellcheck disable=SC2086 # a list of words
		apt-get install -y --no-install-recommends $missing
	else
		echo "run.sh: missing:$missing (peers without are left out)" >&2
	fi
fi

[ -e "$build/build.ninja" ] || meson setup "$build" --buildtype=release \
	-Dbenchmarks=true -Dtests=false -Dexamples=true -Dchecks=false \
	>"${TMPDIR:-/tmp}/bench-setup.$$" || {
	cat "${TMPDIR:-/tmp}/bench-setup.$$"
	exit 1
}
rm -f "${TMPDIR:-/tmp}/bench-setup.$$"
ninja -C "$build" >&2
exec python3 tests/bench/run.py --build "$build/tests/bench" \
	--examples "$build/examples" "$@"
