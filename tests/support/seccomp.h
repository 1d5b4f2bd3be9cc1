/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SECCOMP_H
#define TESTS_SUPPORT_SECCOMP_H

/*
 * seccomp: forbids system calls, one at a time.  It cannot be undone, so this
 * is for forked children and for threads of theirs.
 */

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const long NO_SYSCALL = -1;

static inline bool seccomp_load(struct sock_filter *code, size_t length)
{
	struct sock_fprog program = { (unsigned short)length, code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* What the kernel does at that call in this thread from now on. */
static inline bool seccomp_set(long nr, unsigned action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return seccomp_load(code, sizeof(code) / sizeof(code[0]));
}

/* The call fails with that errno where this argument has that value. */
static inline bool seccomp_refuse_where(long nr, unsigned argument,
					unsigned value, int error)
{
	const unsigned refusal = SECCOMP_RET_ERRNO | (unsigned)error;
	const unsigned at = (unsigned)(offsetof(struct seccomp_data, args) +
				       argument * sizeof(uint64_t));
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, refusal),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return seccomp_load(code, sizeof(code) / sizeof(code[0]));
}

/* The call fails with that errno. */
static inline bool seccomp_refuse(long nr, int error)
{
	return seccomp_set(nr, SECCOMP_RET_ERRNO | (unsigned)error);
}

/* The call ends the process. */
static inline bool seccomp_kill(long nr)
{
	return seccomp_set(nr, SECCOMP_RET_KILL_PROCESS);
}

static inline bool seccomp_allow_all(void)
{
	return seccomp_set(NO_SYSCALL, SECCOMP_RET_ALLOW);
}

static inline bool seccomp_is_in_force(void)
{
	return prctl(PR_GET_SECCOMP) != 0;
}

#endif
