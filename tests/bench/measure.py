# SPDX-License-Identifier: MIT
"""Starts servers and the load on each, and takes the figures of both.

The servers of a round share one stretch of time: each runs for a tenth of a
second, with its load, and then stands still while the others have their turn.
What the machine does meanwhile meets all alike, and the ratio of two is steady
to a hundredth where each in its own second differs by a fifth.
"""

import json
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import time


SLICE = 0.1  # seconds


class Failure(Exception):
    """A program did not do what it should."""


class Spec:
    """How a server is started, how it says its port, and how it ends."""

    def __init__(self, program, *arguments, backend=None, example=False,
                 reports=True, cpu=0, says_on="stdout", term=signal.SIGTERM):
        self.program = program
        self.arguments = list(arguments)
        self.backend = backend    # by the environment
        self.example = example    # one of the examples
        self.reports = reports    # prints a line of JSON at its end
        self.cpu = cpu            # None: any
        self.says_on = says_on
        self.term = term

    def path(self, options):
        if os.path.isabs(self.program):
            return self.program
        where = options.examples if self.example else options.build
        return os.path.join(where, self.program)


ECHO = {
    "raw": Spec("echo-raw"),
    "raw, recv": Spec("echo-raw", "-r"),
    "raw, greedy": Spec("echo-raw", "-g"),
    "libevent": Spec("echo-libevent"),
    "libuv": Spec("echo-libuv"),
    "libev": Spec("echo-libev"),
    "bufev poll": Spec("echo-bufev", "poll"),
    "bufev epoll": Spec("echo-bufev", "epoll"),
    "bufev uring": Spec("echo-bufev", "uring"),
}

BROADCAST = {
    "raw": Spec("broadcast-raw"),
    "libevent": Spec("broadcast-libevent"),
    "libuv": Spec("broadcast-libuv"),
    "bufev epoll": Spec("broadcast-bufev", "epoll"),
    "bufev uring": Spec("broadcast-bufev", "uring"),
}

# TARGET stands for the port that they connect to.  Their buffers have the
# same size; socat's own default is an eighth of it.
PROXY = {
    "raw": Spec("proxy-raw", "TARGET"),
    "socat": Spec("/usr/bin/socat", "-d", "-d", "-b", "65536",
                  "TCP-LISTEN:0,bind=127.0.0.1", "TCP:127.0.0.1:TARGET",
                  reports=False, says_on="stderr"),
    "bufev epoll": Spec("tcp-proxy", "0", "127.0.0.1:TARGET", example=True,
                        backend="epoll", reports=False),
    "bufev uring": Spec("tcp-proxy", "0", "127.0.0.1:TARGET", example=True,
                        backend="uring", reports=False),
}


def workers(backend, count):
    return Spec("echo-workers", "0", str(count), example=True,
                backend=backend, reports=False, cpu=None, term=signal.SIGINT)


WORKERS = {f"{backend}, {count}": workers(backend, count)
           for backend in ("epoll", "uring") for count in (1, 2)}


