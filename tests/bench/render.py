#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the page of the figures that run.py has written.

    python3 tests/bench/render.py [FIGURES.json]

The text is in performance.in.md; a line {{NAME}} in it stands for a table and
its chart, which are made here.  Whether a target is met is decided in
targets.py, by the figures alone.  Writes docs/explanation/performance.md and
docs/explanation/performance/*.svg.
"""

import json
import os
import re
import sys
import tempfile

sys.dont_write_bytecode = True  # the tree stays as it is
import charts  # noqa: E402
import targets  # noqa: E402
from measure import middle  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.normpath(os.path.join(HERE, "../../docs/explanation"))
CALM = 0.1

NOTE = ("Bars: median of the rounds; thin line: lowest to highest; "
        "dashed: the floor.")

ECHO_TITLES = {
    "echo-1": "1 connection, 64 B",
    "echo-100": "100 connections, 64 B",
    "echo-1000": "1,000 connections, 64 B",
    "echo-8000": "8,000 connections, 64 B",
    "echo-pipelined": "100 connections, 64 B, 16 at once",
    "echo-16k": "50 connections, 16 KiB",
    "echo-1m": "10 connections, 1 MiB",
}


def compact(figures):
    """JSON with a line for each small object."""
    whole = json.dumps(figures, indent=1)
    flat = re.sub(r"\{[^{}\[\]]*\}",
                  lambda m: re.sub(r"\s*\n\s*", " ", m.group(0)), whole)
    return flat + "\n"


def describe(shape):
    conns, size, depth, _, more = shape
    said = f"{conns} connections, {size} bytes"
    if depth > 1:
        said += f", {depth} at once"
    if "-n" in more:
        said += ", a new connection for each message"
    return said


def ratio(figure):
    return (f"{figure['median']:.2f} ({figure['low']:.2f}–"
            f"{figure['high']:.2f})")


def grid(head, rows):
    """A table; the first column is text, the others are figures."""
    lines = ["| " + " | ".join(head) + " |",
             "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def mark(wait):
    """Beside a name whose figures are not to be relied on."""
    return " ⚠" if wait > CALM else ""


class Page:
    """What the template's names stand for; the charts as they are made."""

    def __init__(self, figures):
        self.results, self.about = figures["results"], figures["about"]
        self.charts = {}

    def chart(self, name, svg, what):
        self.charts[name] = svg
        return f"![{what}](performance/{name}.svg)"

    def servers(self, name, unit=("msgs/s", "msgs_s"), marks=True,
                ready=True, latency=True):
        """The table of one comparison of servers."""
        head = ["", "rate / floor", "CPU / floor", unit[0], "CPU, ns"]
        head += ["p50, µs", "p99, µs"] if latency else []
        head += ["ready a wait"] if ready else []
        head += ["load busy", "run-queue wait"]
        rows = []
        for server, result in self.results[name].items():
            runs = result["runs"]
            wait = middle(runs, "wait")
            row = [server + (mark(wait) if marks else ""),
                   ratio(result["rate"]), ratio(result["cpu"]),
                   f"{middle(runs, unit[1]):,.0f}",
                   f"{middle(runs, 'server_ns_msg'):,.0f}"]
            row += [f"{middle(runs, key):,.0f}"
                    for key in ("p50_us", "p99_us")] if latency else []
            row += [f"{middle(runs, 'ready'):.1f}"] if ready else []
            row += [f"{middle(runs, 'own_cpu'):.2f}", f"{wait:.2f}"]
            rows.append(row)
        return grid(head, rows)

    def bars(self, name, key="rate", without=("raw",), marks=True):
        return [charts.bar(server + (mark(middle(result["runs"], "wait"))
                                     if marks else ""), result[key])
                for server, result in self.results[name].items()
                if server not in without]

    def conditions(self):
        """What was measured with; a line for each way that it was called."""
        lines = {}
        for name, about in self.about.items():
            lines.setdefault(json.dumps(about), []).append(name)
        out = []
        for said, names in lines.items():
            about = json.loads(said)
            which = "" if len(lines) == 1 else \
                f" (for {', '.join(names)})"
            out.append(
                f"- `{about['command']}`{which}, on {about['date']}: "
                f"{about['kernel']} on {about['machine']}, "
                f"{about['processor']}, {about['cpus']} CPUs; "
                f"{about['compiler']}, release build; rounds: "
                f"{about['rounds']}, seconds a measurement: "
                f"{about['secs']:g}.")
        runs = [run for name, group in self.results.items()
                if isinstance(group, dict) and name != "workers"
                for result in group.values() if "runs" in result
                for run in result["runs"]]
        if runs:
            out.append(
                f"- The load generator was on its CPU "
                f"{middle(runs, 'own_cpu') * 100:.0f} % of the time (median "
                f"of {len(runs)} measurements; each table tells its own), and "
                f"the worse off of server and load stood in the run queue "
                f"{middle(runs, 'wait') * 100:.0f} % of it.")
        unquiet = sum(run["wait"] > CALM for run in runs)
        if unquiet:
            out.append(
                f"- **In {unquiet} of them that was above a tenth**: "
                "something else had the CPUs. Rows whose median is above "
                "carry ⚠ and are not to be relied on.")
        return "\n".join(out)

    def targets(self):
        rows = []
        for what, relation, need, figure, said in \
                targets.judge(self.results):
            value = "–"
            if figure:
                value = f"{figure['median']:.2f}"
                if "low" in figure:
                    value = ratio(figure)
                if figure["median"] >= 50:
                    value = f"{figure['median']:.0f}"
            rows.append([what, f"{relation} {need:g}", value, said])
        met = sum(row[3].startswith("met") for row in rows)
        missed = sum("missed" in row[3] for row in rows)
        doubtful = sum("not to be relied on" in row[3] for row in rows)
        doubt = f"; {doubtful} of these are not to be relied on" \
            if doubtful else ""
        return (f"{len(rows)} figures: {met} met, {missed} missed, "
                f"{len(rows) - met - missed} not measured{doubt}.\n\n"
                + grid(["what / divided by what", "target", "measured", ""],
                       rows))

    def echo(self):
        names = [name for name in ECHO_TITLES if name in self.results]
        out = []
        for key, what in (("rate", "Messages a second"),
                          ("cpu", "Server CPU a message")):
            title = f"{what}, as a ratio to raw"
            out.append(self.chart(f"echo-{key}", charts.bar_chart(
                title, [(ECHO_TITLES[name], self.bars(name, key), 1, "raw")
                        for name in names], NOTE), f"Echo: {title}"))
        for name in names:
            out.append(f"**{name}**: {ECHO_TITLES[name]}\n\n"
                       + self.servers(name))
        return "\n\n".join(out)

    def compared(self, name, title, **more):
        chart = self.chart(name, charts.bar_chart(title, [
            ("rate", self.bars(name), 1, "raw"),
            ("server CPU", self.bars(name, "cpu"), 1, "raw")], NOTE), title)
        return chart + "\n\n" + self.servers(name, **more)

    def churn(self):
        return self.compared("churn", "Churn: connections a second and "
                             "server CPU a connection, ratio to raw")

    def broadcast(self):
        out = self.compared("broadcast", "Broadcast: deliveries a second and "
                            "server CPU a delivery, ratio to raw",
                            unit=("deliveries/s", "msgs_s"), ready=False)
        writes = ", ".join(
            f"{name} {result['writes']:.2f}"
            for name, result in self.results["broadcast"].items()
            if "writes" in result)
        return out + ("\n\nSystem calls that write, a delivery (those of "
                      f"io_uring are not seen by the counter): {writes}.")

    def crowd(self):
        shown = [name for name in self.results["crowd"] if "+0" not in name]
        bars = [charts.bar(name, self.results["crowd"][name]["rate"])
                for name in shown]
        title = "Idle crowd: rate among so many, ratio to the same with none"
        return self.chart("crowd", charts.bar_chart(
            title, [("100 busy connections, 64 B", bars, 1, "none")], NOTE),
            title) + "\n\n" + self.servers("crowd")

    def proxy(self):
        names = [name for name in ("proxy-there", "proxy-both")
                 if name in self.results]
        ways = {"proxy-there": "one way", "proxy-both": "both ways at once"}
        title = "Proxy: bytes a second and CPU a byte, ratio to raw"
        panels = [(f"{what}, {ways[name]}", self.bars(name, key), 1, "raw")
                  for name in names
                  for key, what in (("rate", "rate"), ("cpu", "CPU"))]
        out = [self.chart("proxy", charts.bar_chart(title, panels, NOTE),
                          title)]
        for name in names:
            out.append(f"**{name}**: {ways[name]}; CPU is for 64 KiB\n\n"
                       + self.servers(name, ("MB/s", "mb_s"), latency=False,
                                      ready=False))
        return "\n\n".join(out)

    def workers(self):
        title = "Two threads: messages a second, ratio to one"
        bars = self.bars("workers", marks=False,
                         without=("epoll, 1", "uring, 1"))
        return self.chart("workers", charts.bar_chart(
            title, [("1,000 connections, 64 B", bars, 1, "one thread")], NOTE),
            title) + "\n\n" + self.servers("workers", marks=False, ready=False)

    def growth(self, name, title, x_name, label):
        servers = self.results[name]
        series = {server: {int(n): one for n, one in by_n.items()}
                  for server, by_n in servers.items()}
        chart = self.chart(name, charts.line_chart(
            title, series, x_name, "ns of server CPU a message", label), title)
        points = sorted({n for one in series.values() for n in one})
        rows = [[server] + [f"{one[n]['median']:,.0f}"
                            f"{mark(one[n]['wait'])}" for n in points]
                for server, one in series.items()]
        return chart + "\n\n" + grid(["ns a message"] + [
            label(n) for n in points], rows)

    def growth_connections(self):
        return self.growth("growth-connections",
                           "Server CPU a message against connections (64 B)",
                           "connections", lambda n: f"{n:,}")

    def growth_size(self):
        return self.growth("growth-size",
                           "Server CPU a message against its size "
                           "(10 connections)", "bytes in a message", size)

    def micro(self, name, base, places=1):
        """A table of cases, and a chart of the ratios to `base`."""
        cases = {}
        for one in self.results[name]:
            cases.setdefault(one["case"], []).append(one)
        rows, panels = [], []
        for case, entries in cases.items():
            ratios = [dict(median=one["ratio"], low=one["ratio"],
                           high=one["ratio"], who=one["who"])
                      for one in entries if one["who"] != base]
            panels.append((case, [charts.bar(r["who"], r) for r in ratios], 1,
                           base))
            for one in entries:
                rows.append([case + mark(one.get("wait", 0)), one["who"],
                             f"{one['ns']:,.{places}f} ({one['low']:,.1f}–"
                             f"{one['high']:,.1f})", f"{one['ratio']:.2f}",
                             f"{one.get('wait', 0):.2f}"])
        title = f"{name.capitalize()}: how many times as fast as {base}"
        return self.chart(name, charts.bar_chart(title, panels,
                                                 "Longer is faster."), title) \
            + "\n\n" + grid(["case", "who", "ns (lowest–highest round)",
                             f"time of {base} / own", "run-queue wait"], rows)

    def buffers(self):
        return self.micro("buffers", "libevent")

    def timers(self):
        return self.micro("timers", "libevent")

    def posts(self):
        return self.micro("posts", "libuv")

    def memory(self):
        cases = {}
        for one in self.results["memory"]:
            cases.setdefault(one["case"], {})[one["who"]] = one["bytes"]
        panels = [(case, [charts.bar(who, dict(median=n, low=n, high=n), 0,
                                     " B") for who, n in by.items()],
                   None, "") for case, by in cases.items()]
        title = "Heap of a bufferevent, bytes"
        rows = [[case, f"{by['bufev']:,.0f}", f"{by['libevent']:,.0f}",
                 f"{by['libevent'] / by['bufev']:.1f}"]
                for case, by in cases.items()]
        return self.chart("memory", charts.bar_chart(
            title, panels, "Shorter is smaller."), title) + "\n\n" + grid(
                ["heap of one, bytes", "bufev", "libevent",
                 "libevent / bufev"], rows)

    def resident(self):
        return grid(
            ["resident memory with 8,000 connections, KiB",
             "idle but one", "all busy"],
            [[server, f"{one['idle']:,}", f"{one['busy']:,}"]
             for server, one in self.results["resident"].items()])

    NEEDS = {"conditions": (), "targets": (), "echo": ("echo-100",),
             "proxy": ("proxy-both",)}

    def section(self, name):
        needs = self.NEEDS.get(name, (name.replace("_", "-"),))
        if any(need not in self.results for need in needs):
            return "Not measured."
        return getattr(self, name)()


def size(n):
    for unit, whole in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if n >= whole:
            return f"{n // whole} {unit}"
    return f"{n} B"


def write(path, docs=DOCS):
    """Makes the page and its charts, and says where they are."""
    with open(path, encoding="utf-8") as file:
        page = Page(json.load(file))
    with open(os.path.join(HERE, "performance.in.md"),
              encoding="utf-8") as file:
        template = file.read()
    body = re.sub(r"^\{\{(\w+)\}\}$", lambda m: page.section(m.group(1)),
                  template, flags=re.MULTILINE)
    where = os.path.join(docs, "performance")
    os.makedirs(where, exist_ok=True)
    for old in os.listdir(where):
        if old.endswith(".svg") and old[:-4] not in page.charts:
            os.remove(os.path.join(where, old))
    for name, svg in page.charts.items():
        with open(os.path.join(where, name + ".svg"), "w",
                  encoding="utf-8") as file:
            file.write(svg)
    with open(os.path.join(docs, "performance.md"), "w",
              encoding="utf-8") as file:
        file.write(body)
    print(f"page: {os.path.join(docs, 'performance.md')}, "
          f"{len(page.charts)} charts")


def try_out(path):
    """Renders to nowhere: only that it works."""
    with tempfile.TemporaryDirectory() as nowhere:
        write(path, nowhere)


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1
          else os.path.join(DOCS, "performance.json"))
