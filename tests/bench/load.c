/* SPDX-License-Identifier: MIT */
/*
 * The load generator for the servers.
 *
 *   load [-b] [-e] [-c] [-n] [-w] [-i IDLE] [-p PID] [-x FD]
 *        PORT CONNS SIZE DEPTH SECS
 *
 * A closed loop: each of CONNS connections sends DEPTH messages of SIZE bytes
 * at once, waits until all of them have come back, and begins again; so the
 * rate is what the server makes of it.  That only measures the server where
 * the server is the slower of the two.  A generator with a system call for
 * each message is as busy as the server and runs in lock step with it, which
 * hides the differences; so all sends and receives of a round go to the kernel
 * in one io_uring_enter, and received bytes are thrown away inside the kernel.
 * Where io_uring is missing an epoll loop serves, with a note: "engine" in
 * the output says which, and "own_cpu" how busy the generator was.
 *
 *   -b  broadcast: the first connection sends, and what it sent comes to all
 *       others (load-broadcast.c); each of them is a message
 *   -e  the epoll loop in any case
 *   -c  compare each byte with what was sent (implies -e; for tests)
 *   -n  a new connection for each batch: connect, send, receive, close
 *   -i  open IDLE further connections that never say anything
 *   -p  the server's process: its CPU time and memory are reported too
 *   -w  begins to count only when a SIGUSR2 has told it to
 *   -x  bulk through a proxy, whose target is the listening socket FD
 *       (load-bulk.c); DEPTH is 1 for there, 2 for back, 3 for both ways
 *
 * The first tenth of SECS more, and 25 us for each connection, warms up and is
 * not counted; nor is what comes before each connection has had its first
 * answer, since a server that has not accepted all has less to do.  Prints one
 * line of JSON; latencies are of whole batches, in microseconds.
 *
 * On SIGUSR1 it stops itself until it is continued, and does not count the time
 * of its rest, nor the latency of what was under way.  So several servers can
 * be measured in slices of time, side by side.  (Who starts it may block the
 * signals, so that none comes too early.)
 */

#include "load.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 10 }; /* for the first answers */

/* Written by the handler: how long it rested in all, and until when. */
static volatile uint64_t rested, woke;
static volatile sig_atomic_t told;

static uint64_t ns_of(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t load_now(void)
{
	return ns_of(CLOCK_MONOTONIC);
}

void load_fail(const char *what, int error)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(error));
	exit(1);
}

static void rest(int signo)
{
	uint64_t from = load_now();

	(void)signo;
	raise(SIGSTOP);
	woke = load_now();
	rested += woke - from;
}

static void begin(int signo)
{
	(void)signo;
	told = 1;
}

static void handle(int signo, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler,
				    .sa_flags = SA_RESTART };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	if (sigaction(signo, &action, NULL) < 0 ||
	    sigprocmask(SIG_UNBLOCK, &set, NULL) < 0)
		load_fail("signal", errno);
}

/* All threads of the server, user and system, to the nanosecond. */
static double server_seconds(pid_t server)
{
	clockid_t clock;

	if (server == 0 || clock_getcpuclockid(server, &clock) != 0)
		return 0;
	return (double)ns_of(clock) / 1e9;
}

static double wait_of(pid_t process, const char *thread)
{
	unsigned long long run = 0, waited = 0;
	char path[320];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/task/%s/schedstat",
		 (long)process, thread);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu %llu", &run, &waited) != 2)
		waited = 0;
	fclose(file);
	return (double)waited / 1e9;
}

/* How long its threads have waited for a CPU; 0 where nobody says. */
static double wait_seconds(pid_t process)
{
	struct dirent *thread;
	double sum = 0;
	char path[64];
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%ld/task", (long)process);
	threads = process != 0 ? opendir(path) : NULL;
	if (!threads)
		return 0;
	while ((thread = readdir(threads)) != NULL)
		if (thread->d_name[0] != '.')
			sum += wait_of(process, thread->d_name);
	closedir(threads);
	return sum;
}

