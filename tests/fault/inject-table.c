/* SPDX-License-Identifier: MIT */

/*
 * Entries of struct kernel that fail: what the library makes of an error does
 * not depend on the backend that it came from.  The errors are those that the
 * backends know of the system, and those that the table itself gives a meaning.
 */

#include <errno.h>
#include <string.h>

#include "../support/script-kernel.h"
#include "sweep.h"

#define ERRORS(...) ((const int[]){ __VA_ARGS__, 0 })

static const struct {
	const char *name;
	const int *errors;
	bool moves;
} entries[SCRIPT_OPS] = {
	[SCRIPT_OPEN] = { "open", ERRORS(EMFILE, ENFILE, ENOMEM, ENOTSUP),
			  false },
	[SCRIPT_FORK] = { "fork", ERRORS(EMFILE, ENFILE, ENOMEM), false },
	[SCRIPT_SET] = { "set",
			 ERRORS(EBADF, EEXIST, EINVAL, ENOENT, ENOMEM, ENOSPC,
				EPERM),
			 false },
	[SCRIPT_WAIT] = { "wait", ERRORS(EBADF, EFAULT, EINVAL, ENOMEM),
			  false },
	[SCRIPT_READ] = { "transfer (read)",
			  ERRORS(EAGAIN, EBADF, ECONNREFUSED, ECONNRESET,
				 EFAULT, EINVAL, EIO, EISDIR, ENOMEM, ENOTCONN,
				 ETIMEDOUT),
			  true },
	[SCRIPT_WRITE] = { "transfer (write)",
			   ERRORS(EACCES, EAGAIN, EBADF, ECONNRESET, EDQUOT,
				  EFBIG, EINVAL, EIO, ENOBUFS, ENOMEM, ENOSPC,
				  ENOTCONN, EPERM, EPIPE, ETIMEDOUT),
			   true },
	[SCRIPT_ADOPT] = { "adopt", ERRORS(EBADF, EINVAL, EPERM), false },
	[SCRIPT_LISTEN] = { "listen",
			    ERRORS(EACCES, EADDRINUSE, EADDRNOTAVAIL,
				   EAFNOSUPPORT, EINVAL, EMFILE, ENFILE,
				   ENOBUFS, ENOMEM),
			    false },
	[SCRIPT_ACCEPT] = { "accept",
			    ERRORS(EAGAIN, EBADF, ECONNABORTED, EINTR, EINVAL,
				   EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO),
			    false },
	[SCRIPT_CONNECT] = { "connect",
			     ERRORS(EAFNOSUPPORT, EINVAL, EMFILE, ENFILE,
				    ENOBUFS, ENOMEM),
			     false },
	[SCRIPT_OUTCOME] = { "connect (outcome)",
			     ERRORS(EACCES, EADDRNOTAVAIL, EAGAIN, ECONNREFUSED,
				    EHOSTUNREACH, EINPROGRESS, ENETUNREACH,
				    EPERM, ETIMEDOUT),
			     false },
	[SCRIPT_CONNECTED] = { "connected",
			       ERRORS(ECONNREFUSED, EHOSTUNREACH, ENETUNREACH,
				      ENOTCONN, ETIMEDOUT),
			       false },
	[SCRIPT_ERROR] = { "error", ERRORS(ECONNRESET, EPIPE, ETIMEDOUT),
			   false },
	[SCRIPT_SHUTDOWN] = { "shutdown", ERRORS(EINVAL, ENOTCONN, ENOTSOCK),
			      false },
};

static struct script script;

static const int none[] = { 0 };

static const char *point(unsigned i)
{
	return entries[i].name;
}

static const int *errors(unsigned i)
{
	/* Some cannot fail: now, restore, close_fd. */
	return entries[i].errors ? entries[i].errors : none;
}

static bool moves(unsigned i)
{
	return entries[i].moves;
}

static struct reactor *make_reactor(void)
{
	return script_reactor_again(&script);
}

static void arm(const struct fault *f)
{
	memset(script.fail, 0, sizeof(script.fail));
	script.failed = 0;
	script_count(&script, -1);
	if (!f)
		return;
	if (f->error)
		script_fail(&script, f->point, f->nth, f->times, f->error);
	else
		script_cut(&script, f->point, f->nth, f->times, f->cut);
}

static unsigned passed(unsigned i)
{
	return script.calls[i];
}

static unsigned failed(void)
{
	return script.failed;
}

const struct injector inject_table = {
	.name = "table",
	.points = SCRIPT_OPS,
	.point = point,
	.errors = errors,
	.moves = moves,
	.make_reactor = make_reactor,
	.arm = arm,
	.passed = passed,
	.failed = failed,
};
