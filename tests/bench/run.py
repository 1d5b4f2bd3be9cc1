#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmarks and renders their figures; see run.sh.

Servers are measured in turn, A B C A B C ..., each with a fresh process on the
first CPU and the load generator on the second, so that what the machine does
meanwhile meets all alike.  Each figure is a ratio to the raw server of the same
round; the table shows the median of the rounds and, in brackets, the lowest and
the highest.  The micro benchmarks do the same inside one process.

Of each server the table shows:

  rate   messages a second, as a ratio to raw
  CPU    server CPU time a message, as a ratio to raw
  msgs/s, p50, p99    as measured, median of the rounds; microseconds
  ready  descriptors that were ready a wait: near 1, the server was waiting for
         the load and the rates say little
  load   how busy the load generator was (1: it was the bottleneck)
  wait   the larger share of the time in which the server or the load was ready
         to run and something else had its CPU

On a machine that does other work, too, a measurement with a wait above
a tenth is taken again, up to --patience times, and the calmest one counts.
"""

import argparse
import json
import os
import platform
import select
import signal
import statistics
import subprocess
import sys
import time

SHAPES = {
    # name: (connections, size, depth, idle connections, load's flags)
    "echo-100": (100, 64, 1, 0, []),
    "echo-1000": (1000, 64, 1, 0, []),
    "echo-16k": (50, 16384, 1, 0, []),
    "echo-pipelined": (100, 64, 16, 0, []),
    "echo-1": (1, 64, 1, 0, []),
    "echo-8000": (8000, 64, 1, 0, []),
    "echo-1m": (10, 1048576, 1, 0, []),
    "churn": (50, 64, 1, 0, ["-n"]),
}

# The rounds of one server go over all crowds; the ratio is to its own with 0.
CROWDS = (0, 1000, 8000)

SERVERS = {
    # name: (program, arguments)
    "raw": ("echo-raw", []),
    "raw, recv": ("echo-raw", ["-r"]),
    "libevent": ("echo-libevent", []),
    "libuv": ("echo-libuv", []),
    "libev": ("echo-libev", []),
    "bufev poll": ("echo-bufev", ["poll"]),
    "bufev epoll": ("echo-bufev", ["epoll"]),
    "bufev uring": ("echo-bufev", ["uring"]),
}

MICRO = ("buffers", "timers", "posts", "memory")


class Failure(Exception):
    """A program did not do what it should."""


def pinned(cpu):
    """What a child calls to stay on one CPU; None where there is but one."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2 or cpu is None:
        return None
    return lambda: os.sched_setaffinity(0, {cpus[cpu]})


class Server:
    """A server process on the first CPU, and the port that it printed."""

    def __init__(self, build, name, extra=()):
        program, arguments = SERVERS[name]
        self.name = name
        self.process = subprocess.Popen(
            [os.path.join(build, program), *extra, *arguments],
            stdout=subprocess.PIPE, text=True, preexec_fn=pinned(0))
        ready, _, _ = select.select([self.process.stdout], [], [], 10)
        line = self.process.stdout.readline() if ready else ""
        if not line.strip().isdigit():
            self.process.kill()
            self.process.wait()
            raise Failure(f"{name} printed no port")
        self.port = int(line)

    def stop(self):
        """Ends it; returns its last line."""
        self.process.send_signal(signal.SIGTERM)
        try:
            out, _ = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired as late:
            self.process.kill()
            self.process.wait()
            raise Failure(f"{self.name} did not end on SIGTERM") from late
        if self.process.returncode != 0:
            raise Failure(f"{self.name} ended with {self.process.returncode}")
        return json.loads(out)


def waited(figures):
    return max(figures["own_wait"], figures["server_wait"])


def measure_calmly(options, *args, **more):
    """Measures again while something else takes the CPUs away."""
    best = None
    for _ in range(options.patience):
        figures = measure(options.build, *args, **more)
        if best is None or waited(figures) < waited(best):
            best = figures
        if waited(best) <= 0.1:
            break
    return best