static void read_times(struct load *load, double sign)
{
	load->server_cpu += sign * server_seconds(load->server);
	load->server_wait += sign * wait_seconds(load->server);
	load->own_cpu += sign * (double)ns_of(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
	load->own_wait += sign * wait_seconds(getpid());
}

/* A window that a rest was in is longer by it. */
static void pass_over_rests(struct load *load)
{
	uint64_t more = rested - load->rested;

	load->rested += more;
	load->opens += more;
	load->closes += more;
}

static bool is_due(struct load *load, uint64_t now)
{
	if (load->awaited && told) {
		load->awaited = false;
		load->closes += now - load->opens;
		load->opens = now;
	}
	return !load->awaited && now >= load->opens;
}

bool load_goes_on(struct load *load, uint64_t now)
{
	const uint64_t late = UINT64_C(1000000000) * PATIENCE_S;
	bool warm;

	pass_over_rests(load);
	warm = load->fresh == 0 || now >= load->opens + late;
	if (!load->open && is_due(load, now) && warm) {
		load->open = true;
		load->closes += now - load->opens;
		load->opens = now;
		read_times(load, -1);
	}
	if (!load->open || now < load->closes)
		return true;
	load->ended = now;
	read_times(load, 1);
	return false;
}

int load_first(struct load *load, int *peers, uint64_t now)
{
	if (load->broadcast)
		return load_first_broadcast(load, peers, now);
	load->fresh = load->conns;
	for (int i = 0; i < load->conns; i++)
		peers[i] = i;
	return load->conns;
}

unsigned load_patience(const struct load *load)
{
	unsigned some = load->conns < 16 ? 1 : (unsigned)load->conns / 8;
	unsigned sure = some;

	if (load->broadcast)
		sure = (unsigned)load->missing[load->delivered % LOAD_FLIGHT];
	return sure < some ? sure : some;
}

void load_count(struct load *load, uint64_t began, uint64_t now)
{
	uint64_t us = (now - began) / 1000;

	if (!load->open || began < woke)
		return;
	load->slots[us < LOAD_SLOTS ? us : LOAD_SLOTS - 1]++;
	load->batches++;
}

int load_took(struct load *load, int i, size_t n, uint64_t now)
{
	struct load_peer *peer = &load->peers[i];

	if (load->broadcast)
		return load_took_broadcast(load, i, n, now);
	peer->got += n;
	if (peer->got < load->batch)
		return -1;
	peer->got -= load->batch;
	load->fresh -= peer->whole++ == 0;
	load_count(load, peer->began, now);
	if (load->open)
		load->messages += (uint64_t)load->depth;
	return i;
}

static unsigned percentile(const struct load *load, uint64_t percent)
{
	uint64_t seen = 0, sought = load->batches * percent / 100;
	unsigned us;

	if (load->batches == 0)
		return 0;
	for (us = 0; us < LOAD_SLOTS - 1; us++) {
		seen += load->slots[us];
		if (seen > sought)
			break;
	}
	return us;
}

/* VmRSS of the server in KiB while all connections are there; 0: unknown. */
static unsigned long server_resident(pid_t server)
{
	char path[64], line[128];
	unsigned long kib = 0;
	FILE *file;

	if (server == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%ld/status", (long)server);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmRSS: %lu kB", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

static void report(const struct load *load, int idle)
{
	double secs = (double)(load->ended - load->opens) / 1e9;
	double rate = (double)load->messages / secs;

	printf("{\"engine\": \"%s\", \"conns\": %d, \"idle\": %d, "
	       "\"size\": %zu, \"depth\": %d, \"secs\": %.3f, "
	       "\"messages\": %llu, \"msgs_s\": %.1f, \"mb_s\": %.2f, "
	       "\"p50_us\": %u, \"p99_us\": %u, \"own_cpu\": %.3f, "
	       "\"own_wait\": %.3f, "
	       "\"server_cpu\": %.3f, \"server_wait\": %.3f, "
	       "\"server_ns_msg\": %.1f, "
	       "\"server_rss_kib\": %lu}\n",
	       load->engine, load->conns, idle, load->size, load->depth, secs,
	       (unsigned long long)load->messages, rate,
	       rate * (double)load->size / 1e6, percentile(load, 50),
	       percentile(load, 99), load->own_cpu / secs,
	       load->own_wait / secs, load->server_cpu / secs,
	       load->server_wait / secs,
	       load->messages ?
		       load->server_cpu * 1e9 / (double)load->messages :
		       0.0,
	       server_resident(load->server));
}

/* From a source address in turn, so that no run is short of ports. */
static void bind_source(int fd)
{
	static unsigned turn;
	struct sockaddr_in from = { .sin_family = AF_INET };
	int one = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % 200);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		load_fail("bind", errno);
}

int load_connect(const struct load *load)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)load->port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		load_fail("socket", errno);
	bind_source(fd);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		load_fail("connect", errno);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		load_fail("memory", ENOMEM);
	return memory;
}

