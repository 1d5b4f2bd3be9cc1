# SPDX-License-Identifier: MIT
"""Charts as SVG, drawn by hand: bars beside a floor, and lines on log axes.

Each has a background of its own, light or dark as the viewer asks for, so that
it can be read on any page; no script, and no font but what the viewer has.
"""

import math
from html import escape

STYLE = """<style>
.paper{fill:#fff}.ink{fill:#1f2328}.soft{fill:#59636e}
.grid{stroke:#d1d9e0}.floor{stroke:#cf222e}.red{fill:#cf222e}
.whisker{stroke:#1f2328}
@media(prefers-color-scheme:dark){
.paper{fill:#0d1117}.ink{fill:#f0f6fc}.soft{fill:#9198a1}
.grid{stroke:#3d444d}.floor{stroke:#ff7b72}.red{fill:#ff7b72}
.whisker{stroke:#f0f6fc}}
</style>"""

COLORS = {
    "bufev uring": "#2f81f7", "bufev epoll": "#6cb6ff", "bufev poll": "#a5c8ee",
    "bufev": "#2f81f7", "raw": "#d1545c", "raw, recv": "#c9878c",
    "floor": "#d1545c", "libevent": "#d4a72c", "libuv": "#57a55a",
    "libev": "#a475d9", "socat": "#b08968",
}
OTHER = "#2f81f7"

WIDTH, LEFT, RIGHT = 760, 150, 140
ROW, HEAD, GAP = 20, 42, 12


def color(name):
    """By the longest name that it begins with."""
    known = [known for known in COLORS if name.startswith(known)]
    return COLORS[max(known, key=len)] if known else OTHER


def text(x, y, what, kind="ink", size=12, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" '
            f'font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(what)}</text>')


def line(x1, y1, x2, y2, kind, width=1.0, dash=""):
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'class="{kind}" stroke-width="{width}"{dashed}/>')


def document(height, title, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="sans-serif" role="img" '
            f'aria-label="{escape(title)}">\n'
            f"<title>{escape(title)}</title>\n{STYLE}\n"
            f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>\n'
            + "\n".join(parts) + "\n</svg>\n")


def panel(y, title, bars, floor, floor_name):
    """The bars of one comparison, from y down; how far it came, and parts."""
    most = max([bar["high"] for bar in bars] + [floor or 0]) or 1
    scale = (WIDTH - LEFT - RIGHT) / most
    bottom = y + HEAD + ROW * len(bars)
    parts = [text(12, y + 18, title, size=13, weight="bold")]
    for i, bar in enumerate(bars):
        top = y + HEAD + ROW * i
        middle = top + ROW / 2
        parts += [
            text(LEFT - 8, middle + 4, bar["name"], anchor="end"),
            f'<rect x="{LEFT}" y="{top + 3}" '
            f'width="{max(1, bar["median"] * scale):.1f}" '
            f'height="{ROW - 6}" fill="{color(bar["name"])}"/>',
            text(WIDTH - 12, middle + 4, bar["label"], "soft",
                 anchor="end"),
        ]
        if bar["high"] > bar["low"]:
            parts.append(line(LEFT + bar["low"] * scale, middle,
                              LEFT + bar["high"] * scale, middle, "whisker",
                              1.5))
    if floor:
        x = LEFT + floor * scale
        parts += [line(x, y + HEAD - 4, x, bottom, "floor", 2, "5 3"),
                  text(x, y + HEAD - 8, floor_name, "red", 11, "middle")]
    return bottom + GAP, parts


def bar(name, figure, places=2, unit=""):
    """A bar of a median with its lowest and highest."""
    label = f"{figure['median']:.{places}f}{unit}"
    if figure["low"] < figure["high"]:
        label += f" ({figure['low']:.{places}f}–{figure['high']:.{places}f})"
    return {"name": name, "label": label,
            **{key: figure[key] for key in ("median", "low", "high")}}


def bar_chart(title, panels, note):
    """panels: (title, bars, where the floor is or None, its name)."""
    y, parts = 34, [text(12, 22, title, size=15, weight="bold")]
    for one in panels:
        y, more = panel(y, *one)
        parts += more
    parts.append(text(12, y + 4, note, "soft", 11))
    return document(y + 16, title, parts)


def decades(low, high):
    """Powers of ten that enclose, for an axis."""
    first = math.floor(math.log10(low))
    return range(first, max(first + 1, math.ceil(math.log10(high))) + 1)


def named(value):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def axes(points, xs, box, x_name, y_name, x_label):
    """Grid and names; also the functions from values to places."""
    left, top, right, bottom = box
    span = decades(min(points), max(points))
    x_first, x_last = math.log(xs[0]), math.log(xs[-1])

    def at_x(x):
        return left + (math.log(x) - x_first) / (x_last - x_first) * \
            (right - left)

    def at_y(y):
        return bottom - (math.log10(y) - span[0]) / (span[-1] - span[0]) * \
            (bottom - top)

    parts = []
    for exponent in span:
        y = at_y(10 ** exponent)
        parts += [line(left, y, right, y, "grid"),
                  text(left - 8, y + 4, named(10 ** exponent), "soft", 11,
                       "end")]
    for x in xs:
        parts += [line(at_x(x), top, at_x(x), bottom, "grid"),
                  text(at_x(x), bottom + 16, x_label(x), "soft", 11,
                       "middle")]
    parts += [text((left + right) / 2, bottom + 34, x_name, "ink", 12,
                   "middle"),
              text(left - 8, top - 10, y_name, "ink", 12, "start")]
    return parts, at_x, at_y


def line_chart(title, series, x_name, y_name, x_label=named):
    """series: name -> {x: {median, low, high}}; both axes logarithmic."""
    xs = sorted({x for one in series.values() for x in one})
    values = [figure[key] for one in series.values()
              for figure in one.values() for key in ("low", "high")
              if figure[key] > 0]
    box = (70, 96, WIDTH - 30, 360)
    parts, at_x, at_y = axes(values, xs, box, x_name, y_name, x_label)
    parts.append(text(12, 22, title, size=15, weight="bold"))
    for i, (name, one) in enumerate(series.items()):
        places = [(at_x(x), at_y(one[x]["median"])) for x in sorted(one)
                  if one[x]["median"] > 0]
        dash = ' stroke-dasharray="7 4"' if name == "raw" else ""
        parts.append(
            '<polyline fill="none" stroke-width="2.5" '
            f'stroke="{color(name)}"{dash} points="'
            + " ".join(f"{x:.1f},{y:.1f}" for x, y in places) + '"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" '
                  f'fill="{color(name)}"/>' for x, y in places]
        parts += [
            f'<rect x="{70 + 165 * i}" y="42" width="22" height="6" '
            f'fill="{color(name)}"/>',
            text(98 + 165 * i, 50, name)]
    return document(404, title, parts)