def measure(build, name, shape, secs, flags=(), extra=()):
    """One server under one load: the figures of both."""
    conns, size, depth, idle, more = shape
    server = Server(build, name, extra)
    command = [os.path.join(build, "load"), "-p", str(server.process.pid),
               "-i", str(idle), *more, *flags, str(server.port), str(conns),
               str(size), str(depth), str(secs)]
    try:
        load = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                              preexec_fn=pinned(1), timeout=secs * 3 + 60)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"the load on {name} did not end") from late
    finally:
        ended = server.stop()
    if load.returncode != 0:
        raise Failure(f"the load on {name} ended with {load.returncode}")
    figures = json.loads(load.stdout)
    if figures["messages"] == 0:
        raise Failure(f"{name} echoed nothing")
    figures["ready"] = ended["ready"] / max(1, ended["waits"])
    figures["server"] = ended
    return figures


def available(build):
    """The servers that were built and whose backend this machine has."""
    found = []
    for name, (program, _) in SERVERS.items():
        if not os.path.exists(os.path.join(build, program)):
            continue
        try:
            Server(build, name).stop()
        except Failure as failure:
            if not name.startswith("bufev "):
                raise
            print(f"# without {name}: {failure}", file=sys.stderr)
            continue
        found.append(name)
    return found


def spread(values):
    return {"median": statistics.median(values), "low": min(values),
            "high": max(values), "rounds": values}


def show(ratio):
    return f"{ratio['median']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})"


def summary(runs, floor):
    """The figures of one server, beside those of the floor round by round."""
    return {
        "rate": spread([run["msgs_s"] / base["msgs_s"]
                        for run, base in zip(runs, floor)]),
        "cpu": spread([run["server_ns_msg"] / base["server_ns_msg"]
                       for run, base in zip(runs, floor)
                       if base["server_ns_msg"]] or [0]),
        "runs": runs,
    }


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def table(title, results):
    print(f"\n{title}")
    print(f"  {'':<14} {'rate':>17} {'CPU':>17} {'msgs/s':>9} {'p50':>7} "
          f"{'p99':>7} {'ready':>6} {'load':>5} {'wait':>5}")
    for name, result in results.items():
        runs = result["runs"]
        print(f"  {name:<14} {show(result['rate']):>17} "
              f"{show(result['cpu']):>17} {middle(runs, 'msgs_s'):>9.0f} "
              f"{middle(runs, 'p50_us'):>7.0f} {middle(runs, 'p99_us'):>7.0f} "
              f"{middle(runs, 'ready'):>6.1f} {middle(runs, 'own_cpu'):>5.2f} "
              f"{statistics.median(map(waited, runs)):>5.2f}")
    sys.stdout.flush()


def describe(shape):
    conns, size, depth, idle, more = shape
    text = f"{conns} connections, {size} bytes"
    if depth > 1:
        text += f", {depth} at once"
    if idle:
        text += f", {idle} idle ones"
    if "-n" in more:
        text += ", a new connection for each message"
    return text


def run_shape(options, servers, name):
    shape = SHAPES[name]
    runs = {server: [] for server in servers}
    for _ in range(options.rounds):
        for server in servers:
            runs[server].append(
                measure_calmly(options, server, shape, options.secs))
    results = {server: summary(runs[server], runs["raw"])
               for server in servers}
    table(f"{name}: {describe(shape)}", results)
    return results


def run_crowd(options, servers):
    """Throughput of 100 connections among idle ones with timeouts set."""
    results = {}
    for server in servers:
        if not server.startswith(("libevent", "bufev")) or \
                server == "bufev poll":
            continue
        runs = {crowd: [] for crowd in CROWDS}
        for _ in range(options.rounds):
            for crowd in CROWDS:
                shape = (100, 64, 1, crowd, [])
                runs[crowd].append(
                    measure_calmly(options, server, shape, options.secs,
                                   extra=["-t", "60000"]))
        for crowd in CROWDS:
            results[f"{server} +{crowd}"] = summary(runs[crowd], runs[0])
    table("crowd: 100 connections, 64 bytes, among idle ones with timeouts; "
          "ratios to none", results)
    return results


