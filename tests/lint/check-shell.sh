#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-shell.sh ROOT: shellcheck has nothing to say of any script.  What it
# does not look at, and why, is in .shellcheckrc.

set -eu

cd "$1"
find .ci/run tests examples \( -name '*.sh' -o -name run \) \
	-exec shellcheck --shell=sh --external-sources {} +
