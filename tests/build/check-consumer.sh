#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-consumer.sh ROOT: the library as others get it.
#
# Installs under a DESTDIR; an outside project is built against that by
# pkg-config, shared and static, and runs; uninstalling leaves not one file.
# Then the same project takes the source as a meson subproject, in which no
# test and no example is built and of which nothing is installed.

set -eu
export LC_ALL=C

root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What the caller installs with is not ours to use.
unset DESTDIR PKG_CONFIG_PATH PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR

say()
{
	echo "== $*"
}

# quietly COMMAND...: its output is worth reading only where it fails.
quietly()
{
	"$@" >"$work/log" 2>&1 </dev/null || {
		cat "$work/log"
		echo "failed: $*"
		return 1
	}
}

say install
stage=$work/stage
quietly meson setup "$work/build" "$root" --prefix=/opt/bufev --libdir=lib \
	-Dtests=false -Dexamples=false -Dwerror=true
quietly ninja -C "$work/build"
DESTDIR=$stage quietly meson install --no-rebuild -C "$work/build"
(cd "$stage" && find . ! -type d | sort)

for name in libbufev.a libbufev.so libbufev.so.0 pkgconfig/bufev.pc; do
	[ -e "$stage/opt/bufev/lib/$name" ]
done
for path in "$root"/include/*.h "$root"/include/*/*.h; do
	cmp "$path" "$stage/opt/bufev/include/${path#"$root/include/"}"
done

say 'an outside project, by pkg-config'
mkdir "$work/outside"
cp "$root"/tests/build/consumer/* "$work/outside"
export PKG_CONFIG_LIBDIR="$stage/opt/bufev/lib/pkgconfig"
export PKG_CONFIG_SYSROOT_DIR="$stage"
pkg-config --print-errors --exists 'bufev >= 0.1'
quietly make -C "$work/outside" ${CC:+"CC=$CC"}
LD_LIBRARY_PATH=$stage/opt/bufev/lib "$work/outside/shared"
"$work/outside/static"
readelf -d "$work/outside/shared" | grep -q 'NEEDED.*\[libbufev\.so\.0\]'
if readelf -d "$work/outside/static" | grep -q NEEDED; then
	echo 'the static program needs a library'
	exit 1
fi
unset PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR

say uninstall
DESTDIR=$stage quietly ninja -C "$work/build" uninstall
if [ -e "$stage" ] && find "$stage" ! -type d | grep .; then
	echo 'was left behind'
	exit 1
fi

say 'an outside project, with a subproject'
mkdir -p "$work/parent/subprojects"
cp "$root"/tests/build/consumer/* "$work/parent"
ln -s "$root" "$work/parent/subprojects/libbufev"
for kind in shared static; do
	build=$work/parent/$kind
	quietly meson setup "$build" "$work/parent" --prefix=/opt/consumer \
		-Ddefault_library=$kind --force-fallback-for=bufev
	! grep WARNING "$work/log" || exit 1
	quietly ninja -C "$build"
	"$build/consumer"
	meson introspect --tests "$build" | grep -qx '\[\]'
	! find "$build" -name 'echo-server*' | grep . || exit 1
	DESTDIR=$work/$kind quietly meson install --no-rebuild -C "$build"
	[ "$(cd "$work/$kind" && find . ! -type d)" = \
		./opt/consumer/bin/consumer ]
done
