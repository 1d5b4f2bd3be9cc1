# SPDX-License-Identifier: MIT
"""The targets, and from the figures whether each is met."""

from measure import middle, per_round

SMALL = ("echo-100", "echo-1000", "echo-pipelined")
MANY = ("echo-100", "echo-1000", "echo-8000", "echo-pipelined", "echo-16k",
        "echo-1m")
BATCHED = (*SMALL, "echo-16k")


def versus(results, shape, one, other, key="msgs_s"):
    """The ratio of two servers in each round, and how calm both were."""
    servers = results.get(shape) or {}
    if one not in servers or other not in servers:
        return None
    runs = servers[one]["runs"], servers[other]["runs"]
    figure = per_round(*runs, key)
    figure["wait"] = max(middle(those, "wait") for those in runs)
    if key == "msgs_s":
        figure["load"] = min(middle(those, "own_cpu") for those in runs)
    return figure


def find(results, group, case, who):
    for one in results.get(group) or []:
        if (one["case"], one["who"]) == (case, who):
            return one
    return None


def times_libevent(results, group, case, who="bufev"):
    one = find(results, group, case, who)
    return one and {"median": one["ratio"], "wait": one.get("wait", 0)}


def of_floor(results, case):
    """Our time as a multiple of the floor's."""
    ours = find(results, "buffers", case, "bufev")
    floor = find(results, "buffers", case, "floor")
    if not (ours and floor):
        return None
    return {"median": ours["ns"] / floor["ns"], "wait": ours.get("wait", 0)}


def nanoseconds(results, group, case):
    one = find(results, group, case, "bufev")
    return one and {"median": one["ns"], "low": one["low"],
                    "high": one["high"], "wait": one.get("wait", 0)}


def heap(results, case, less=None):
    one = find(results, "memory", case, "bufev")
    base = find(results, "memory", less, "bufev") if less else {"bytes": 0}
    return one and base and {"median": one["bytes"] - base["bytes"], "wait": 0}


def echo_targets(results):
    uring, epoll = "bufev uring", "bufev epoll"
    for shape in BATCHED:
        yield (f"{shape}: rate of uring / raw", ">=", 1.15,
               versus(results, shape, uring, "raw"))
    yield ("echo-1: rate of uring / raw", ">=", 0.97,
           versus(results, "echo-1", uring, "raw"))
    for shape in BATCHED:
        yield (f"{shape}: server CPU a message of uring / raw", "<=", 0.87,
               versus(results, shape, uring, "raw", "server_ns_msg"))
    for shape in SMALL:
        yield (f"{shape}: rate of uring / libevent", ">=", 1.7,
               versus(results, shape, uring, "libevent"))
    yield ("echo-16k: rate of uring / libevent", ">=", 6,
           versus(results, "echo-16k", uring, "libevent"))
    for peer in ("libuv", "libev"):
        for shape in MANY:
            yield (f"{shape}: rate of uring / {peer}", ">", 1,
                   versus(results, shape, uring, peer))
    for shape in ("echo-1", *MANY):
        yield (f"{shape}: rate of epoll / raw", ">=", 1.0,
               versus(results, shape, epoll, "raw"))


def server_targets(results):
    for backend in ("bufev uring", "bufev epoll"):
        yield (f"crowd: rate of {backend} among 8,000 / among none", ">=",
               0.97, versus(results, "crowd", f"{backend} +8000",
                            f"{backend} +0"))
    for shape, peers in (("churn", ("libevent", "libuv", "libev")),
                         ("broadcast", ("libevent", "libuv")),
                         ("proxy-there", ("raw", "socat")),
                         ("proxy-both", ("raw", "socat"))):
        for peer in peers:
            yield (f"{shape}: rate of uring / {peer}", ">", 1,
                   versus(results, shape, "bufev uring", peer))


def inner_targets(results):
    for case, need in (("add and remove 64 B", 3), ("move 64 B", 3),
                       ("move 4 KiB", 3), ("move 16 KiB", 3),
                       ("read a line of 80 B", 1.5),
                       ("10 MB backlog, a piece of 100 B", 4)):
        yield (f"{case}: time of libevent / ours", ">=", need,
               times_libevent(results, "buffers", case))
    for case in ("search 1 MiB for a byte",
                 "search 1 MiB for a word, rare first byte",
                 "search 1 MiB for a word, common first byte",
                 "add and remove 64 KiB"):
        yield (f"{case}: our time / that of flat memory", "<=", 1.1,
               of_floor(results, case))
    yield ("start and stop a timer, of a million, ns", "<", 25,
           nanoseconds(results, "timers", "start and stop a timer"))
    for case in ("start and stop a timer", "re-arm a timer", "fire a timer"):
        yield (f"{case}: time of libevent / ours", ">=", 5,
               times_libevent(results, "timers", case))
    for case in ("a message of a stream between threads",
                 "a post while one is pending"):
        yield (f"{case}: time of libuv / ours", ">", 1,
               times_libevent(results, "posts", case))
    yield ("heap of an idle bufferevent with both timeouts, bytes", "<=", 320,
           heap(results, "idle bufferevent, both timeouts"))
    for timeouts in ("no timeouts", "both timeouts"):
        yield (f"heap more after a burst, {timeouts}, bytes", "<", 64,
               heap(results, f"after 20 KB went through, {timeouts}",
                    f"idle bufferevent, {timeouts}"))


def passes(value, relation, need):
    return {">=": value >= need, ">": value > need,
            "<=": value <= need, "<": value < need}[relation]


def verdict(relation, need, figure):
    if not figure:
        return "not measured"
    if figure.get("wait", 0) > 0.1:
        suffix = ", but not to be relied on"
    elif figure.get("load", 0) > 0.95:
        suffix = ", but the load was the bottleneck of both"
    else:
        suffix = ""
    outer = [figure[key] for key in ("low", "high") if key in figure]
    same = {passes(value, relation, need) for value in outer}
    if not suffix and len(same) == 2:
        suffix = ", not in every round"
    met = passes(figure["median"], relation, need)
    return ("met" if met else "**missed**") + suffix


def judge(results):
    """Each target: what, relation, need, figure or None, verdict."""
    for group in (echo_targets, server_targets, inner_targets):
        for what, relation, need, figure in group(results):
            yield (what, relation, need, figure,
                   verdict(relation, need, figure))
