#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-size.sh ROOT: small enough to be read.  Files have fewer than 600
# lines, functions fewer than 50 between the braces, and lines up to 80
# columns with tabs of 8.  A C file opens with its license.

set -eu
export LC_ALL=C

cd "$1"
find docs lib include examples tests -name '*.[ch]' | sort | xargs awk '
function complain(text) { print text; failed = 1 }
FNR == 1 {
	files++
	if ($0 != "/* SPDX-License-Identifier: MIT */")
		complain(FILENAME ": the first line is not the license")
}
FNR == 600 { complain(FILENAME ": 600 lines or more") }
{
	line = $0
	gsub(/[\200-\277]/, "", line) # what continues a character of UTF-8
	width = 0
	for (i = 1; i <= length(line); i++)
		width += substr(line, i, 1) == "\t" ? 8 - width % 8 : 1
	if (width > 80)
		complain(FILENAME ":" FNR ": " width " columns")
}
/[ \t]$/ { complain(FILENAME ":" FNR ": blanks at the end") }
/^{$/ { begin = FNR }
/^}$/ && begin {
	functions++
	if (FNR - begin - 1 >= 50)
		complain(FILENAME ":" begin ": a function of " \
			 FNR - begin - 1 " lines")
	begin = 0
}
END {
	print files " files, " functions " functions"
	exit failed || functions == 0
}'
