#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-symbols.sh ROOT LIBRARY VERSION MAP HEADER...: what the shared library
# shows.
#
# It exports the names of the map and no other; these are the names to which
# the headers rename, and those that begin with bufev_ in the source already;
# the headers declare each of them.  It needs the C library and nothing else.

set -eu
export LC_ALL=C

root=$1 library=$2 version=$3 map=$4
shift 4
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT

failed=0
complain()
{
	echo "$*"
	failed=1
}

# same A B WHAT
same()
{
	[ -s "$work/$1" ] || complain "$1: nothing found"
	cmp -s "$work/$1" "$work/$2" && return
	complain "$3"
	diff "$work/$1" "$work/$2" || true
}

nm -D --defined-only "$library" | awk '{ print $NF }' | sort >"$work/exported"
grep -v '^bufev_' "$work/exported" >"$work/foreign" || true
[ ! -s "$work/foreign" ] ||
	complain "exported without the prefix: $(tr '\n' ' ' <"$work/foreign")"

sed -n 's/^[[:blank:]]*\(bufev_[a-z0-9_]*\);$/\1/p' "$map" |
	sort >"$work/map"
same exported map 'what is exported (<) is not what the map lists (>)'

# That list is of the whole library.
sed -n 's/^[[:blank:]]*\(bufev_[a-z0-9_]*\);$/\1/p' "$root/lib/bufev.map" |
	sort >"$work/whole"
sed -n 's/^ \(bufev_[a-z0-9_]*\)@Base .*/\1/p' \
	"$root/docs/packaging/debian/libbufev0.symbols" | sort >"$work/debian"
same whole debian 'the map (<) is not what docs/packaging/debian lists (>)'

# A function's name has small letters; each such line: name -> bufev_name.
for header in "$@"; do
	awk '$1 == "#define" && NF == 3 && $2 ~ /^[a-z]/ { print $2, $3 }' \
		"$root/include/$header"
done >"$work/renamed"
awk '$2 != "bufev_" $1 { print }' "$work/renamed" >"$work/odd"
[ ! -s "$work/odd" ] || complain "renamed: $(cat "$work/odd")"

{
	echo bufev_version
	echo bufev_set_allocator
	awk '{ print $2 }' "$work/renamed"
} | sort >"$work/names"
same map names 'the map (<) is not what the headers rename to (>)'

# The names that the headers declare, seen through those.
printf '#include <%s>\n' "$@" |
	${CC:-cc} -E -P -D_GNU_SOURCE -I"$root/include" -x c - |
	grep -o '[^a-z0-9_]bufev_[a-z0-9_]*(' | tr -d '(*& \t' |
	sort -u >"$work/declared"
same names declared 'what they rename to (<) is not what the headers declare (>)'

readelf -d "$library" >"$work/dynamic"
needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' "$work/dynamic")
[ "$needed" = libc.so.6 ] || complain "it needs: $needed"

soname=$(sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p' "$work/dynamic")
[ "$soname" = libbufev.so.0 ] || complain "the soname is $soname"

# Thread exit calls into the library: it must stay mapped.
grep -q NODELETE "$work/dynamic" || complain 'dlclose() would unmap it'

case $(basename "$(readlink -f "$library")") in
libbufev.so."$version") ;;
*) complain "the file is not libbufev.so.$version" ;;
esac

[ $failed = 0 ] && echo "$(wc -l <"$work/exported") names are exported"
exit $failed
