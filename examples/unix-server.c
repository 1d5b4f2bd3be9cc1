/* SPDX-License-Identifier: MIT */
/*
 * unix-server PATH: a control socket, such as a daemon has.
 *
 * Teaches a listener on a Unix socket.  A socket that was left behind is told
 * from one in use by a lock on PATH.lock, which ends with its holder, however
 * that one ends; only its user may connect; the kernel says who a peer is.
 *
 *   cc -o unix-server unix-server.c $(pkg-config --cflags --libs bufev)
 *   ./unix-server /tmp/control        (and then: socat - UNIX:/tmp/control)
 *
 * On SIGINT or "quit" nobody else comes in; it ends when the clients have gone.
 */
#define _GNU_SOURCE 1 /* struct ucred, flock */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bufev.h>

enum { LINE = 256, BUFFERED = 4096, IDLE_MS = 30000 };

struct server {
	struct reactor_signal interrupt; /* the first: see end() */
	struct bufferevent_listener *listener;
	struct sockaddr_un address;
};

#ifdef SO_PEERCRED /* Linux, which lacks what the others have */
static int getpeereid(int fd, uid_t *uid, gid_t *gid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -1;
	*uid = peer.uid;
	*gid = peer.gid;
	return 0;
}
#endif

static void end(struct reactor_signal *interrupt, int signo)
{
	struct server *server = (struct server *)interrupt;

	(void)signo;
	reactor_signal_stop(interrupt);
	bufferevent_listener_free(server->listener);
	if (server->listener)
		unlink(server->address.sun_path);
	server->listener = NULL;
}

/* All three callbacks.  At the end of input what came before is answered. */
static void serve(struct bufferevent *stream, unsigned what)
{
	struct evbuffer *input = bufferevent_get_read(stream);
	struct server *server = bufferevent_data(stream);
	bool over = what != EVBUFFER_READ && what != EVBUFFER_WRITE;
	char *line;
	uid_t uid;
	gid_t gid;

	while ((over || !bufferevent_is_full(stream)) &&
	       (line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF))) {
		if (getpeereid(bufferevent_get_fd(stream), &uid, &gid) < 0 ||
		    evbuffer_add_printf(bufferevent_get_write(stream),
					"%ld: %s\n", (long)uid, line) < 0)
			over = true;
		if (strcmp(line, "quit") == 0)
			end(&server->interrupt, 0);
		free(line);
	}
	if (over || (!bufferevent_is_full(stream) &&
		     evbuffer_get_length(input) >= LINE))
		bufferevent_finish(stream); /* what is queued is sent */
}

static void accepted(struct bufferevent_listener *listener, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct bufferevent *stream = bufferevent_new(fd, serve, serve, serve);

	(void)listener, (void)peer, (void)size;
	if (!stream) {
		perror("accept");
		close(fd);
		return;
	}
	bufferevent_own_fd(stream, true);
	bufferevent_set_data(stream, data);
	bufferevent_set_read_watermarks(stream, 0, LINE);
	bufferevent_set_write_watermarks(stream, 0, BUFFERED);
	bufferevent_set_timeouts(stream, IDLE_MS, IDLE_MS);
	bufferevent_enable(stream, EV_READ);
}

/* Takes the place of a socket whose lock nobody holds. */
static int start(struct server *server, const char *path)
{
	struct sockaddr_un *un = &server->address;
	char lock[sizeof(un->sun_path) + 8];
	struct stat file;
	int fd; /* stays open, and so locked, until the process ends */

	un->sun_family = AF_UNIX;
	if ((size_t)snprintf(un->sun_path, sizeof(un->sun_path), "%s", path) >=
	    sizeof(un->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(lock, sizeof(lock), "%s.lock", path);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ||
	    (lstat(path, &file) == 0 && S_ISSOCK(file.st_mode) &&
	     unlink(path) < 0))
		return -1;
	umask(077); /* the socket is for this user alone */
	server->listener = bufferevent_listen(NULL, (struct sockaddr *)un,
					      sizeof(*un), 0, accepted, server);
	return server->listener ?
		       reactor_signal_start(reactor_default(),
					    &server->interrupt, SIGINT) :
		       -1;
}

int main(int argc, char **argv)
{
	struct server server = { .interrupt.caught = end };
	int status;

	if (argc != 2)
		return fprintf(stderr, "usage: %s PATH\n", *argv), 2;
	status = start(&server, argv[1]) < 0 ||
		 reactor_run(reactor_default()) < 0;
	if (status)
		perror(argv[1]);
	end(&server.interrupt, 0);
	reactor_free(reactor_default());
	return status;
}
