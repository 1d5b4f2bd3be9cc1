#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmarks and renders their figures; see run.sh.

Servers are measured in turn, A B C A B C ..., each with a fresh process on the
first CPU and the load generator on the second, so that what the machine does
meanwhile meets all alike.  The turns are slices of a tenth of a second, see
measure.py; with 8,000 connections, which do not come round in one, and for the
workers and the growth a turn is a whole measurement.  Each figure is a ratio to
the raw server of the same round; the table shows the median of the rounds and,
in brackets, the lowest and the highest.  The micro benchmarks do the same
inside one process.

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
a tenth is taken again, up to --patience times and for --spare seconds in all,
and the calmest one counts.

With --page the figures go to docs/explanation/performance.json, and render.py
makes the page and its charts of them.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the tree stays as it is
import render  # noqa: E402
from measure import (  # noqa: E402
    BROADCAST, ECHO, PROXY, WORKERS, Failure, available, calmly, listening,
    measure, measure_calmly, measure_sliced, middle, pinned, slim, spread,
    summary)

SHAPES = {
    # name: (connections, size, depth, idle connections, load's flags)
    "echo-1": (1, 64, 1, 0, []),
    "echo-100": (100, 64, 1, 0, []),
    "echo-1000": (1000, 64, 1, 0, []),
    "echo-8000": (8000, 64, 1, 0, []),
    "echo-pipelined": (100, 64, 16, 0, []),
    "echo-16k": (50, 16384, 1, 0, []),
    "echo-1m": (10, 1048576, 1, 0, []),
    "churn": (50, 64, 1, 0, ["-n"]),
}

# The rounds of one server go over all crowds; the ratio is to its own with 0.
CROWDS = (0, 1000, 8000)
# The raw one has no timeouts: what it loses is the kernel's alone.
TIMED = ["-t", "60000"]
CROWDED = {"raw, recv": [], "libevent": TIMED, "libuv": TIMED,
           "bufev epoll": TIMED, "bufev uring": TIMED}

# One connection that writes and a thousand that read.
READERS = (1001, 64, 1, 0, ["-b"])

# One connection; the direction is a bit each.
PROXIED = {"proxy-there": (1, 65536, 1, 0, []),
           "proxy-both": (1, 65536, 3, 0, [])}

GROWN = ("raw", "libevent", "bufev epoll", "bufev uring")
GROWTH = {
    "growth-connections": {n: (n, 64, 1, 0, [])
                           for n in (1, 10, 100, 1000, 8000)},
    "growth-size": {n: (10, n, 1, 0, [])
                    for n in (1, 64, 1024, 16384, 131072, 1048576)},
}

MICRO = ("buffers", "timers", "posts", "memory")

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "../../docs/explanation/performance.json")


def show(ratio):
    return f"{ratio['median']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})"


def table(title, results, count="msgs/s", key="msgs_s"):
    print(f"\n{title}")
    print(f"  {'':<18} {'rate':>17} {'CPU':>17} {count:>10} {'p50':>7} "
          f"{'p99':>7} {'ready':>6} {'load':>5} {'wait':>5}")
    for name, result in results.items():
        runs = result["runs"]
        print(f"  {name:<18} {show(result['rate']):>17} "
              f"{show(result['cpu']):>17} {middle(runs, key):>10.0f} "
              f"{middle(runs, 'p50_us'):>7.0f} {middle(runs, 'p99_us'):>7.0f} "
              f"{middle(runs, 'ready'):>6.1f} {middle(runs, 'own_cpu'):>5.2f} "
              f"{middle(runs, 'wait'):>5.2f}")
    sys.stdout.flush()


def in_turn(options, servers, specs, shape):
    """A B C A B C ...: the runs of each server."""
    runs = {server: [] for server in servers}
    for _ in range(options.rounds):
        for server in servers:
            runs[server].append(measure_calmly(
                options, server, specs[server], shape, options.secs))
    return runs


def in_slices(options, cases, secs=None):
    """The same, but the turns are slices of one measurement a round."""
    runs = {name: [] for name in cases}
    for _ in range(options.rounds):
        taken = calmly(options, lambda: measure_sliced(
            options, list(cases.values()), secs or options.secs))
        for name, figures in zip(cases, taken):
            runs[name].append(figures)
    return runs


def same_shape(servers, specs, shape):
    return {server: {"name": server, "spec": specs[server], "shape": shape}
            for server in servers}


def beside(runs, floor):
    return {name: summary(those, runs[floor]) for name, those in runs.items()}


