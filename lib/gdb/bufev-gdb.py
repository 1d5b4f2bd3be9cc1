# SPDX-License-Identifier: MIT
"""What gdb shows of the library's structs.

Installed so that gdb loads it together with the shared library (see
lib/meson.build); where that is linked statically: source lib/gdb/bufev-gdb.py.

    print *b                  a struct evbuffer, bufferevent or reactor, in
                              words; print/r shows it as it is
    info bufferevents R       a line for each bufferevent of the reactor R, or
                              of the reactor of the bufferevent R

A debugger is asked when something is broken.  So nothing that is read here is
believed: what cannot be read is said to be so, lists are followed only so far,
and lengths are held against each other.  A field that is not there (of another
version of the library) is treated like one that cannot be read.
"""

import gdb
import gdb.printing

SHOWN = 48          # bytes of a buffer
NAMED = 80          # bytes of a name
LISTED = 8          # timers of a reactor
FOLLOWED = 100000   # links of a list, and descriptors of a table
READ, WRITE = 2, 4  # EV_READ and EV_WRITE
NS_PER_MS = 1000000
UNREADABLE = "<unreadable>"


# --- Reading what may be broken ----------------------------------------------

def attempt(read, *args):
    """What read() returns, or a word in its place."""
    try:
        return read(*args)
    except (gdb.error, ValueError, OverflowError):
        return UNREADABLE


def struct(name):
    return gdb.lookup_type("struct " + name)


def at(address, name):
    return gdb.Value(address).cast(struct(name).pointer()).dereference()


def offset(name, member):
    for field in struct(name).fields():
        if field.name == member:
            return field.bitpos // 8
    raise ValueError(member)


def follow(head):
    """The addresses of the links of a list; ends where it is broken."""
    end = int(head.address)
    link = int(head["next"])
    for _ in range(FOLLOWED):
        if link in (0, end):
            return
        yield link
        link = int(at(link, "bufev_link")["next"])
    raise ValueError("endless")


def count(head):
    return sum(1 for _ in follow(head))


def string(pointer):
    """As C ends it, byte by byte: the next page may not be there."""
    out = bytearray()
    while len(out) < NAMED and int(pointer[len(out)]):
        out.append(int(pointer[len(out)]) & 255)
    return out.decode("utf-8", "replace")


def function(pointer):
    """The name of what a pointer to a function points to."""
    if int(pointer) == 0:
        return "none"
    text = pointer.format_string(symbols=True)
    return text[text.find("<") + 1:-1] if text.endswith(">") else \
        hex(int(pointer))


def events(bits):
    bits = int(bits)
    words = [word for word, bit in (("read", READ), ("write", WRITE))
             if bits & bit]
    return "|".join(words) if words else "none"


def several(n, thing):
    plural = thing + ("es" if thing.endswith("h") else "s")
    return "%d %s" % (n, thing if n == 1 else plural)


# --- evbuffer ----------------------------------------------------------------

def held(buffer):
    """How many bytes it holds; None where that cannot be."""
    ring = buffer["ring"]
    order = int(ring["order"])
    size = struct("ring")["head"].type.sizeof
    length = (int(ring["tail"]) - int(ring["head"])) % (1 << 8 * size)
    room = 1 << order if 0 < order < 8 * size else 0
    return length if length <= room else None


def beginning(buffer, length):
    """The first bytes, as C writes a string."""
    ring = buffer["ring"]
    cap = 1 << int(ring["order"])
    start = int(ring["head"]) % cap
    base, wanted = int(ring["base"]), min(length, SHOWN)
    first = min(wanted, cap - start)
    memory = gdb.selected_inferior()
    data = bytes(memory.read_memory(base + start, first))
    if wanted > first:
        data += bytes(memory.read_memory(base, wanted - first))
    escapes = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 13: "\\r",
               34: '\\"', 92: "\\\\"}
    text = "".join(escapes.get(c) or
                   (chr(c) if 32 <= c < 127 else "\\%03o" % c) for c in data)
    return '"%s"%s' % (text, "..." if wanted < length else "")


def describe_buffer(buffer):
    length = held(buffer)
    if length is None:
        return "evbuffer, broken: it cannot hold what head and tail say"
    limit = int(buffer["limit"])
    text = "evbuffer of " + several(length, "byte")
    if limit:
        text += " (limit %d)" % limit
    return text + (": " + attempt(beginning, buffer, length) if length else "")


