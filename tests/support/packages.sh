# SPDX-License-Identifier: MIT
#
# need THING...: sees to it that the Debian packages behind these things are
# installed.  As root it installs what is missing; otherwise it says how to,
# and ends the script.  Sourced by tests/run.sh and examples/try.sh.
#
# A thing is a command, a pkg-config module as "module:NAME", a header as
# "header:NAME", or a directory as "dir:PATH".

# package_of THING
package_of()
{
	case $1 in
	make | gcc) echo build-essential ;;
	ninja) echo ninja-build ;;
	nm) echo binutils ;;
	script) echo bsdutils ;;
	module:cmocka) echo libcmocka-dev ;;
	module:libevent) echo libevent-dev ;;
	module:libuv) echo libuv1-dev ;;
	header:ev.h) echo libev-dev ;;
	clang++) echo clang ;;
	xz) echo xz-utils ;;
	i686-linux-gnu-gcc | s390x-linux-gnu-gcc) echo "gcc-${1%-gcc}" ;;
	musl-gcc) echo musl-tools ;;
	qemu-s390x) echo qemu-user ;;
	dir:/usr/i686-linux-gnu/*) echo libc6-dev-i386-cross ;;
	dir:/usr/s390x-linux-gnu/*) echo libc6-dev-s390x-cross ;;
	*) echo "$1" ;;
	esac
}

# present THING
present()
{
	case $1 in
	module:*) pkg-config --exists "${1#module:}" 2>/dev/null ;;
	dir:*) [ -d "${1#dir:}" ] ;;
	header:*) [ -e "/usr/include/${1#header:}" ] ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

# The packages of those things that are not present.
missing_packages()
{
	for thing in "$@"; do
		present "$thing" || package_of "$thing"
	done | sort -u | tr '\n' ' '
}

need()
{
	missing=$(missing_packages "$@")
	missing=${missing% }
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "these packages are missing; please install them:"
		echo "sudo apt-get install $missing"
		exit 1
	fi
	echo "installing: $missing"
	export DEBIAN_FRONTEND=noninteractive
	# The names are words, to be split.
	# shellcheck disable=SC2086
	if ! { apt-get update -qq && apt-get install -y -qq \
		--no-install-recommends $missing >/dev/null; }; then
		echo "apt-get could not install: $missing"
		exit 1
	fi
	missing=$(missing_packages "$@")
	[ -z "$missing" ] || {
		echo "still missing after the installation: $missing"
		exit 1
	}
}
