#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The drawings of docs/explanation, as SVG.

    python3 docs/explanation/drawings/draw.py [DIRECTORY]

writes them beside this file, or into the directory.  Each has a paper of its
own, light or dark as the viewer asks for.  No text is set smaller than 13, and
none of them is wider than 720: on a telephone they are shown at half of that.
"""

import os
import sys
from html import escape

STYLE = """<style>
.paper{fill:#fff}.ink{fill:#1f2328}.soft{fill:#59636e}
.box{fill:#f6f8fa;stroke:#59636e}.yours{fill:#ddf4ff;stroke:#0969da}
.full{fill:#ffd8a8;stroke:#bc4c00}.free{fill:#fff;stroke:#d1d9e0}
.line{stroke:#59636e;fill:none}.tip{fill:#59636e}
.trouble{fill:#ffebe9;stroke:#cf222e}
@media(prefers-color-scheme:dark){
.paper{fill:#0d1117}.ink{fill:#f0f6fc}.soft{fill:#9198a1}
.box{fill:#161b22;stroke:#9198a1}.yours{fill:#0c2d6b;stroke:#58a6ff}
.full{fill:#693e00;stroke:#f0883e}.free{fill:#0d1117;stroke:#3d444d}
.line{stroke:#9198a1}.tip{fill:#9198a1}
.trouble{fill:#490202;stroke:#ff7b72}}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"
 markerHeight="8" orient="auto-start-reverse"><path class="tip"
 d="M0 0L8 4L0 8z"/></marker></defs>"""


class Drawing:
    def __init__(self, title, width, height):
        self.title, self.width, self.height = title, width, height
        self.parts = []

    def text(self, x, y, said, size=14, anchor="middle", kind="ink",
             weight="normal", family=""):
        more = f' font-family="{family}"' if family else ""
        self.parts.append(
            f'<text x="{x}" y="{y}" class="{kind}" font-size="{size}" '
            f'text-anchor="{anchor}" font-weight="{weight}"{more}>'
            f"{escape(said)}</text>")

    def box(self, x, y, w, h, lines, kind="box", size=14, radius=6):
        """Lines of text in the middle of a rectangle."""
        self.parts.append(f'<rect x="{x}" y="{y}" width="{w}" height="{h}" '
                          f'rx="{radius}" class="{kind}" stroke-width="1.5"/>')
        step = size + 4
        top = y + h / 2 - step * (len(lines) - 1) / 2 + size * .35
        for i, said in enumerate(lines):
            self.text(x + w / 2, round(top + i * step, 1), said, size)

    def arrow(self, points, both=False, dashed=False):
        start = ' marker-start="url(#tip)"' if both else ""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        path = " ".join(f"{x},{y}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" class="line" '
                          f'stroke-width="1.5" marker-end="url(#tip)"{start}'
                          f"{dash}/>")

    def svg(self):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" '
                f'width="{self.width}" height="{self.height}" '
                f'viewBox="0 0 {self.width} {self.height}" '
                f'font-family="sans-serif" role="img" '
                f'aria-label="{escape(self.title)}">')
        return "\n".join([
            head, f"<title>{escape(self.title)}</title>", STYLE,
            f'<rect class="paper" width="{self.width}" '
            f'height="{self.height}" rx="6"/>', *self.parts, "</svg>", ""])


def turn():
    """The passes of a turn, with the kernel to the left and you to the right"""
    d = Drawing("A turn of the reactor, from top to bottom", 720, 640)
    for x, said in ((90, "the kernel"), (330, "the reactor"),
                    (600, "your code")):
        d.text(x, 30, said, 16, weight="bold")
    passes = [
        (["begin: settle what was", "touched between the turns"],
         "what is wanted", None),
        (["wait: at most 64 ready", "descriptors, or a deadline"],
         "who is ready", None),
        (["input: room for each,", "one batch of reads"], "bytes in", None),
        (["deliver"], None, ["connected, read,", "write, error"]),
        (["deliver the rest"], None, ["watches, signals,", "posts, timers"]),
        (["output: one batch of writes"], "bytes out", None),
        (["deliver what was written"], None, ["write, error"]),
        (["output: what those queued"], "bytes out", None),
        (["bury what was freed"], None, None),
    ]
    y, height, gap = 50, 48, 16
    for i, (lines, kernel, code) in enumerate(passes):
        middle = y + height / 2
        d.box(200, y, 260, height, lines)
        if kernel:
            d.text(95, middle - 8, kernel, 14, kind="soft")
            out = kernel in ("what is wanted", "bytes out")
            d.arrow([(198, middle), (24, middle)] if out
                    else [(24, middle), (196, middle)])
        if code:
            d.box(530, y, 150, height, code, "yours")
            d.arrow([(462, middle), (526, middle)], both=True)
        if i + 1 < len(passes):
            d.arrow([(330, y + height), (330, y + height + gap - 2)])
        y += height + gap
    return d


def cells(d, y, labels, size=16, left=40, width=40):
    """A ring's storage laid flat; None is a free cell."""
    # What is held comes last: its frame is to be seen on all sides.
    for i in sorted(range(size), key=lambda i: i in labels):
        held = labels.get(i)
        d.box(left + i * width, y, width, 36, [held] if held else [],
              "full" if held else "free", radius=0)


def pointer(d, y, cell, said, left=40, width=40):
    x = left + cell * width
    d.arrow([(x, y - 18), (x, y - 3)])
    d.text(x, y - 24, said, 14)


def ring():
    """One piece, two pieces, and where a read goes"""
    d = Drawing("The ring: head, tail, and at most two pieces", 720, 400)
    d.text(40, 30, "One piece: the bytes do not reach the end of the storage.",
           14, "start", weight="bold")
    cells(d, 82, {i: "abcdefg"[i - 4] for i in range(4, 11)})
    pointer(d, 82, 4, "head = 4")
    pointer(d, 82, 11, "tail = 11")
    d.text(40, 138, "length = tail − head = 7; free: 9, in two pieces", 14,
           "start", "soft")
    d.text(40, 172, "Two pieces: they go on at the front.", 14, "start",
           weight="bold")
    held = {i: "klmno"[i - 11] for i in range(11, 16)}
    held.update({i: "pqr"[i] for i in range(3)})
    cells(d, 224, held)
    pointer(d, 224, 11, "head = 27")
    pointer(d, 224, 3, "tail = 35")
    d.text(40, 280, "27 mod 16 = 11, 35 mod 16 = 3; length = 35 − 27 = 8; "
           "free: 8, in one piece", 14, "start", "soft")
    d.text(40, 316, "The counters only grow, and are never equal by being "
           "full:", 14, "start")
    d.text(40, 338, "empty is tail − head = 0, full is tail − head = 16.", 14,
           "start")
    d.text(40, 372, "A run of bytes, and the free room, are one readv(2) or "
           "writev(2) of at most two iovecs.", 14, "start", "soft")
    return d


def side():
    """The states of both sides"""
    d = Drawing("The states of a bufferevent's two sides", 720, 560)
    d.text(30, 32, "The read side", 16, "start", weight="bold")
    d.box(30, 90, 130, 56, ["disabled", "(as created)"])
    d.box(290, 90, 140, 56, ["waiting,", "timed"])
    d.box(550, 90, 140, 56, ["at the high mark,", "not timed"], "full")
    d.box(290, 210, 140, 56, ["failed:", "disabled"], "trouble")
    d.arrow([(160, 108), (286, 108)])
    d.text(223, 100, "enable", 13, kind="soft")
    d.arrow([(290, 130), (164, 130)])
    d.text(223, 147, "disable", 13, kind="soft")
    d.arrow([(430, 108), (546, 108)])
    d.text(488, 100, "read up to it", 13, kind="soft")
    d.arrow([(550, 130), (434, 130)])
    d.text(488, 147, "you take some", 13, kind="soft")
    d.arrow([(345, 90), (345, 66), (385, 66), (385, 86)])
    d.text(398, 62, "bytes: read callback from the low mark on", 13, "start",
           "soft")
    d.arrow([(360, 146), (360, 206)])
    d.text(370, 182, "end, error, timeout: error callback", 13, "start",
           "soft")
    d.arrow([(290, 238), (225, 238), (225, 170), (320, 170), (320, 150)],
            dashed=True)
    d.text(215, 206, "enable: tries again", 13, "end", "soft")

    d.text(30, 316, "The write side", 16, "start", weight="bold")
    d.box(30, 374, 130, 56, ["enabled, empty", "(as created)"])
    d.box(290, 374, 140, 56, ["queued:", "sent in the turn"])
    d.box(550, 374, 140, 56, ["the kernel is full:", "timed"], "full")
    d.box(290, 486, 140, 56, ["failed: disabled,", "queue is kept"], "trouble")
    d.arrow([(160, 392), (286, 392)])
    d.text(223, 384, "you add", 13, kind="soft")
    d.arrow([(290, 414), (164, 414)])
    d.text(223, 431, "all is sent", 13, kind="soft")
    d.arrow([(430, 392), (546, 392)])
    d.text(488, 384, "it took less", 13, kind="soft")
    d.arrow([(550, 414), (434, 414)])
    d.text(488, 431, "it has room", 13, kind="soft")
    d.arrow([(345, 374), (345, 350), (385, 350), (385, 370)])
    d.text(398, 346, "sent, down to the low mark: write callback", 13, "start",
           "soft")
    d.arrow([(360, 430), (360, 482)])
    d.text(370, 462, "error, timeout: error callback", 13, "start", "soft")
    d.arrow([(290, 514), (225, 514), (225, 450), (320, 450), (320, 434)],
            dashed=True)
    d.text(215, 486, "enable: tries again", 13, "end", "soft")
    return d


def kernel():
    """What ends look like"""
    d = Drawing("What the peer does, what the kernel says, what you are told",
                720, 400)
    for x, said in ((115, "the peer"), (350, "the kernel says"),
                    (590, "you are told")):
        d.text(x, 30, said, 16, weight="bold")
    rows = [
        (["sends, then", "shuts down"], ["readable;", "then read gives 0"],
         ["read …", "then read|eof"], "box"),
        (["closes with our", "bytes unread"],
         ["readable, error;", "ECONNRESET, once"],
         ["read …, then", "read|error or", "write|error"], "trouble"),
        (["vanishes, while", "we send"], ["not writable;", "at last ETIMEDOUT"],
         ["write|timeout, or", "write|error later"], "trouble"),
        (["vanishes, while", "we are silent"], ["nothing, ever"],
         ["read|timeout,", "where one is set"], "trouble"),
    ]
    y = 50
    for peer, says, told, kind in rows:
        d.box(30, y, 170, 70, peer)
        d.box(255, y, 190, 70, says)
        d.box(500, y, 190, 70, told, "yours" if kind == "box" else kind)
        d.arrow([(202, y + 35), (251, y + 35)])
        d.arrow([(447, y + 35), (496, y + 35)])
        y += 86
    return d


def main(where):
    for make in (turn, ring, side, kernel):
        path = os.path.join(where, make.__name__ + ".svg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(make().svg())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1
         else os.path.dirname(os.path.abspath(__file__)))
