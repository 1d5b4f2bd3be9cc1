#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check-man.py ROOT MANUAL LIBRARY_DIR: the manual tells the truth.

MANUAL is the installed one, a directory with man3/ and man7/.

- Each public function has a page, or a link to one, that lists it under NAME.
- Each SYNOPSIS agrees with the headers: functions, types of callbacks, enums,
  and the members of structs that are not private.  A parameter that has no
  name in the header may get one in the page.
- ERRORS lists what the header's comment on the function names, and nothing
  that the header does not know.  Each public constant is told of.
- Each program under EXAMPLES compiles without a warning, ends with 0, and
  prints just what the page says that it prints.
- Each cross reference leads to a page, and bufev(7) leads to all of them.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

# Pages of the system that ours refer to.
OUTSIDE = frozenset("""
    accept(2) bind(2) close(2) connect(2) epoll(7) err(3) execve(2) fork(2)
    free(3) getaddrinfo(3) getpeername(2) getsockname(2) inotify(7) io_uring(7)
    kqueue(2) listen(2) malloc(3) offsetof(3) perror(3) pkg-config(1) poll(2)
    printf(3) pthread_create(3) read(2) realloc(3) seccomp(2) setsockopt(2)
    shutdown(2) sigaction(2) socketpair(2) strerror(3) vsnprintf(3) write(2)
""".split())

REQUIRED = ("NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO")
REQUIRED_OF_FUNCTIONS = ("LIBRARY", "RETURN VALUES")
WIDTH = 73  # columns of code, so that it fits indented into a terminal's 80

failures = 0


def complain(where, what):
    global failures
    failures += 1
    print(f"{where}: {what}")


# --- C: declarations as text -------------------------------------------------