class Evbuffer:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return attempt(describe_buffer, self.value)


# --- bufferevent -------------------------------------------------------------

def name_of(b):
    pointer = b["name"]
    if int(pointer) == 0:
        return ""
    return attempt(lambda: '"%s"' % string(pointer)) + " "


def what_it_is(b):
    return "bufferevent %s(fd %d)" % (name_of(b), int(b["watch"]["fd"]))


def facts(b):
    """The single bits that are set: where it is in its life."""
    return [f.name for f in struct("bufferevent").fields()
            if f.bitsize == 1 and int(b[f.name])]


def sets(b):
    """The sets of sides that are not empty, but for `enabled`."""
    return ["%s %s" % (name, events(b[name]))
            for name in ("waiting", "expired", "asked", "due")
            if int(b[name]) & (READ | WRITE)]


def describe_side(b, which, callback):
    side = b["side"][which]
    text = "marks %d to " % int(side["low"])
    text += str(int(side["high"])) if int(side["high"]) else "no limit"
    if int(side["timeout"]):
        text += ", timeout %d ms" % int(side["timeout"])
    text += ", calls " + function(b[callback])
    if int(b["what"][which]):
        text += ", failed with errno %d" % int(b["why"][which])
    return text


class Bufferevent:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return attempt(what_it_is, self.value)

    def children(self):
        b = self.value
        yield "enabled", attempt(lambda: events(b["enabled"]))
        yield "state", attempt(lambda: ", ".join(facts(b) + sets(b)) or "none")
        yield "list", attempt(lambda: place(b["watch"]["place"]))
        yield "read", attempt(describe_side, b, 0, "read")
        yield "write", attempt(describe_side, b, 1, "write")
        yield "error", attempt(lambda: "calls " + function(b["failed"]))
        yield "in", attempt(describe_buffer, b["in"])
        yield "out", attempt(describe_buffer, b["out"])
        yield "data", attempt(lambda: hex(int(b["data"])))
        yield "reactor", attempt(lambda: hex(int(b["watch"]["reactor"])))


# --- reactor -----------------------------------------------------------------

def place(number):
    # By one of its names: there is a struct place, too, which gdb may find.
    for field in gdb.parse_and_eval("PLACE_NONE").type.fields():
        if field.enumval == int(number):
            return field.name[len("PLACE_"):].lower()
    return "%d, which is none" % int(number)


def lists(r):
    """What stands in the lists of the turn, but for those that are empty."""
    out = []
    for number in range(1, r["list"].type.range()[1] + 1):
        n = attempt(count, r["list"][number])
        if n:
            out.append("%s %s" % (place(number), n))
    return ", ".join(out) or "all empty"


def table(r):
    """(fd, address of the watch) of all that has a descriptor."""
    fds, by_fd = int(r["fds"]), r["by_fd"]
    if not 0 <= fds <= 10 * FOLLOWED:
        raise ValueError("its table has %d descriptors" % fds)
    for fd in range(fds):
        watch = int(by_fd[fd])
        if watch not in (0, int(r["wake"]["watch"].address)):
            yield fd, watch


def is_stream(watch):
    return int(at(watch, "reactor_watch")["ready"]) == 0


def descriptors(r):
    kinds = [is_stream(watch) for _, watch in table(r)]
    return "%s, %s" % (several(kinds.count(True), "bufferevent"),
                       several(kinds.count(False), "watch"))


def entries(wheel):
    """(deadline, address) of all that is armed."""
    heads = [wheel["due"]]
    for level in range(wheel["used"].type.range()[1] + 1):
        used = int(wheel["used"][level])
        heads += [wheel["slot"][level][slot]
                  for slot in range(wheel["slot"][level].type.range()[1] + 1)
                  if used >> slot & 1]
    for head in heads:
        for link in follow(head):
            entry = link - offset("bufev_deadline", "link")
            yield int(at(entry, "bufev_deadline")["deadline"]), entry


def when(deadline, now):
    return "in %d ms" % (deadline - now) if deadline > now else "now"


def now_of(r):
    return int(r["clock"]) // NS_PER_MS


