#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-headers.sh ROOT: each public header alone is C11 and C++17, by every
# compiler that is here, without a warning and without a feature macro; twice
# in a row it is nothing new.

set -eu

root=$1
compiled=0 failed=0

# try COMPILER LANGUAGE STANDARD HEADER
try()
{
	command -v "$1" >/dev/null || return 0
	printf '#include <%s>\n#include <%s>\nint none;\n' "$4" "$4" |
		"$1" -x "$2" -std="$3" -I"$root/include" -fsyntax-only \
			-Wall -Wextra -Wpedantic -Wshadow -Wconversion \
			-Wundef -Werror - || {
		echo "$4 is not $3 for $1"
		failed=1
	}
	compiled=$((compiled + 1))
}

for path in "$root"/include/*.h "$root"/include/*/*.h; do
	header=${path#"$root/include/"}
	for compiler in gcc clang; do
		try $compiler c c11 "$header"
	done
	for compiler in g++ clang++; do
		try $compiler c++ c++17 "$header"
	done
done

echo "$compiled compilations"
[ $compiled -gt 0 ] && [ $failed = 0 ]