def run_shape(options, servers, name):
    """One shape.  Greed shows only where more has come than one read takes."""
    if name != "echo-1m":
        servers = [one for one in servers if one != "raw, greedy"]
    # So many take longer than a slice to come round.
    runs = in_turn(options, servers, ECHO, SHAPES[name]) \
        if name == "echo-8000" else \
        in_slices(options, same_shape(servers, ECHO, SHAPES[name]))
    results = beside(runs, "raw")
    table(f"{name}: {render.describe(SHAPES[name])}", results)
    return results


def run_crowd(options, servers):
    """Throughput of 100 connections among idle ones with timeouts set."""
    results = {}
    for server in (s for s in servers if s in CROWDED):
        runs = in_slices(options, {
            crowd: {"name": server, "spec": ECHO[server],
                    "shape": (100, 64, 1, crowd, []),
                    "extra": CROWDED[server]} for crowd in CROWDS})
        for crowd in CROWDS:
            results[f"{server} +{crowd}"] = summary(runs[crowd], runs[0])
    table("crowd: 100 connections, 64 bytes, among idle ones with timeouts; "
          "ratios to none", results)
    return results


def run_broadcast(options, servers):
    """One writer and 1,000 readers; a message is what one reader got."""
    runs = in_slices(options, same_shape(servers, BROADCAST, READERS))
    results = beside(runs, "raw")
    for name, result in results.items():
        if name != "bufev uring":
            result["writes"] = middle(runs[name], "writes")
    table("broadcast: one writer, 1,000 readers, 64 bytes", results)
    print("  writes a reader and turn: " + ", ".join(
        f"{name} {result['writes']:.2f}" for name, result in results.items()
        if "writes" in result))
    return results


def run_proxy(options, servers, name):
    cases = same_shape(servers, PROXY, PROXIED[name])
    with contextlib.ExitStack() as stack:
        for case in cases.values():
            case["target"] = stack.enter_context(listening())
        runs = in_slices(options, cases)
    results = beside(runs, "raw")
    table(f"{name}: one connection, pieces of 64 KiB", results, "MB/s", "mb_s")
    return results


def run_workers(options, servers):
    """The load shares the CPUs, so everybody waits, and that is no fault."""
    patience, options.patience = options.patience, 1
    runs = in_turn(options, servers, WORKERS, (1000, 64, 1, 0, []))
    options.patience = patience
    results = {name: summary(those, runs[name.split(",")[0] + ", 1"])
               for name, those in runs.items()}
    table("workers: 1,000 connections, 64 bytes, threads and load on all "
          "CPUs; ratios to one thread", results)
    return results