def run_resident(options, servers):
    """Resident memory with 8,000 connections, idle after one busy second."""
    results = {}
    conns = 200 if options.smoke else 8000
    print(f"\nresident: memory of a server with {conns} connections, KiB")
    for server in servers:
        idle = measure(options.build, server, (1, 64, 1, conns - 1, []),
                       options.secs / 3)
        busy = measure(options.build, server, (conns, 64, 1, 0, []),
                       options.secs / 3)
        results[server] = {"idle": idle["server_rss_kib"],
                           "busy": busy["server_rss_kib"]}
        print(f"  {server:<14} idle {results[server]['idle']:>7} "
              f"busy {results[server]['busy']:>7}")
    sys.stdout.flush()
    return results


def run_micro(options, name):
    program = os.path.join(options.build, name)
    if not os.path.exists(program):
        print(f"# without {name}: not built", file=sys.stderr)
        return None
    command = [program] + (["--smoke"] if options.smoke else [])
    # Two threads need two CPUs.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                          preexec_fn=pinned(None if name == "posts" else 0),
                          timeout=600)
    if done.returncode != 0:
        raise Failure(f"{name} ended with {done.returncode}")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    print(f"\n{name}")
    for one in results:
        figure = f"{one['bytes']:>12.1f} bytes" if "bytes" in one else \
            f"{one['ns']:>12.1f} ns ({one['low']:.1f}-{one['high']:.1f})"
        ratio = f"  x {one['ratio']:.2f}" if "ratio" in one else ""
        print(f"  {one['case']:<44} {one['who']:<9}{figure}{ratio}")
    sys.stdout.flush()
    return results


def check_echo(options, servers):
    """Before anything is timed: every byte comes back, in every shape."""
    for server in servers:
        for shape in ((20, 64, 16, 0, []), (4, 1048576, 1, 0, [])):
            measure(options.build, server, shape, 0.1, flags=["-c"])


def compiler():
    try:
        out = subprocess.run(["cc", "--version"], stdout=subprocess.PIPE,
                             text=True, check=False).stdout
        return out.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True,
                        help="where the programs are")
    parser.add_argument("--smoke", action="store_true",
                        help="everything briefly; asserts no times")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="NAME, or with \"echo\" all that begin so: " +
                        ", ".join([*SHAPES, "crowd", *MICRO, "resident"]))
    parser.add_argument("--servers", metavar="LIST",
                        help="some of: " + "; ".join(SERVERS) +
                        ", divided by semicolons; raw is always one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--secs", type=float, default=3.0,
                        help="length of each measurement")
    parser.add_argument("--patience", type=int, default=4)
    parser.add_argument("--json", metavar="FILE",
                        help="where the figures go; bench.json in the build")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.secs, options.patience = 1, 0.1, 1
    return options


def main():
    options = parse()
    servers = available(options.build)
    if options.servers:
        asked = ["raw"] + [s.strip() for s in options.servers.split(";")]
        servers = [server for server in servers if server in asked]

    def wanted(name):
        return not options.only or \
            any((name + "-").startswith(only + "-") for only in options.only)

    figures = {
        "date": time.strftime("%Y-%m-%d"),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "compiler": compiler(),
        "rounds": options.rounds,
        "secs": options.secs,
        "results": {},
    }
    results = figures["results"]
    check_echo(options, servers)
    for name in SHAPES:
        if wanted(name):
            results[name] = run_shape(options, servers, name)
    if wanted("crowd"):
        results["crowd"] = run_crowd(options, servers)
    for name in MICRO:
        if wanted(name):
            results[name] = run_micro(options, name)
    if wanted("resident"):
        results["resident"] = run_resident(options, servers)
    path = options.json or os.path.join(options.build, "bench.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(figures, file, indent=1)
        file.write("\n")
    print(f"\nfigures: {path}")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"run.py: {failure}")
