#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-faults.sh ROOT LIBRARY CALL...: what the fault sweeps leave out.
#
# Their scenarios call every public function (but those of the simulator, which
# has faults of its own), and every call of the library that may fail is one of
# those that the linker hands to them, CALL...

set -eu
export LC_ALL=C

root=$1 library=$2
shift 2
failed=0

# --- The public functions ----------------------------------------------------

# The scenarios, without what is between comment signs or quotes.
called=$(cat "$root"/tests/fault/*.c "$root/tests/support/ration.h" |
	sed -e 's/"[^"]*"//g' -e 's/\/\*.*\*\///' -e '/^\/\*/,/\*\//d' |
	grep -o '[a-z0-9_]*(' | sort -u)
names=$({
	awk '$1 == "#define" && NF == 3 { print $2 }' \
		"$root/include/bufev/names.h"
	grep -o 'bufev_[a-z_]*(' "$root/include/bufev.h" | tr -d '('
} | sort -u)
count=0
for name in $names; do
	count=$((count + 1))
	printf '%s\n' "$called" | grep -qx "$name(" && continue
	echo "no scenario calls $name"
	failed=1
done
[ $count -gt 60 ] || {
	echo "only $count public functions were found"
	failed=1
}

# --- The calls of the library ------------------------------------------------

harmless='
# They only compute.
memchr memcmp memcpy memmem memmove memset strcmp strlen strnlen strerror
sigaddset sigemptyset sigfillset sigismember getenv snprintf
# They cannot fail with what they are given here.
pthread_once pthread_sigmask
sigpending sigwait nanosleep fclose
# The memory of an allocator, which the sweeps replace.
free realloc
# Misuse ends the process.
abort fprintf
# No calls.
__errno_location ___errno_location stderr in6addr_any in6addr_loopback
_GLOBAL_OFFSET_TABLE_ __stack_chk_fail
'
known=$(printf '%s\n' "$harmless" | sed '/^#/d' | tr ' ' '\n')
# The stand-in for kqueue is no part of the library.
for symbol in $(nm -A --undefined-only "$library" 2>/dev/null |
	grep -v kqueue-standin | awk '{ print $NF }' | sort -u); do
	case $symbol in
	bufev_* | __gcov_* | __llvm_*) continue ;;
	esac
	printf '%s\n' "$known" "$@" | grep -qxF "$symbol" && continue
	echo "$symbol may fail, and no sweep tries it"
	failed=1
done
# What is no longer called need not be wrapped.
for symbol; do
	nm --undefined-only "$library" 2>/dev/null |
		grep -q " U $symbol\$" && continue
	echo "$symbol is wrapped, and not called"
	failed=1
done
exit $failed
