/* SPDX-License-Identifier: MIT */
/* Echo by libuv: see from-libuv.md. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

struct answer {
	uv_write_t write; /* the first member */
	uv_buf_t text;
};

static void lend(uv_handle_t *handle, size_t wish, uv_buf_t *lent)
{
	(void)handle;
	*lent = uv_buf_init(malloc(wish), (unsigned)wish);
}

static void written(uv_write_t *write, int status)
{
	struct answer *answer = (struct answer *)write;

	(void)status;
	free(answer->text.base);
	free(answer);
}

static void echo(uv_stream_t *stream, ssize_t n, const uv_buf_t *lent)
{
	struct answer *answer = n > 0 ? malloc(sizeof(*answer)) : NULL;

	if (answer) {
		answer->text = uv_buf_init(lent->base, (unsigned)n);
		uv_write(&answer->write, stream, &answer->text, 1, written);
		return;
	}
	free(lent->base);
	if (n < 0)
		uv_close((uv_handle_t *)stream, NULL);
}

static void serve(uv_loop_t *loop, uv_pipe_t *stream, int fd)
{
	uv_pipe_init(loop, stream, 0);
	uv_pipe_open(stream, fd);
	uv_read_start((uv_stream_t *)stream, lend, echo);
}

int main(void)
{
	static const char text[] = "there and back";
	uv_loop_t *loop = uv_default_loop();
	uv_pipe_t stream;
	char got[sizeof(text)];
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return 1;
	serve(loop, &stream, fd[0]);
	if (write(fd[1], text, sizeof(text)) != sizeof(text) ||
	    shutdown(fd[1], SHUT_WR) < 0)
		return 1;
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
	return read(fd[1], got, sizeof(got)) != sizeof(got) ||
	       memcmp(got, text, sizeof(text)) != 0;
}