/* A broadcast server greets with a byte: so it knows the connection. */
static void await_greetings(const struct load *load)
{
	char greeting;

	for (int i = 0; i < load->conns; i++)
		if (recv(load->peers[i].fd, &greeting, 1, 0) != 1)
			load_fail("greeting", errno);
}

static void prepare(struct load *load, char **arg, int idle)
{
	struct rlimit limit;
	double secs = atof(arg[4]);
	int i;

	load->port = atoi(arg[0]);
	load->conns = atoi(arg[1]);
	load->size = (size_t)strtoul(arg[2], NULL, 10);
	load->depth = atoi(arg[3]);
	if (load->port <= 0 || load->conns <= 0 || !load->size ||
	    load->depth <= 0 || secs <= 0)
		load_fail("arguments", EINVAL);
	load->batch = load->size * (size_t)load->depth;
	load->out = allocate(load->batch, 1);
	for (size_t k = 0; k < load->batch; k++)
		load->out[k] = (char)('!' + k % 89);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	load->peers = allocate((size_t)load->conns, sizeof(*load->peers));
	for (i = 0; i < load->conns; i++)
		load->peers[i].fd = load_connect(load);
	for (i = 0; i < idle; i++)
		load_connect(load);
	if (load->broadcast)
		await_greetings(load);
	load->rested = rested;
	load->opens = load_now() + (uint64_t)(secs * 1e8) +
		      (uint64_t)(load->conns + idle) * 25000;
	load->closes = load->opens + (uint64_t)(secs * 1e9);
}

static void run(struct load *load, bool plain, bool churn)
{
	int result = -1;

	if (load->target >= 0) {
		if (load_by_bulk(load) < 0)
			load_fail("bulk", errno);
		return;
	}
	if (!plain && !churn) {
		result = load_by_uring(load);
		if (result < 0)
			fprintf(stderr,
				"load: no io_uring here (%s): an epoll loop "
				"instead, which may be the slower side\n",
				strerror(errno));
	}
	if (result < 0)
		result = churn ? load_by_churn(load) : load_by_epoll(load);
	if (result < 0)
		load_fail("epoll", errno);
}

int main(int argc, char **argv)
{
	static struct load load = { .target = -1 };
	bool plain = false, churn = false;
	int idle = 0, opt;

	handle(SIGUSR1, rest);
	handle(SIGUSR2, begin);
	while ((opt = getopt(argc, argv, "becnwi:p:x:")) != -1) {
		if (opt == 'b')
			load.broadcast = true;
		else if (opt == 'x')
			load.target = atoi(optarg);
		else if (opt == 'e')
			plain = true;
		else if (opt == 'c')
			plain = load.check = true;
		else if (opt == 'n')
			churn = true;
		else if (opt == 'w')
			load.awaited = true;
		else if (opt == 'i')
			idle = atoi(optarg);
		else if (opt == 'p')
			load.server = (pid_t)atol(optarg);
		else
			return 2;
	}
	if (argc - optind != 5) {
		fprintf(stderr, "usage: load [-becnw] [-i IDLE] [-p PID] "
				"[-x FD] PORT CONNS SIZE DEPTH SECS\n");
		return 2;
	}
	prepare(&load, argv + optind, idle);
	run(&load, plain, churn);
	report(&load, idle);
	return 0;
}
