# SPDX-License-Identifier: MIT
#
# need THING...: sees to it that the packages behind these things are installed.
# As root it installs what is missing; otherwise it says how to, in one line,
# and ends the script.  (Homebrew refuses root: there it installs where $CI is
# set.)  Sourced by tests/run.sh and examples/try.sh.
#
# A thing is a command, a pkg-config module as "module:NAME", a header as
# "header:NAME", a directory as "dir:PATH", or a module of Lua as "lua:NAME".
#
# Debian is where everything is tested: a thing that is not in its list is a
# package of the same name.  Elsewhere what is not in the list is not needed:
# the system has it, or goes without, and what is left out for that is said by
# tests/run.sh.

# Which of them installs packages here; nothing where it is none that we know.
package_manager()
{
	case $(uname -s) in
	Darwin) set -- brew ;;
	FreeBSD | DragonFly) set -- pkg ;;
	NetBSD) set -- pkgin pkg_add ;;
	OpenBSD) set -- pkg_add ;;
	*) set -- apt-get apk dnf pacman ;;
	esac
	for manager in "$@"; do
		command -v "$manager" >/dev/null || continue
		echo "$manager"
		break
	done
}

# packages_of MANAGER: THING=PACKAGE, or one word where the names are the same.
packages_of()
{
	case $1 in
	apt-get)
		echo make=build-essential gcc=build-essential clang++=clang \
			ninja=ninja-build nm=binutils timeout=coreutils \
			script=bsdutils module:cmocka=libcmocka-dev module:libevent=libevent-dev \
			module:libuv=libuv1-dev header:ev.h=libev-dev \
			module:lua5.1=liblua5.1-0-dev \
			module:lua5.2=liblua5.2-dev \
			module:lua5.3=liblua5.3-dev \
			module:lua5.4=liblua5.4-dev \
			module:luajit=libluajit-5.1-dev lua:socket=lua-socket \
			xz=xz-utils dh=debhelper dpkg-buildpackage=dpkg-dev \
			i686-linux-gnu-gcc=gcc-i686-linux-gnu \
			s390x-linux-gnu-gcc=gcc-s390x-linux-gnu \
			musl-gcc=musl-tools qemu-s390x=qemu-user \
			dir:/usr/i686-linux-gnu/include/linux=libc6-dev-i386-cross \
			dir:/usr/s390x-linux-gnu/include/linux=libc6-dev-s390x-cross
		;;
	apk)
		echo make=build-base gcc=build-base g++=build-base nm=binutils \
			clang clang++=clang pkg-config=pkgconf meson \
			ninja=samurai python3 git cmake curl gdb mandoc socat \
			strace valgrind module:cmocka=cmocka-dev \
			module:libevent=libevent-dev module:libuv=libuv-dev \
			header:ev.h=libev-dev
		;;
	dnf)
		echo make gcc g++=gcc-c++ nm=binutils clang clang++=clang \
			pkg-config=pkgconf-pkg-config meson ninja=ninja-build \
			python3 git cmake curl gdb mandoc pandoc=pandoc-cli socat \
			strace valgrind module:cmocka=libcmocka-devel \
			module:libevent=libevent-devel module:libuv=libuv-devel \
			header:ev.h=libev-devel
		;;
	pacman)
		echo make gcc g++=gcc nm=binutils clang clang++=clang \
			pkg-config=pkgconf meson ninja python3=python git cmake \
			curl gdb socat strace valgrind module:cmocka=cmocka \
			module:libevent=libevent module:libuv=libuv \
			header:ev.h=libev
		;;
	brew)
		echo pkg-config=pkgconf meson ninja cmake mandoc pandoc socat \
			timeout=coreutils module:cmocka=cmocka \
			module:libevent=libevent module:libuv=libuv \
			header:ev.h=libev
		;;
	pkg)
		echo pkg-config=pkgconf meson ninja python3 git=git-lite cmake \
			curl socat valgrind module:cmocka=cmocka \
			module:libevent=libevent module:libuv=libuv \
			header:ev.h=libev
		;;
	pkgin | pkg_add)
		# meson brings a Python, whatever its name is.
		[ "$(uname -s)" = OpenBSD ] ||
			echo pkg-config=pkgconf ninja=ninja-build git=git-base
		echo meson ninja git cmake curl socat module:cmocka=cmocka \
			module:libevent=libevent module:libuv=libuv \
			header:ev.h=libev
		;;
	esac
}

# package_of MANAGER THING: nothing where this system needs none.
package_of()
{
	for entry in $(packages_of "$1"); do
		case $entry in
		"$2" | "$2="*)
			echo "${entry#"$2="}"
			return
			;;
		esac
	done
	[ "$1" != apt-get ] || echo "$2"
}

# present THING
present()
{
	case $1 in
	module:*) pkg-config --exists "${1#module:}" 2>/dev/null ;;
	dir:*) [ -d "${1#dir:}" ] ;;
	header:*)
		for place in /usr /usr/local /usr/pkg /opt/homebrew; do
			[ ! -e "$place/include/${1#header:}" ] || return 0
		done
		return 1
		;;
	lua:*) lua5.4 -e "require '${1#lua:}'" >/dev/null 2>&1 ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

# The packages of those things that are not present.
missing_packages()
{
	for thing in "$@"; do
		present "$thing" || package_of "$manager" "$thing"
	done | sort -u | tr '\n' ' '
}

# install_command MANAGER
install_command()
{
	case $1 in
	apt-get) echo apt-get install -y --no-install-recommends ;;
	apk) echo apk add ;;
	dnf) echo dnf install -y ;;
	pacman) echo pacman -Sy --noconfirm --needed ;;
	brew) echo brew install ;;
	pkg) echo pkg install -y ;;
	pkgin) echo pkgin -y install ;;
	pkg_add)
		[ "$(uname -s)" = OpenBSD ] && echo pkg_add -I || echo pkg_add
		;;
	esac
}

# How one who is not root gets it done.
as_root()
{
	case $1 in
	brew*) echo "$1" ;;
	pkg*) echo "su root -c '$1'" ;;
	*) echo "sudo $1" ;;
	esac
}

may_install()
{
	[ "$manager" = brew ] && [ -n "${CI-}" ] && return
	[ "$manager" != brew ] && [ "$(id -u)" = 0 ]
}

need()
{
	manager=$(package_manager)
	if [ -z "$manager" ]; then
		for thing in "$@"; do
			present "$thing" || echo "missing here: $thing"
		done
		return 0
	fi
	missing=$(missing_packages "$@")
	missing=${missing% }
	[ -n "$missing" ] || return 0
	install="$(install_command "$manager") $missing"
	if ! may_install; then
		echo "these packages are missing; please install them:"
		as_root "$install"
		exit 1
	fi
	echo "installing: $missing"
	export DEBIAN_FRONTEND=noninteractive ASSUME_ALWAYS_YES=yes
	[ "$manager" != apt-get ] || apt-get update -qq
	log=$(mktemp "${TMPDIR:-/tmp}/packages.XXXXXX")
	# The names are words, to be split.
	# shellcheck disable=SC2086
	$install >"$log" 2>&1 || {
		cat "$log"
		rm "$log"
		echo "$manager could not install: $missing"
		exit 1
	}
	rm "$log"
	missing=$(missing_packages "$@")
	[ -z "$missing" ] || {
		echo "still missing after the installation: $missing"
		exit 1
	}
}
