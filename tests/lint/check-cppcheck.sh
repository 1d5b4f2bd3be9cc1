#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-cppcheck.sh ROOT: cppcheck has nothing to say of the library, of
# the examples, or of what the tests stand on.

set -eu

cd "$1"
exec cppcheck --quiet --error-exitcode=1 --std=c11 --inconclusive \
	--enable=warning,style,performance,portability \
	--suppressions-list=tests/lint/cppcheck.txt \
	-D_GNU_SOURCE -DBUFEV_CHECKS=1 \
	-Iinclude -Ilib -Itests/support/include lib examples tests/support
