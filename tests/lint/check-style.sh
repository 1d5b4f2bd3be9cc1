#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-style.sh ROOT: clang-format would change nothing.

set -eu

cd "$1"
find lib include examples tests -name '*.[ch]' -exec \
	clang-format --dry-run --Werror {} +
