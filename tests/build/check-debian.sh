#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-debian.sh ROOT: the Debian packages of docs/packaging/debian are built
# from ROOT, with their tests, and without a complaint of lintian's; then the
# tests of the packages run against what is in these.
#
# Exits with 77 and a sentence where there are no Debian tools.

set -eu
export LC_ALL=C

root=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/packages.sh"
if ! command -v dpkg >/dev/null; then
	echo 'this system has no Debian packages'
	exit 77
fi
# In a shell of its own, which need() may end.
(need dh dpkg-buildpackage lintian cmake pandoc mandoc socat make \
	module:cmocka) || exit 77

work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT
unset DEB_BUILD_OPTIONS DEB_BUILD_PROFILES CC

version=$(sed -n "s/^ *version: '\(.*\)',$/\1/p" "$root/meson.build")
source=$work/libbufev-$version
mkdir "$source"
(cd "$root" && tar cf - --exclude='./build*' --exclude=./.git .) |
	tar xf - -C "$source"
tar czf "$work/libbufev_$version.orig.tar.gz" -C "$work" \
	"libbufev-$version"
cp -R "$root/docs/packaging/debian" "$source"

cd "$source"
debian=$(dpkg-parsechangelog -S Version)
[ "${debian%-*}" = "$version" ] || {
	echo "debian/changelog is of $debian, the library of $version"
	exit 1
}
dpkg-buildpackage -us -uc
lintian --fail-on error,warning --allow-root ../*.changes

# As if they were installed.
there=$work/there
for package in libbufev0 libbufev-dev libbufev-doc; do
	dpkg -x ../"${package}_$debian"_*.deb "$there"
done
libraries=$there/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
export AUTOPKGTEST_TMP="$work" LD_LIBRARY_PATH="$libraries"
export CMAKE_PREFIX_PATH="$there/usr"
export PKG_CONFIG_LIBDIR="$libraries/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$there"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
for test in link cmake; do
	grep -qx "Tests: $test" debian/tests/control
	"debian/tests/$test"
done
for path in "$there/usr/share/doc/libbufev-doc/site/index.html" \
	"$there/usr/share/man/man7/bufev.7.gz" \
	"$there/usr/share/gdb/auto-load/usr/lib"; do
	[ -e "$path" ]
done
echo "Debian packages of $debian: built, tested, and lintian is content"