def squeeze(text):
    """One way to write the same tokens."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"\s+", " ", text)
    return re.sub(r" ?([^\w ]) ?", r"\1", text).strip()


def split_parameters(text):
    parts, depth = [""], 0
    for c in text:
        depth += {"(": 1, ")": -1}.get(c, 0)
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [squeeze(part) for part in parts]


def parse_function(text):
    """(name, type, parameters), or None where it is something else."""
    m = re.match(r"(.*?)(\w+)\s*\((.*)\)$", text.strip(), flags=re.S)
    if not m or "{" in text:
        return None
    return m[2], squeeze(m[1]), split_parameters(m[3])


def parse_body(text):
    """(name, what is public of it) of a struct or an enum, or None."""
    m = re.match(r"((?:struct|enum) \w+)\s*\{(.*)\}$", text.strip(), re.S)
    return m and (m[1], squeeze(m[2].split("/* private */")[0]))


def agree(parameter, shown):
    """What the page shows for a parameter of the header."""
    rest = shown.removeprefix(parameter)
    return shown.startswith(parameter) and (
        rest == "" or re.fullmatch(r" \w+" if parameter[-1].isalnum()
                                   else r"\w+", rest))


class Headers:
    """All that the public headers declare."""

    def __init__(self, root):
        self.functions = {}  # name: (type, parameters)
        self.bodies = {}     # "struct x": its public members
        self.errors = {}     # name: those that its comment names
        self.known = set()   # all errors that any comment names
        self.constants = set()
        self.plain = {}      # link name: the name that the source writes
        self.files = {}
        for path in sorted((root / "include").rglob("*.h")):
            text = path.read_text()
            self.files[str(path.relative_to(root / "include"))] = text
            self.known |= set(re.findall(r"\bE[A-Z]{3,}\b", text))
            self.constants |= set(
                re.findall(r"^#define ([A-Z]\w+) \S", text, re.M))
            self.plain |= {f"bufev_{name}": name for name in re.findall(
                r"^#define (\w+) bufev_\1$", text, re.M)}
            self.read(text)

    def read(self, text):
        text = re.sub(r"^#(.*\\\n)*.*$", "", text, flags=re.M)
        text = re.sub(r"^extern \"C\" \{$|^\}$", "", text, flags=re.M)
        text = re.sub(r"\s*BUFEV_PRINTF\(.*?\)", "", text)
        comment = ""
        for m in re.finditer(
                r"(/\*.*?\*/)|([^;{}/]*\{[^}]*\}|[^;{}/]+);", text, re.S):
            if m[1]:
                comment = m[1]
            else:
                self.declare(m[2], comment)

    def declare(self, text, comment):
        function, body = parse_function(text), parse_body(text)
        if function:
            self.functions[function[0]] = function[1:]
            self.errors[function[0]] = set(
                re.findall(r"\bE[A-Z]{3,}\b", comment))
        elif body and not body[0].startswith("struct bufev_"):
            self.bodies[body[0]] = body[1]
            if body[0].startswith("enum"):
                self.constants |= set(re.findall(r"\b[A-Z]\w+", body[1]))


def public_functions(root, headers):
    """The names of the map, as the source writes them."""
    exported = re.findall(r"^\s*(bufev_\w+);$",
                          (root / "lib/bufev.map").read_text(), re.M)
    return [headers.plain.get(name, name) for name in exported]


# --- mdoc --------------------------------------------------------------------


def words(line):
    """The arguments of a macro; quotes hold blanks together."""
    return [w.strip('"') for w in re.findall(r'"[^"]*"|\S+', line)]


def unescape(where, line):
    plain = line.replace(r"\&", "").replace(r"\e", "\0")
    if "\\" in plain:
        complain(where, f"an escape that is not \\e or \\&: {line}")
    return plain.replace("\0", "\\")


class Page:
    def __init__(self, path):
        self.path = path
        self.name, self.number = path.stem, path.suffix[1:]
        self.sections = {}
        self.text = path.read_text()
        for part in re.split(r"^\.Sh ", self.text, flags=re.M)[1:]:
            title, lines = part.split("\n", 1)
            self.sections[title] = lines.splitlines()

    def __str__(self):
        return f"{self.name}({self.number})"

    def named(self):
        return [words(line)[1] for line in self.sections.get("NAME", [])
                if line.startswith(".Nm ")]

    def references(self):
        return {f"{m[1]}({m[2]})" for m in
                re.finditer(r"\bXr (\S+) (\d)", self.text)}

    def errors(self):
        return {words(line)[3] for line in self.sections.get("ERRORS", [])
                if line.startswith(".It Bq Er ")}

    def literals(self, section):
        """The code under a section, block by block."""
        block = None
        for line in self.sections.get(section, []):
            if line.startswith(".Bd -literal"):
                block = []
            elif line == ".Ed" and block is not None:
                yield "".join(code + "\n" for code in block)
                block = None
            elif block is not None:
                block.append(unescape(self, line))

    def prototypes(self):
        """(name, type, parameters) of each function under SYNOPSIS."""
        kind = name = None
        for line in self.sections.get("SYNOPSIS", []):
            macro, *rest = words(line) or [""]
            if macro == ".Ft":
                kind = squeeze(" ".join(rest))
            elif macro == ".Fn":
                yield rest[0], kind, [squeeze(p) for p in rest[1:]]
            elif macro == ".Fo":
                name, parameters = rest[0], []
            elif macro == ".Fa":
                parameters.append(squeeze(rest[0]))
            elif macro == ".Fc":
                yield name, kind, parameters


# --- What is checked ---------------------------------------------------------


def check_sections(page):
    required = REQUIRED
    if page.number == "3":
        required += REQUIRED_OF_FUNCTIONS
    for title in required:
        if title not in page.sections:
            complain(page, f"no section {title}")


def check_functions(names, manual, pages, headers):
    """Each function leads to a page that names it and shows it."""
    for name in names:
        if name not in headers.functions:
            complain(name, "not found in any header")
        path = manual / f"man3/{name}.3"
        if not path.exists():
            complain(name, "no page and no link")
            continue
        page = pages[path.resolve()]
        if name not in page.named():
            complain(page, f"{name} leads here, but NAME does not list it")
        if name not in {shown[0] for shown in page.prototypes()}:
            complain(page, f"{name} is missing in the SYNOPSIS")


def check_links(manual, pages):
    """What NAME lists leads here, and nothing else does."""
    for path in sorted(manual.rglob("*.[0-9]")):
        page = pages[path.resolve()]
        if path.is_symlink() and path.stem not in page.named():
            complain(page, f"the link {path.name} is not listed under NAME")
    for page in pages.values():
        for name in page.named():
            path = manual / f"man{page.number}/{name}.{page.number}"
            if not path.exists() or path.resolve() != page.path:
                complain(page, f"NAME lists {name}, which does not lead here")


def check_synopsis(page, headers):
    for name, kind, parameters in page.prototypes():
        if name not in headers.functions:
            complain(page, f"no header declares {name}")
            continue
        declared_kind, declared = headers.functions[name]
        if kind != declared_kind or len(parameters) != len(declared) or \
                not all(map(agree, declared, parameters)):
            complain(page, f"{name} is\n  {kind} ({', '.join(parameters)})\n"
                     f"and in the header\n  {declared_kind} "
                     f"({', '.join(declared)})")
    for header in re.findall(r"^\.In (\S+)$", page.text, re.M):
        if header not in headers.files:
            complain(page, f"no header {header}")


def check_bodies(pages, headers):
    """Structs and enums are shown once, and as they are."""
    shown = {}
    for page in pages.values():
        for text in page.literals("SYNOPSIS"):
            for m in re.finditer(r"(.*?\}|.*?);\n", text, re.S):
                body = parse_body(m[1])
                if body:
                    shown[body[0]] = body[1]
                    if headers.bodies.get(body[0]) != body[1]:
                        complain(page, f"{body[0]} is not the header's")
    for name in headers.bodies.keys() - shown.keys():
        complain(name, "no SYNOPSIS shows it")


def check_errors(page, headers):
    """A comment also names errors that come otherwise: those are in prose."""
    told = set(re.findall(r"\bEr (\w+)", page.text))
    for name, _, _ in page.prototypes():
        for error in sorted(headers.errors.get(name, set()) - told):
            complain(page, f"{error} of {name} is missing")
    for error in sorted(page.errors() - headers.known):
        complain(page, f"no header knows {error}")


def check_constants(pages, headers):
    told = set()
    for page in pages.values():
        told |= set(re.findall(r"\bDv (\w+)", page.text))
    for name in sorted(headers.constants - told):
        complain(name, "no page tells of it")


def check_references(pages):
    ours = {f"{name}({page.number})"
            for page in pages.values() for name in page.named()}
    used = set()
    for page in pages.values():
        used |= page.references()
        for reference in sorted(page.references() - ours - OUTSIDE):
            complain(page, f"{reference} leads nowhere")
        if page.name == "bufev":
            everywhere = {str(other) for other in pages.values()}
            for other in sorted(everywhere - page.references() - {str(page)}):
                complain(page, f"does not lead to {other}")
        elif "bufev(7)" not in page.references():
            complain(page, "does not lead to bufev(7)")
    for reference in sorted(OUTSIDE - used):
        complain(reference, "is in the list, but no page refers to it")


def run_program(code, expected, libraries, root):
    """What is wrong with it, or None."""
    with tempfile.TemporaryDirectory() as work:
        source, program = Path(work, "prog.c"), Path(work, "prog")
        source.write_text(code)
        done = subprocess.run(
            shlex.split(os.environ.get("CC", "cc")) +
            ["-Wall", "-Werror", "-pthread", "-o", program, source,
             f"-I{root}/include", f"-L{libraries}", "-lbufev",
             f"-Wl,-rpath,{libraries}"], capture_output=True, text=True)
        if done.returncode:
            return "does not compile:\n" + done.stderr
        try:
            done = subprocess.run([program], capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=60)
        except subprocess.TimeoutExpired:
            return "does not end"
        if done.returncode or done.stderr or done.stdout != expected:
            return (f"ended with {done.returncode} and printed\n"
                    f"{done.stdout}{done.stderr}instead of\n{expected}")
    return None


def check_examples(page, libraries, root):
    """Programs, each followed by what it prints."""
    blocks = list(page.literals("EXAMPLES"))
    programs = blocks[0::2]
    if not programs or len(blocks) % 2:
        complain(page, "EXAMPLES are programs, each with what it prints")
        return 0
    for code, expected in zip(programs, blocks[1::2]):
        for line in code.splitlines():
            if len(line.expandtabs()) > WIDTH:
                complain(page, f"over {WIDTH} columns: {line}")
        wrong = run_program(code, expected, libraries, root)
        if wrong:
            complain(page, "an example " + wrong)
    return len(programs)


def main():
    root, manual, libraries = (Path(a).resolve() for a in sys.argv[1:])
    headers = Headers(root)
    names = public_functions(root, headers)
    pages = {path: Page(path) for path in sorted(manual.rglob("*.[0-9]"))
             if not path.is_symlink()}
    programs = 0
    for path in sorted((root / "docs/man").glob("*.[0-9]")):
        if path.name not in {page.name for page in pages}:
            complain(path, "is not installed")
    check_functions(names, manual, pages, headers)
    check_links(manual, pages)
    check_bodies(pages, headers)
    check_constants(pages, headers)
    check_references(pages)
    for page in pages.values():
        check_sections(page)
        check_synopsis(page, headers)
        check_errors(page, headers)
        programs += check_examples(page, libraries, root)
    print(f"{len(pages)} pages, {len(names)} functions, {programs} programs")
    return failures > 0 or not pages or not names


if __name__ == "__main__":
    sys.exit(main())
