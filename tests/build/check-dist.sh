#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-dist.sh ROOT BUILD OUT: `meson dist` makes an archive of what is
# committed, from the build directory BUILD; it is unpacked as OUT.  There the
# rest of the suite builds and tests it: see tests/run.sh.
#
# Exits with 77 where the source is no git repository, such an archive say.

set -eu

root=$1 build=$2 out=$3
if ! git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
	echo 'only a git repository is made into an archive'
	exit 77
fi

rm -rf "$build/meson-dist" "$out"
meson dist -C "$build" --no-tests --formats xztar --allow-dirty
archive=$(echo "$build"/meson-dist/bufev-*.tar.xz)
(cd "$build/meson-dist" && sha256sum -c "${archive##*/}.sha256sum")

mkdir -p "$out"
tar xf "$archive" -C "$out" --strip-components=1
for path in .git .github .gitattributes .gitignore; do
	[ ! -e "$out/$path" ] || {
		echo "the archive has $path"
		exit 1
	}
done
# All else that is committed.
git -C "$root" ls-tree -r --name-only HEAD |
	grep -v '^\.git' | sort >"$out.listed"
(cd "$out" && find . ! -type d | sed 's/^\.\///' | sort) >"$out.there"
diff "$out.listed" "$out.there"
rm "$out.listed" "$out.there"
echo "${archive##*/} has all that it should have"
