# SPDX-License-Identifier: MIT
#
# examples/sim-test: sh sim-test.sh PROGRAM (see common.sh)

. "$(dirname "$0")/common.sh"

test_it() {
	$wrapped "$program" "$@" >"$work/out" 2>"$work/test.err"
	status=$?
	unblemished test
}

echo "# a thousand seeds find nothing"
test_it
[ "$status" -eq 0 ] || fail "$(cat "$work/out")"
grep -qx 'runs: 1000, and all is well' "$work/out" || fail "not a thousand"
[ ! -s "$work/test.err" ] || fail "it complains"

echo "# they find a server for which a read ends where a line does"
test_it --bug
[ "$status" -eq 1 ] || fail "the bug goes unnoticed"
seed=$(sed -n 's/^seed \([0-9]*\): .*/\1/p' "$work/out")
mv "$work/out" "$work/found"

echo "# the seed brings it back, step by step, and the same steps each time"
test_it --bug "$seed"
[ "$status" -eq 1 ] || fail "seed $seed does not bring it back"
same "$work/found" "$work/out" "it is another bug"
grep -q 'read fd 4098 ([0-9]*) = ' "$work/test.err" || fail "no trace"
mv "$work/test.err" "$work/trace"
test_it --bug "$seed"
same "$work/trace" "$work/test.err" "the runs differ"

echo "# and the server that is right does well with that seed"
test_it "$seed"
[ "$status" -eq 0 ] || fail "$(cat "$work/out")"