def pinned(cpu):
    """What a child calls to stay on one CPU; None where there is but one."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2 or cpu is None:
        return None
    return lambda: os.sched_setaffinity(0, {cpus[cpu]})


def restful(cpu):
    """The same for the load: no signal comes before it can take it."""
    pin = pinned(cpu)

    def prepare():
        signal.pthread_sigmask(signal.SIG_BLOCK,
                               [signal.SIGUSR1, signal.SIGUSR2])
        if pin:
            pin()
    return prepare


class Server:
    """A server process, and the port that it printed."""

    def __init__(self, options, name, spec, extra=(), target=0):
        self.name, self.spec = name, spec
        arguments = [argument.replace("TARGET", str(target))
                     for argument in spec.arguments]
        environment = dict(os.environ)
        environment.pop("BUFEV_BACKEND", None)
        if spec.backend:
            environment["BUFEV_BACKEND"] = spec.backend
        self.process = subprocess.Popen(
            [spec.path(options), *extra, *arguments],
            stdout=subprocess.PIPE, text=True, env=environment,
            stderr=subprocess.PIPE if spec.says_on == "stderr" else None,
            preexec_fn=pinned(spec.cpu))
        self.port = self.read_port()

    def read_port(self):
        stream = getattr(self.process, self.spec.says_on)
        for _ in range(5):
            ready, _, _ = select.select([stream], [], [], 10)
            line = stream.readline() if ready else ""
            port = re.search(r"(?:^|:)(\d+)$", line.strip())
            if port:
                return int(port.group(1))
            if not line:
                break
        self.process.kill()
        self.process.communicate()
        raise Failure(f"{self.name} printed no port")

    def stop(self):
        """Ends it; returns its last line, where it has one."""
        self.process.send_signal(self.spec.term)
        try:
            out, _ = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired as late:
            self.process.kill()
            self.process.communicate()
            raise Failure(f"{self.name} did not end on a signal") from late
        if not self.spec.reports:
            return {"waits": 0, "ready": 0}
        if self.process.returncode != 0:
            raise Failure(f"{self.name} ended with {self.process.returncode}")
        return json.loads(out)


def available(options, specs):
    """The servers that were built and whose backend this machine has."""
    found = []
    for name, spec in specs.items():
        if not os.path.exists(spec.path(options)):
            print(f"# without {name}: no {spec.program}", file=sys.stderr)
            continue
        try:
            Server(options, name, spec).stop()
        except Failure as failure:
            if "uring" not in name:
                raise
            print(f"# without {name}: {failure}", file=sys.stderr)
            continue
        found.append(name)
    return found


def waited(figures):
    return max(figures["own_wait"], figures["server_wait"])


def calmly(options, take):
    """Measures again while something else takes the CPUs away."""
    best = None
    for again in range(options.patience):
        began = time.monotonic()
        taken = take()
        worst = max(waited(figures) for figures in taken)
        if best is None or worst < best[0]:
            best = worst, taken
        if again:
            options.spare -= time.monotonic() - began
        if best[0] <= 0.1 or options.spare <= 0:
            break
    return best[1]


def measure_calmly(options, *args, **more):
    return calmly(options, lambda: [measure(options, *args, **more)])[0]


class Pair:
    """A server, and the load on it."""

    def __init__(self, options, name, spec, shape, secs, flags=(), extra=(),
                 target=None):
        conns, size, depth, idle, more = shape
        if options.smoke:
            conns, idle = min(conns, 500), min(idle, 500)
        self.name, self.size, self.conns = name, size, conns
        to = target.getsockname()[1] if target else 0
        self.server = Server(options, name, spec, extra, to)
        command = [os.path.join(options.build, "load"),
                   "-p", str(self.server.process.pid), "-i", str(idle), *more,
                   *flags]
        if target:
            command += ["-x", str(target.fileno())]
        command += [str(self.server.port), str(conns), str(size), str(depth),
                    str(secs)]
        self.load = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True,
            preexec_fn=restful(1 if spec.cpu == 0 else None),
            pass_fds=[target.fileno()] if target else [])

    def rest(self):
        """Both stop, the load by itself, so that it knows for how long."""
        if self.over():
            return
        # Not send_signal, which looks first whether the load is over and then
        # leaves nothing to wait for.
        os.kill(self.load.pid, signal.SIGUSR1)
        _, status = os.waitpid(self.load.pid, os.WUNTRACED)
        self.server.process.send_signal(signal.SIGSTOP)
        if not os.WIFSTOPPED(status):
            self.load.returncode = os.waitstatus_to_exitcode(status)

    def wake(self):
        self.server.process.send_signal(signal.SIGCONT)
        if not self.over():
            self.load.send_signal(signal.SIGCONT)

    def over(self):
        return self.load.poll() is not None

    def end(self, timeout):
        """Waits for the load; the figures of both, or None."""
        self.wake()
        try:
            out, _ = self.load.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as late:
            self.load.kill()
            self.load.communicate()
            raise Failure(f"the load on {self.name} did not end") from late
        finally:
            ended = self.server.stop()
        if self.load.returncode != 0:
            raise Failure(
                f"the load on {self.name} ended with {self.load.returncode}")
        figures = json.loads(out)
        if figures["messages"] == 0:
            return None
        figures["ready"] = ended["ready"] / max(1, ended["waits"])
        figures["wait"] = waited(figures)
        if ended.get("given"):
            # One write a connection is its greeting.
            figures["writes"] = \
                (ended["writes"] - self.conns) * self.size / ended["given"]
        return figures


def measure(options, name, spec, shape, secs, flags=(), extra=(),
            target=None):
    """One server under one load: the figures of both."""
    figures = Pair(options, name, spec, shape, secs, flags, extra,
                   target).end(secs * 3 + 60)
    if figures:
        return figures
    if secs < 1:
        return measure(options, name, spec, shape, secs * 4, flags, extra,
                       target)
    raise Failure(f"{name} passed nothing on")


def measure_sliced(options, cases, secs):
    """Several servers in one stretch of time, in turn, a slice each.

    A case is the arguments of a Pair after the options, as a dictionary
    without the seconds.
    """
    pairs = []
    try:
        for case in cases:
            pairs.append(Pair(options, secs=secs, flags=["-w"], **case))
            # It connects, and warms up.
            time.sleep(SLICE + sum(case["shape"][0::3][:2]) * 50e-6)
            pairs[-1].rest()
        for pair in pairs:
            pair.load.send_signal(signal.SIGUSR2)
        slices = int((secs * 3 + 60) / SLICE)
        while slices > 0 and not all(pair.over() for pair in pairs):
            slices -= 1
            for pair in pairs:
                if pair.over():
                    continue
                pair.wake()
                time.sleep(SLICE)
                pair.rest()
    finally:
        figures = [pair.end(1) for pair in pairs]
    if all(figures):
        return figures
    if secs < 1:
        return measure_sliced(options, cases, secs * 4)
    raise Failure("a server passed nothing on")


def listening():
    """A socket that proxies connect to; load accepts."""
    target = socket.socket()
    target.bind(("127.0.0.1", 0))
    target.listen(64)
    return target


def spread(values):
    return {"median": statistics.median(values), "low": min(values),
            "high": max(values)}


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def per_round(runs, floor, key):
    """The ratio to the floor in each round."""
    return spread([run[key] / base[key] for run, base in zip(runs, floor)
                   if base[key]] or [0])


def summary(runs, floor):
    """The figures of one server, beside those of the floor round by round."""
    return {"rate": per_round(runs, floor, "msgs_s"),
            "cpu": per_round(runs, floor, "server_ns_msg"),
            "runs": runs}


KEPT = {"msgs_s": 0, "mb_s": 1, "server_ns_msg": 1, "p50_us": 0, "p99_us": 0,
        "ready": 2, "own_cpu": 3, "server_cpu": 3, "own_wait": 3,
        "server_wait": 3, "wait": 3, "writes": 4}


def slim(value):
    """What of the figures is worth keeping, and to how many places."""
    if isinstance(value, list):
        return [slim(one) for one in value]
    if not isinstance(value, dict):
        return round(value, 4) if isinstance(value, float) else value
    if "own_cpu" in value:
        return {key: round(value[key], places) for key, places in KEPT.items()
                if key in value}
    return {key: slim(one) for key, one in value.items()}