def list_timers(r):
    armed = sorted(entries(r["timers"]))
    text = ""
    for deadline, entry in armed[:LISTED]:
        timer = at(entry - offset("reactor_timer", "entry"), "reactor_timer")
        text += ", %s %s" % (attempt(function, timer["fire"]),
                             when(deadline, now_of(r)))
    return text + (", ..." if len(armed) > LISTED else "")


def first_timeout(r):
    """Of bufferevents; an entry may come up before its deadline."""
    armed = [deadline for deadline, _ in entries(r["timeouts"])]
    return ", looks " + when(min(armed), now_of(r)) if armed else ""


def counted(wheel, more, r):
    text = attempt(more, r)
    return str(int(wheel["count"])) + \
        (", " + text if text == UNREADABLE else text)


def tasks(first):
    n, task = 0, int(first)
    while task and n < FOLLOWED:
        n += 1
        task = int(at(task, "reactor_task")["next"])
    return n


def describe_wake(r):
    wake = r["wake"]
    posts = tasks(wake["posted"]) + tasks(wake["tasks"])
    return "%s, %s%s" % (several(count(wake["signals"]), "signal"),
                         several(posts, "post"),
                         ", stopped" if int(wake["stop"]) else "")


def what_it_does(r):
    doing = "in a turn" if int(r["turning"]) else "between turns"
    if int(r["dying"]):
        doing += ", freed when it ends"
    return 'reactor on "%s", %s' % (
        attempt(lambda: string(r["kernel"]["name"])), doing)


class Reactor:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return attempt(what_it_does, self.value)

    def children(self):
        r = self.value
        yield "turns", attempt(lambda: str(int(r["turns"])))
        yield "now", attempt(lambda: "%d ms" % now_of(r))
        yield "descriptors", attempt(descriptors, r)
        yield "lists", attempt(lists, r)
        yield "timers", attempt(counted, r["timers"], list_timers, r)
        yield "timeouts", attempt(counted, r["timeouts"],
                                  first_timeout, r)
        yield "wake", attempt(describe_wake, r)
        yield "alive", attempt(lambda: str(int(r["alive"])))
        yield "buried", attempt(lambda: str(int(r["buried"])))


# --- The command -------------------------------------------------------------

def row(fd, watch):
    b = at(watch - offset("bufferevent", "watch"), "bufferevent")
    lengths = [held(b["in"]), held(b["out"])]
    return "%5d  %#-16x %-10s %10s %10s  %s%s" % (
        fd, int(b.address), events(b["enabled"]),
        *["broken" if n is None else n for n in lengths], name_of(b),
        ", ".join(facts(b) + sets(b)))


def reactor_of(value):
    """A pointer to a reactor, or to a bufferevent that lives on it."""
    target = value.type.strip_typedefs()
    if target.code == gdb.TYPE_CODE_PTR and \
            target.target().unqualified().tag == "bufferevent":
        value = at(int(value), "bufferevent")["watch"]["reactor"]
    return at(int(value), "reactor")


class InfoBufferevents(gdb.Command):
    """A line for each bufferevent of a reactor.
Usage: info bufferevents POINTER
POINTER is the reactor, or a bufferevent that lives on it."""

    def __init__(self):
        super().__init__("info bufferevents", gdb.COMMAND_STATUS,
                         gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("Which reactor?  A pointer to it, or to a "
                               "bufferevent that lives on it.")
        print("%5s  %-16s %-10s %10s %10s  %s" % (
            "fd", "bufferevent", "enabled", "in", "out", "name, state"))
        try:
            for fd, watch in table(reactor_of(gdb.parse_and_eval(argument))):
                stream = attempt(is_stream, watch)
                if stream is True:
                    print(attempt(row, fd, watch))
                elif stream == UNREADABLE:
                    print("%5d  %#-16x %s" % (fd, watch, UNREADABLE))
        except (gdb.error, ValueError) as error:
            raise gdb.GdbError("The reactor is broken: %s" % error)


# --- Where gdb finds it ------------------------------------------------------

def printers():
    collection = gdb.printing.RegexpCollectionPrettyPrinter("bufev")
    for name, printer in (("evbuffer", Evbuffer), ("reactor", Reactor),
                          ("bufferevent", Bufferevent)):
        collection.add_printer(name, "^%s$" % name, printer)
    return collection


gdb.printing.register_pretty_printer(gdb.current_objfile(), printers(), True)
InfoBufferevents()
