#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-pure.sh LIBRARY: the pure files need nothing from above, and of the C
# library only what moves and compares memory: no malloc, no system call, no
# clock.  (That it links alone is shown by the program pure.c.)

set -eu

# The compiler puts these in by itself: calls for memory, and instrumentation.
allowed='mem(cpy|move|set|cmp|chr)|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_'
allowed="$allowed|__.*_chk|__(asan|ubsan|tsan|msan|gcov|llvm)_.*"

nm -A --undefined-only "$1" | awk '{ print $NF }' | sort -u |
	grep -Evx "$allowed|bufev_(ring|wheel|interest)([_a-z]*)" && {
	echo 'are called from the pure files'
	exit 1
}
exit 0
