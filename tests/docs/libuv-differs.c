/* SPDX-License-Identifier: MIT */
/*
 * What docs/howto/from-libuv.md says of libuv, held against the libuv that is
 * installed: where a line fails, the page is to be changed.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

static uv_loop_t loop;
static int counted;

static void count_timer(uv_timer_t *timer)
{
	(void)timer;
	counted++;
}

/* 50 ms, started after 100 ms in which the loop did not turn. */
static bool timers_fire_early(void)
{
	uv_timer_t timer;

	counted = 0;
	uv_timer_init(&loop, &timer);
	uv_update_time(&loop);
	poll(NULL, 0, 100);
	uv_timer_start(&timer, count_timer, 50, 0);
	uv_run(&loop, UV_RUN_NOWAIT);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	return counted == 1;
}

static void count_close(uv_handle_t *handle)
{
	(void)handle;
	counted++;
}

static bool closing_ends_in_a_later_turn(void)
{
	uv_timer_t timer;
	bool later;

	counted = 0;
	uv_timer_init(&loop, &timer);
	uv_close((uv_handle_t *)&timer, count_close);
	later = counted == 0;
	uv_run(&loop, UV_RUN_NOWAIT);
	return later && counted == 1;
}

static void count_write(uv_write_t *write, int status)
{
	(void)write, (void)status;
	counted++;
}

static bool writes_go_out_at_once(void)
{
	uv_pipe_t stream;
	uv_write_t write;
	uv_buf_t text = uv_buf_init((char[]){ "x" }, 1);
	char c;
	int fd[2];
	bool sent;

	counted = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		exit(2);
	uv_pipe_init(&loop, &stream, 0);
	uv_pipe_open(&stream, fd[0]);
	uv_write(&write, (uv_stream_t *)&stream, &text, 1, count_write);
	sent = recv(fd[1], &c, 1, MSG_DONTWAIT) == 1 && counted == 0;
	uv_close((uv_handle_t *)&stream, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	close(fd[1]);
	return sent && counted == 1;
}

/* What is queued when a stream is closed: ECANCELED, and not sent. */
static void count_canceled(uv_write_t *write, int status)
{
	(void)write;
	counted += status == UV_ECANCELED;
}

static bool closing_drops_the_output(void)
{
	static char megabytes[8 << 20];
	uv_pipe_t stream;
	uv_write_t write;
	uv_buf_t buf = uv_buf_init(megabytes, sizeof(megabytes));
	int fd[2];

	counted = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		exit(2);
	uv_pipe_init(&loop, &stream, 0);
	uv_pipe_open(&stream, fd[0]);
	uv_write(&write, (uv_stream_t *)&stream, &buf, 1, count_canceled);
	uv_close((uv_handle_t *)&stream, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	close(fd[1]);
	return counted == 1;
}

static void count_async(uv_async_t *async)
{
	(void)async;
	counted++;
}

static bool sends_coalesce(void)
{
	uv_async_t async;

	counted = 0;
	uv_async_init(&loop, &async, count_async);
	uv_async_send(&async);
	uv_async_send(&async);
	uv_run(&loop, UV_RUN_NOWAIT);
	uv_close((uv_handle_t *)&async, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	return counted == 1;
}

static bool sigpipe_reaches_the_process(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		uv_loop_t own;
		uv_pipe_t stream;
		uv_write_t write;
		uv_buf_t text = uv_buf_init((char[]){ "x" }, 1);
		int fd[2];

		uv_loop_init(&own);
		if (pipe(fd) < 0)
			_exit(2);
		close(fd[0]);
		uv_pipe_init(&own, &stream, 0);
		uv_pipe_open(&stream, fd[1]);
		uv_write(&write, (uv_stream_t *)&stream, &text, 1, count_write);
		uv_run(&own, UV_RUN_NOWAIT);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE;
}

int main(void)
{
	static const struct {
		bool (*holds)(void);
		const char *claim;
	} claims[] = {
		{ timers_fire_early,
		  "a timer started after a long callback fires early" },
		{ closing_ends_in_a_later_turn,
		  "a closed handle is yours in a later turn only" },
		{ writes_go_out_at_once, "uv_write() tries to send at once" },
		{ closing_drops_the_output, "uv_close() drops the output" },
		{ sends_coalesce, "uv_async_send() twice calls once" },
		{ sigpipe_reaches_the_process, "SIGPIPE ends the process" },
	};
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	uv_loop_init(&loop);
	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
		bool holds = claims[i].holds();

		printf("%s: %s\n", holds ? "yes" : "NO", claims[i].claim);
		failed += !holds;
	}
	failed += uv_loop_close(&loop) < 0;
	printf("libuv %s\n", uv_version_string());
	return failed != 0;
}