def run_growth(options, servers, name):
    """Server CPU a message, in shorter measurements and fewer rounds."""
    points = GROWTH[name]
    runs = {server: {n: [] for n in points} for server in servers}
    for _ in range((options.rounds + 1) // 2):
        for n, shape in points.items():
            for server in servers:
                runs[server][n].append(measure_calmly(
                    options, server, ECHO[server], shape, options.secs / 2))
    results = {
        server: {str(n): {**spread([run["server_ns_msg"] for run in those]),
                          "wait": middle(those, "wait")}
                 for n, those in by_n.items()}
        for server, by_n in runs.items()}
    print(f"\n{name}: server CPU a message, ns")
    print("  " + " " * 18 + "".join(f"{n:>10}" for n in points))
    for server, by_n in results.items():
        print(f"  {server:<18}" + "".join(
            f"{one['median']:>10.0f}" for one in by_n.values()))
    sys.stdout.flush()
    return results


def run_resident(options, servers):
    """Resident memory with 8,000 connections, idle after one busy second."""
    results = {}
    conns = 200 if options.smoke else 8000
    print(f"\nresident: memory of a server with {conns} connections, KiB")
    for server in servers:
        idle, busy = (
            measure(options, server, ECHO[server], shape, options.secs / 3)
            for shape in ((1, 64, 1, conns - 1, []), (conns, 64, 1, 0, [])))
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


def check(options, echo, broadcast, proxy):
    """Before anything is timed: every byte comes, in every shape."""
    for server in echo:
        for shape in ((20, 64, 16, 0, []), (4, 1048576, 1, 0, [])):
            measure(options, server, ECHO[server], shape, 0.1, flags=["-c"])
    for server in broadcast:
        measure(options, server, BROADCAST[server], (50, 64, 1, 0, ["-b"]),
                0.1, flags=["-c"])
    for server in proxy:
        with listening() as target:
            measure(options, server, PROXY[server], (1, 65536, 3, 0, []), 0.1,
                    flags=["-c"], target=target)


def first_line(path, start, default):
    """The rest of the first line of a file that begins so."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(start):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return default


def compiler():
    try:
        out = subprocess.run(["cc", "--version"], stdout=subprocess.PIPE,
                             text=True, check=False).stdout
        return out.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def about(options):
    """What the figures were taken with."""
    return {
        "command": " ".join(["sh tests/bench/run.sh", *options.said]),
        "date": time.strftime("%Y-%m-%d"),
        "kernel": platform.system() + " " + platform.release(),
        "machine": platform.machine(),
        "processor": first_line("/proc/cpuinfo", "model name", "unknown"),
        "cpus": len(os.sched_getaffinity(0)),
        "compiler": compiler(),
        "rounds": options.rounds,
        "secs": options.secs,
    }


NAMES = (*SHAPES, "crowd", "broadcast", *PROXIED, "workers", *GROWTH, *MICRO,
         "resident")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True,
                        help="where the programs are")
    parser.add_argument("--examples", default="",
                        help="where the examples are; without them no proxy "
                        "and no workers")
    parser.add_argument("--smoke", action="store_true",
                        help="everything briefly; asserts no times")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="NAME, or with \"echo\" all that begin so: " +
                        ", ".join(NAMES))
    parser.add_argument("--servers", metavar="LIST",
                        help="some of: " + "; ".join([*ECHO, "socat"]) +
                        ", divided by semicolons; raw is always one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--secs", type=float, default=0.8,
                        help="length of each measurement")
    parser.add_argument("--patience", type=int, default=4, metavar="N",
                        help="most times that one measurement is taken")
    parser.add_argument("--spare", type=float, default=60, metavar="SECS",
                        help="most time in all for taking them again")
    parser.add_argument("--json", metavar="FILE",
                        help="where the figures go; bench.json in the build")
    parser.add_argument("--add", action="store_true",
                        help="keep the other figures that FILE has")
    parser.add_argument("--page", action="store_true",
                        help="render docs/explanation/performance.md")
    options = parser.parse_args()
    options.said = sys.argv[1:]
    for own in ("--build", "--examples"):
        if own in options.said:
            at = options.said.index(own)
            del options.said[at:at + 2]
    if options.smoke:
        options.rounds, options.secs, options.patience = 1, 0.1, 1
    if not options.json:
        options.json = os.path.normpath(PAGE) if options.page else \
            os.path.join(options.build, "bench.json")
    return options


def plan(options, echo, broadcast, proxy, workers):
    """The measurements in their order: a name, and what to call for it."""
    for name in SHAPES:
        yield name, lambda name=name: run_shape(options, echo, name)
    yield "crowd", lambda: run_crowd(options, echo)
    yield "broadcast", lambda: run_broadcast(options, broadcast)
    for name in PROXIED:
        yield name, lambda name=name: run_proxy(options, proxy, name)
    if workers:
        yield "workers", lambda: run_workers(options, workers)
    for name in GROWTH:
        yield name, lambda name=name: run_growth(
            options, [s for s in echo if s in GROWN], name)
    for name in MICRO:
        yield name, lambda name=name: run_micro(options, name)
    yield "resident", lambda: run_resident(options, echo)


def kept(options):
    """What is in the file already, where it may be added to."""
    if not (options.add and os.path.exists(options.json)):
        return {}, {}
    with open(options.json, encoding="utf-8") as file:
        before = json.load(file)
    return before["results"], before["about"]


def main():
    options = parse()
    asked = options.servers and \
        {"raw"} | {s.strip() for s in options.servers.split(";")}
    echo, broadcast, proxy = (
        [name for name in available(options, specs)
         if not asked or name in asked]
        for specs in (ECHO, BROADCAST, PROXY))
    workers = available(options, WORKERS)

    def wanted(name):
        return not options.only or \
            any((name + "-").startswith(only + "-") for only in options.only)

    began = time.monotonic()
    results, taken = kept(options)
    check(options, echo, broadcast, proxy)
    for name, run in plan(options, echo, broadcast, proxy, workers):
        if not wanted(name):
            continue
        outcome = run()
        if outcome is not None:
            results[name], taken[name] = slim(outcome), about(options)
    with open(options.json, "w", encoding="utf-8") as file:
        file.write(render.compact({"results": results, "about": taken}))
    print(f"\nfigures: {options.json}, after "
          f"{time.monotonic() - began:.0f} seconds")
    if options.page:
        render.write(options.json)
    elif options.smoke:
        render.try_out(options.json)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"run.py: {failure}")
