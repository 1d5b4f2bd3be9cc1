#!/bin/sh
# SPDX-License-Identifier: MIT
#
# prepare.sh NAME DIR: makes DIR/cross.ini, by which meson builds for another
# processor or another C library, and cmocka for that, in DIR/root.
#
#   i386    4 bytes a pointer; runs on the processor itself
#   s390x   big-endian; runs in qemu
#   musl    another C library
#   bare    this machine, without what Linux has beyond POSIX.1-2008: a poll
#           backend, a pipe for a bell, and each flag set by a call of its own
#
# But for the last, all is linked statically, so nothing foreign but compilers
# is installed, and no package of another architecture.  cmocka is compiled from
# the source that Debian has for it: its package holds one for this architecture
# and glibc.
#
# Exits with 77 and a sentence where the packages cannot be had.

set -eu
name=$1 dir=$2
here=$(cd "$(dirname "$0")" && pwd)

. "$here/../support/packages.sh"

# without HEADER [WORD...]: the header, which does not know these words; with
# none, there is no such header.
without()
{
	header=$1
	shift
	mkdir -p "$(dirname "$dir/bare/$header")"
	{
		[ $# -gt 0 ] || echo '#error "a bare system does not have this"'
		echo '#pragma once'
		for word in "$@"; do
			echo "#define $word bare_$word"
		done
		[ $# = 0 ] || echo "#include_next <$header>"
		for word in "$@"; do
			echo "#undef $word"
		done
	} >"$dir/bare/$header"
}

if [ "$name" = bare ]; then
	if [ "$(uname -s)" != Linux ]; then
		echo 'a bare system is made of Linux alone'
		exit 77
	fi
	rm -rf "$dir"
	without malloc.h
	without linux/io_uring.h
	without linux/sockios.h
	without poll.h ppoll POLLRDHUP
	without sys/epoll.h
	without sys/eventfd.h
	without sys/inotify.h
	without sys/mman.h memfd_create
	without sys/socket.h accept4 MSG_NOSIGNAL SOCK_CLOEXEC SOCK_NONBLOCK
	without time.h timer_create
	without unistd.h dup3 pipe2
	cat >"$dir/cross.ini" <<END
[binaries]
c = '${CC:-gcc}'
ar = 'ar'
strip = 'strip'
pkgconfig = 'pkg-config'

[properties]
needs_exe_wrapper = false

[built-in options]
c_args = ['-U__linux__', '-isystem', '$dir/bare']

[host_machine]
system = 'bare'
cpu_family = '$(uname -m)'
cpu = '$(uname -m)'
endian = 'little'
END
	exit
fi

case $name in
i386) compiler=i686-linux-gnu-gcc ar=i686-linux-gnu-ar cpu=x86 endian=little ;;
s390x) compiler=s390x-linux-gnu-gcc ar=s390x-linux-gnu-ar cpu=s390x endian=big ;;
musl) compiler=musl-gcc ar=ar cpu=x86_64 endian=little ;;
esac
if [ "$(uname -m)" != x86_64 ]; then
	echo "only x86_64 is known to serve for this, not $(uname -m)"
	exit 77
fi

# In a shell of its own, which need() may end.
have()
{
	(need "$@") || exit 77
}
have apt-get xz pkg-config "$compiler"
case $name in
i386) have dir:/usr/i686-linux-gnu/include/linux ;;
s390x) have dir:/usr/s390x-linux-gnu/include/linux qemu-s390x ;;
esac

rm -rf "$dir"
mkdir -p "$dir/sources" "$dir/lists/partial" "$dir/root/include"
cd "$dir"

# The lists of sources are fetched aside: the system's stay as they are.
for file in /etc/apt/sources.list.d/*.sources; do
	[ ! -e "$file" ] ||
		sed 's/^Types:.*/Types: deb-src/' "$file" >"sources/${file##*/}"
done
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[ ! -e "$file" ] ||
		sed -n 's/^deb /deb-src /p' "$file" >"sources/${file##*/}"
done
apt()
{
	apt-get -qq -o Dir::Etc::SourceList=/dev/null \
		-o Dir::Etc::SourceParts="$dir/sources/" \
		-o Dir::State::Lists="$dir/lists" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o APT::Sandbox::User=root "$@"
}
if ! { apt update && apt source --download-only cmocka; }; then
	echo 'the source of cmocka cannot be had'
	exit 77
fi
tar xf cmocka_*.orig.tar.xz --strip-components=1

# musl-gcc has no headers of the kernel; these need no C library's.
kernel=
if [ "$name" = musl ]; then
	mkdir kernel
	ln -s /usr/include/linux /usr/include/asm-generic \
		"/usr/include/$cpu-linux-gnu/asm" kernel
	kernel="'-idirafter', '$dir/kernel'"
fi

"$compiler" -O1 -c -o cmocka.o -Iinclude -DHAVE_INTTYPES_H -DHAVE_MALLOC_H \
	-DHAVE_SIGNAL_H -DHAVE_STRINGS_H -DHAVE_STRUCT_TIMESPEC \
	-DHAVE_CLOCK_REALTIME -DHAVE_GCC_THREAD_LOCAL_STORAGE=1 src/cmocka.c
"$ar" rcs root/libcmocka.a cmocka.o
cp include/cmocka.h root/include
cat >root/cmocka.pc <<END
Name: cmocka
Description: unit tests
Version: $(echo cmocka_*.orig.tar.xz | sed 's/cmocka_\(.*\)\.orig.*/\1/')
Cflags: -isystem $dir/root/include
Libs: -L$dir/root -lcmocka
END

cat >cross.ini <<END
[binaries]
c = '$compiler'
ar = '$ar'
strip = 'strip'
pkgconfig = 'pkg-config'
$([ "$name" != s390x ] || echo "exe_wrapper = 'qemu-s390x'")

[properties]
pkg_config_libdir = '$dir/root'

[built-in options]
c_args = [$kernel]
c_link_args = ['-static']

[host_machine]
system = 'linux'
cpu_family = '$cpu'
cpu = '$cpu'
endian = '$endian'
END
