#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-packages.sh ROOT: tests/support/packages.sh on the systems that it knows,
# played by commands of ours that note how they are called.

set -eu

root=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/bufev.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A command that says TEXT, or does it.
command_that()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

# system UNAME USER_ID MANAGER...: nothing is there but what the script uses.
system()
{
	rm -rf "${work:?}/bin"
	mkdir "$work/bin"
	for tool in sh cat chmod env mktemp rm sort tr; do
		ln -s "$(command -v $tool)" "$work/bin"
	done
	command_that uname "echo $1"
	command_that id "echo $2"
	command_that pkg-config 'exit 1'
	shift 2
	for manager in "$@"; do
		command_that "$manager" "echo \"$manager \$*\" >>$work/calls
for word in \$*; do
	case \$word in
	ninja* | samurai) echo exit >$work/bin/ninja && chmod +x $work/bin/ninja ;;
	*cmocka*) echo exit >$work/bin/pkg-config ;;
	esac
done"
	done
	: >"$work/calls"
}

# asks THING... : $status, and what was said in $work/said.
asks()
{
	status=0
	env -i PATH="$work/bin" CI="${ci-}" sh -eu -c \
		'script=$1; shift; . "$script"; need "$@"' sh \
		"$root/tests/support/packages.sh" "$@" >"$work/said" 2>&1 ||
		status=$?
}

# expect STATUS FILE LINE: the last line of it.
expect()
{
	last=$(sed -n '$p' "$work/$2")
	[ "$status" = "$1" ] && [ "$last" = "$3" ] && return
	echo "exit $status; the last of $2 is: $last; expected: $1, $3"
	cat "$work/said" "$work/calls"
	exit 1
}

# As root it is installed, and everybody else is told in one line.
try()
{
	system "$1" 0 "$2"
	asks ninja module:cmocka no-such-thing-here
	expect 0 calls "$3"
	system "$1" 1000 "$2"
	asks ninja module:cmocka
	[ ! -s "$work/calls" ]
	expect 1 said "$4"
	command_that ninja exit
	command_that pkg-config exit
	asks ninja module:cmocka
	[ "$status" = 0 ] && [ ! -s "$work/said" ] && [ ! -s "$work/calls" ]
	echo "$1, $2"
}

try Linux apk 'apk add cmocka-dev samurai' 'sudo apk add cmocka-dev samurai'
try Linux dnf 'dnf install -y libcmocka-devel ninja-build' \
	'sudo dnf install -y libcmocka-devel ninja-build'
try Linux pacman 'pacman -Sy --noconfirm --needed cmocka ninja' \
	'sudo pacman -Sy --noconfirm --needed cmocka ninja'
try FreeBSD pkg 'pkg install -y cmocka ninja' \
	"su root -c 'pkg install -y cmocka ninja'"
try NetBSD pkgin 'pkgin -y install cmocka ninja-build' \
	"su root -c 'pkgin -y install cmocka ninja-build'"
try NetBSD pkg_add 'pkg_add cmocka ninja-build' \
	"su root -c 'pkg_add cmocka ninja-build'"
try OpenBSD pkg_add 'pkg_add -I cmocka ninja' \
	"su root -c 'pkg_add -I cmocka ninja'"

# Debian: what it has no other name for has that of the command.
system Linux 0 apt-get
asks ninja module:cmocka
expect 0 calls \
	'apt-get install -y --no-install-recommends libcmocka-dev ninja-build'
grep -qx 'apt-get update -qq' "$work/calls"
asks some-command
expect 1 said 'still missing after the installation: some-command '
system Linux 1000 apt-get
asks ninja some-command
expect 1 said \
	'sudo apt-get install -y --no-install-recommends ninja-build some-command'

# Homebrew is not for root; it installs where nobody sits before it.
system Darwin 501 brew
asks ninja module:cmocka strace
expect 1 said 'brew install cmocka ninja'
ci=true
asks ninja module:cmocka strace
expect 0 calls 'brew install cmocka ninja'
ci=
system NetBSD 0 pkgin pkg_add
asks ninja
expect 0 calls 'pkgin -y install ninja-build'

# A manager that fails, and one that does not bring what it should.
system Linux 0 apk
command_that apk 'echo no network; exit 3'
asks ninja
expect 1 said 'apk could not install: samurai'
grep -qx 'no network' "$work/said"
command_that apk exit
asks ninja
expect 1 said 'still missing after the installation: samurai '

# A system that we do not know goes on with what it has.
system Plan9 1000
asks ninja
expect 0 said 'missing here: ninja'
