#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-consumer.sh ROOT: the library as others get it.
#
# Installs under a DESTDIR; an outside project is built against that by
# pkg-config and by CMake, shared and static, and runs; uninstalling leaves not
# one file.  Then the same project takes the source as a meson subproject (a
# link, an archive, a git repository), in which no test and no example is built
# and of which nothing is installed.

set -eu
export LC_ALL=C

root=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
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
pkg-config --modversion bufev >"$work/version"
quietly make -C "$work/outside" ${CC:+"CC=$CC"}
LD_LIBRARY_PATH=$stage/opt/bufev/lib "$work/outside/shared"
"$work/outside/static"
readelf -d "$work/outside/shared" | grep -q 'NEEDED.*\[libbufev\.so\.0\]'
if readelf -d "$work/outside/static" | grep -q NEEDED; then
	echo 'the static program needs a library'
	exit 1
fi
unset PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR

# cmake_outside DIR OPTION...: as CMake finds it, wherever the tree was moved.
cmake_outside()
{
	build=$work/$1
	shift
	quietly cmake -S "$work/outside" -B "$build" -Wno-dev \
		-DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$moved" "$@"
}
if command -v cmake >/dev/null; then
	say 'an outside project, by CMake'
	moved=$work/moved
	cp -R "$stage/opt/bufev" "$moved"
	cmake_outside shared
	quietly cmake --build "$build"
	"$build/default"
	"$build/static"
	ldd "$build/default" | grep -q "$moved/lib/libbufev.so.0"
	! ldd "$build/static" | grep bufev || exit 1
	cmake_outside chosen -Dbufev_USE_STATIC_LIBS=ON -DWANTED=0.1...0.2
	quietly cmake --build "$build" --target default
	"$build/default"
	! ldd "$build/default" | grep bufev || exit 1
	for version in 0.99 1.0 0.0.1...\<0.1; do
		! cmake_outside refused "-DWANTED=$version" >/dev/null || exit 1
		grep -q "version: $(cat "$work/version")" "$work/log" || {
			cat "$work/log"
			exit 1
		}
	done
	# What is built shared alone is not offered static, and so on.
	rm "$moved/lib/libbufev.a"
	! cmake_outside half >/dev/null || exit 1
	grep -q 'bufev::static' "$work/log"
	rm "$moved"/lib/libbufev.so*
	! cmake_outside empty >/dev/null || exit 1
	grep -q "there is no library in $moved/lib" "$work/log"
else
	echo 'there is no CMake: find_package(bufev) is not tested'
fi

say uninstall
DESTDIR=$stage quietly ninja -C "$work/build" uninstall
if [ -e "$stage" ] && find "$stage" ! -type d | grep .; then
	echo 'was left behind'
	exit 1
fi

# wrap LINE...: how meson gets the source, and what for.
wrap()
{
	printf '%s\n' "$@" '[provide]' 'dependency_names = bufev' \
		>"$parent/subprojects/libbufev.wrap"
}

# parent WAY KIND: a project in $parent that has the source by a link or a wrap,
# set up in $build.
parent()
{
	parent=$work/parent-$1 build=$work/parent-$1/build
	say "an outside project, with a subproject: $1"
	mkdir -p "$parent/subprojects/packagefiles"
	cp "$root"/tests/build/consumer/* "$parent"
	case $1 in
	link) ln -s "$root" "$parent/subprojects/libbufev" ;;
	file)
		(cd "$work" && tar cf - libbufev-0.1 | gzip) \
			>"$parent/subprojects/packagefiles/libbufev-0.1.tar.gz"
		wrap '[wrap-file]' 'directory = libbufev-0.1' \
			'source_filename = libbufev-0.1.tar.gz'
		;;
	git)
		wrap '[wrap-git]' "url = $work/libbufev-0.1" 'revision = v0.1'
		;;
	esac
	quietly meson setup "$build" "$parent" --prefix=/opt/consumer \
		-Ddefault_library="$2" --force-fallback-for=bufev
	! grep WARNING "$work/log" || exit 1
}

# An archive of the source, as far as it is needed to build.
mkdir "$work/libbufev-0.1"
(cd "$root" && cp -R docs examples include lib meson.build \
	meson_options.txt "$work/libbufev-0.1")
for way in link:shared file:static; do
	kind=${way#*:}
	parent "${way%:*}" "$kind"
	quietly ninja -C "$build"
	"$build/consumer"
	meson introspect --tests "$build" | grep -qx '\[\]'
	! find "$build" -name 'echo-server*' | grep . || exit 1
	DESTDIR=$parent/stage quietly meson install --no-rebuild -C "$build"
	[ "$(cd "$parent/stage" && find . ! -type d)" = \
		./opt/consumer/bin/consumer ]
done
if command -v git >/dev/null; then
	(
		cd "$work/libbufev-0.1"
		git init --quiet .
		git add .
		git -c user.name=consumer -c user.email=consumer@localhost \
			commit --quiet -m all
		git tag v0.1
	)
	parent git shared
	[ -e "$parent/subprojects/libbufev/include/bufev.h" ]
fi
