#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The pages of this repository: checked, and made into a site.

    python3 docs/site/site.py check ROOT      the Markdown sources
    python3 docs/site/site.py build ROOT OUT  the site, checked as it is

pandoc reads the Markdown, once a page; all that is done here is done to the
tree that it returns, and pandoc writes the HTML.  mandoc writes that of the
manual.  The navigation is docs/README.md: each of its sections of level 2 is
a group, each link in a list there is an entry.

A check holds that
- each relative link leads to a file, and its #fragment to a heading there;
- each page under docs/ is in the index;
- each block of C on a page of docs/tutorial and docs/howto is a part of a file
  in the directory `code` beside it (but for a common indentation), and each
  file there is named on a page.
What is linked outside docs/ becomes a page of the site, too, under source/.
"""

import html
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import textwrap
from html.parser import HTMLParser
from string import Template
from urllib.parse import unquote, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
QUOTING = ("docs/tutorial", "docs/howto")
SKIPPED = {"subprojects", "build"}
LANGUAGES = {".c": "c", ".h": "c", ".sh": "bash", ".py": "python",
             ".lua": "lua", ".yml": "yaml", ".json": "json"}


def pandoc(text, *args):
    return subprocess.run(["pandoc", *args], input=text, encoding="utf-8",
                          stdout=subprocess.PIPE, check=True).stdout


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def walk(node, kind):
    """The content of each element of that kind, in the order of the page."""
    if isinstance(node, list):
        for one in node:
            yield from walk(one, kind)
    elif isinstance(node, dict):
        if node.get("t") == kind:
            yield node["c"]
        for one in node.values():
            yield from walk(one, kind)


def text_of(inlines):
    out = []
    for one in inlines:
        content = one.get("c")
        if one["t"] in ("Space", "SoftBreak", "LineBreak"):
            out.append(" ")
        elif one["t"] == "Str":
            out.append(content)
        elif one["t"] == "Code":
            out.append(content[1])
        elif isinstance(content, list):
            out.append(text_of(content[-1] if one["t"] in ("Quoted", "Span")
                               else content[1] if one["t"] == "Link"
                               else content))
    return "".join(out)


def is_relative(url):
    parts = urlsplit(url)
    return not parts.scheme and not parts.netloc


class Page:
    """A Markdown source; `path` is relative to the root."""

    def __init__(self, root, path):
        self.path = path
        self.tree = json.loads(pandoc(read(os.path.join(root, path)),
                                      "-f", "gfm", "-t", "json",
                                      "--preserve-tabs"))
        self.blocks = self.tree["blocks"]
        self.ids = {attr[0] for _, attr, _ in walk(self.blocks, "Header")}
        self.title = next((text_of(c[2]) for c in
                           walk(self.blocks, "Header")), path)

    def targets(self):
        """[url, title] of each link and image, which may be changed."""
        for kind in ("Link", "Image"):
            for content in walk(self.blocks, kind):
                yield content[2]

    def resolve(self, url):
        """The path, relative to the root, and the fragment."""
        parts = urlsplit(url)
        if not parts.path:
            return self.path, parts.fragment
        here = posixpath.dirname(self.path)
        path = posixpath.normpath(posixpath.join(here, unquote(parts.path)))
        return path, parts.fragment

    def code(self):
        for attr, text in walk(self.blocks, "CodeBlock"):
            if attr[1][:1] == ["c"]:
                yield text


class Sources:
    """All pages of the tree, read when they are asked for."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.pages = {}

    def page(self, path):
        if path not in self.pages:
            self.pages[path] = Page(self.root, path)
        return self.pages[path]

    def full(self, path):
        return os.path.join(self.root, path)

    def markdown(self):
        """Every Markdown file of the repository."""
        for where, dirs, files in os.walk(self.root):
            dirs[:] = sorted(d for d in dirs if d not in SKIPPED
                             and not d.startswith((".", "build-")))
            for name in sorted(files):
                if name.endswith(".md") and not name.endswith(".in.md"):
                    yield os.path.relpath(os.path.join(where, name),
                                          self.root)

    def index(self):
        """[(group, [(title, path)])] as docs/README.md has them."""
        page, groups = self.page("docs/README.md"), []
        for block in page.blocks:
            if block["t"] == "Header" and block["c"][0] == 2:
                groups.append((text_of(block["c"][2]), []))
            elif block["t"] in ("BulletList", "OrderedList") and groups:
                items = block["c"] if block["t"] == "BulletList" \
                    else block["c"][1]
                for item in items:
                    content = next(walk(item, "Link"), None)
                    if content and is_relative(content[2][0]):
                        groups[-1][1].append(
                            (text_of(content[1]),
                             page.resolve(content[2][0])[0]))
        return groups


# --- The check of the sources ------------------------------------------------

def check_links(sources, complain):
    count = 0
    for path in sources.markdown():
        page = sources.page(path)
        for url, _ in page.targets():
            if not is_relative(url):
                continue
            count += 1
            target, fragment = page.resolve(url)
            if target.startswith("..") or \
                    not os.path.exists(sources.full(target)):
                complain(f"{path}: {url}: no such file")
            elif fragment and target.endswith(".md") and \
                    fragment not in sources.page(target).ids:
                complain(f"{path}: {url}: no such heading")
    return count


def check_index(sources, complain):
    listed = {path for _, entries in sources.index() for _, path in entries}
    for path in sources.markdown():
        if path.startswith("docs/") and path != "docs/README.md" and \
                path not in listed and not path.startswith(
                    ("docs/man/", "docs/packaging/")):
            complain(f"docs/README.md does not list {path}")


def flush_left(text):
    return textwrap.dedent(text.expandtabs(8)).strip("\n")


def is_part(block, text):
    """Are its lines a run of lines of the text, but for their indentation?"""
    lines, wanted = text.split("\n"), flush_left(block)
    n = len(block.strip("\n").split("\n"))
    return any(flush_left("\n".join(lines[i:i + n])) == wanted
               for i in range(len(lines) - n + 1))


def check_code(sources, complain):
    blocks = 0
    for where in QUOTING:
        code = os.path.join(sources.full(where), "code")
        files = {name: read(os.path.join(code, name))
                 for name in sorted(os.listdir(code))}
        pages = [p for p in sources.markdown() if posixpath.dirname(p) == where]
        for path in pages:
            for block in sources.page(path).code():
                blocks += 1
                if not any(is_part(block, text) for text in files.values()):
                    complain(f"{path}: not in code/: "
                             f"{block.strip().splitlines()[0]}")
        linked = {sources.page(path).resolve(url)[0] for path in pages
                  for url, _ in sources.page(path).targets()
                  if is_relative(url)}
        for name in files:
            if posixpath.join(where, "code", name) not in linked:
                complain(f"{where}/code/{name}: no page links to it")
    return blocks


def check(root):
    sources, complaints = Sources(root), []
    links = check_links(sources, complaints.append)
    check_index(sources, complaints.append)
    blocks = check_code(sources, complaints.append)
    print(f"{len(sources.pages)} pages, {links} links, {blocks} blocks of C")
    return complaints + ([] if links and blocks else ["nothing to check"])


# --- The site ----------------------------------------------------------------

class Site:
    def __init__(self, root, out):
        self.sources, self.out = Sources(root), os.path.abspath(out)
        self.template = Template(read(os.path.join(HERE, "page.html")))
        self.index = self.sources.index()  # before its links are changed
        self.todo, self.done, self.manual = [], set(), self.find_manual()
        self.names = self.find_names()

    def find_manual(self):
        """The text of each page of the manual by its name."""
        where = self.sources.full("docs/man")
        if not os.path.isdir(where) or not shutil.which("mandoc"):
            return {}
        return {name: read(os.path.join(where, name))
                for name in sorted(os.listdir(where))
                if re.search(r"\.[1-9]$", name)}

    def find_names(self):
        """The page of each name that a page of the manual is for."""
        return {f"{said}.{name[-1]}": name
                for name, text in self.manual.items()
                for said in re.findall(r"^\.Nm (\S+)",
                                       text.split("\n.Nd ")[0], re.MULTILINE)}

    def place(self, path):
        """Where in the site the file of the repository is."""
        if path == "docs/README.md":
            return "index.html"
        if path.startswith("docs/man") and os.path.basename(path) in \
                self.manual:
            return f"man/{os.path.basename(path)}.html"
        if path == "docs/man" and self.manual:
            return "man/index.html"
        inside = path.startswith("docs/")
        path = path[5:] if inside else "source/" + path
        if os.path.isdir(self.sources.full(
                "docs/" + path if inside else path[7:])):
            return posixpath.normpath(path) + "/index.html"
        if path.endswith(".svg"):
            return path
        return (path[:-3] if path.endswith(".md") else path) + ".html"

    def want(self, path):
        if path not in self.done:
            self.done.add(path)
            self.todo.append(path)

    def link(self, here, path, fragment=""):
        self.want(path)
        url = posixpath.relpath(self.place(path), posixpath.dirname(here))
        return url + ("#" + fragment if fragment else "")

    def navigation(self, here, path):
        out = []
        for group, entries in self.index:
            out.append(f"<h2>{html.escape(group)}</h2>\n<ul>")
            for title, target in entries:
                mark = ' aria-current="page"' if target == path else ""
                out.append(f'<li><a href="{self.link(here, target)}"{mark}>'
                           f"{html.escape(title)}</a></li>")
            out.append("</ul>")
        return "\n".join(out)

    def write(self, path, title, body):
        here = self.place(path)
        full = os.path.join(self.out, here)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        up = posixpath.relpath(".", posixpath.dirname(here))
        with open(full, "w", encoding="utf-8") as file:
            file.write(self.template.substitute(
                title=html.escape(title), body=body, up=up,
                source=html.escape(path),
                navigation=self.navigation(here, path)))

    def to_html(self, blocks, tree):
        return pandoc(json.dumps({**tree, "blocks": blocks}),
                      "-f", "json", "-t", "html5", "--wrap=preserve",
                      "--preserve-tabs")

    def markdown(self, path):
        page, here = self.sources.page(path), self.place(path)
        for target in page.targets():
            if is_relative(target[0]) and urlsplit(target[0]).path:
                target[0] = self.link(here, *page.resolve(target[0]))
        body = self.to_html(page.blocks, page.tree)
        # What is wider than the window scrolls by itself.
        body = body.replace("<table", '<div class="wide"><table')
        body = body.replace("</table>", "</table></div>")
        self.write(path, page.title, body)

    def source(self, path):
        """A file as it is, with its syntax coloured."""
        language = LANGUAGES.get(os.path.splitext(path)[1], "")
        tree = self.sources.page("docs/README.md").tree
        block = {"t": "CodeBlock", "c": [["", [language] if language else [],
                                          []],
                                         read(self.sources.full(path))]}
        self.write(path, path, f"<h1>{html.escape(path)}</h1>\n"
                   + self.to_html([block], tree))

    def directory(self, path):
        here, items = self.place(path), []
        for name in sorted(os.listdir(self.sources.full(path))):
            target = posixpath.join(path, name)
            if name.startswith(".") or os.path.splitext(name)[1] == ".svg":
                continue
            items.append(f'<li><a href="{self.link(here, target)}">'
                         f"{html.escape(name)}</a></li>")
        self.write(path, path, f"<h1>{html.escape(path)}/</h1>\n<ul>\n"
                   + "\n".join(items) + "\n</ul>\n")

    def man(self, path):
        name = os.path.basename(path)
        body = subprocess.run(
            ["mandoc", "-T", "html", "-O", "fragment,man=%N.%S",
             self.sources.full(path)],
            stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout

        def refer(match):
            target = self.names.get(html.unescape(match.group(1)))
            if not target:
                return match.group(2)  # another package's page
            url = self.link(self.place(path), "docs/man/" + target)
            return f'<a class="Xr" href="{url}">{match.group(2)}</a>'

        body = re.sub(r'<a class="Xr" href="([^"]*)"[^>]*>(.*?)</a>', refer,
                      body, flags=re.DOTALL)
        self.write(path, name, f'<div class="man">{body}</div>')

    def man_index(self):
        here, items = "man/index.html", []
        for name, text in self.manual.items():
            said = re.search(r"^\.Nd (.*)$", text, re.MULTILINE).group(1)
            url = self.link(here, "docs/man/" + name)
            items.append(f'<li><a href="{url}">{name[:-2]}({name[-1]})</a>: '
                         f"{html.escape(said)}</li>")
        self.write("docs/man", "The manual", "<h1>The manual</h1>\n<ul>\n"
                   + "\n".join(items) + "\n</ul>\n")

    def make(self, path):
        full = self.sources.full(path)
        if path == "docs/man" and self.manual:
            self.man_index()
        elif self.place(path).startswith("man/"):
            self.man(path)
        elif os.path.isdir(full):
            self.directory(path)
        elif path.endswith(".svg"):
            where = os.path.join(self.out, self.place(path))
            os.makedirs(os.path.dirname(where), exist_ok=True)
            shutil.copyfile(full, where)
        elif path.endswith(".md"):
            self.markdown(path)
        else:
            self.source(path)

    def build(self):
        shutil.rmtree(self.out, ignore_errors=True)
        os.makedirs(self.out)
        shutil.copy(os.path.join(HERE, "style.css"), self.out)
        self.want("docs/README.md")
        while self.todo:
            self.make(self.todo.pop())
        return self.check()

    def check(self):
        """Links of the site itself."""
        documents = {}
        for where, _, files in os.walk(self.out):
            for name in files:
                path = os.path.join(where, name)
                if name.endswith(".html"):
                    documents[path] = Links(read(path))
        complaints, count = [], 0
        for path, document in documents.items():
            for url in document.urls:
                parts = urlsplit(url)
                if not is_relative(url):
                    continue
                count += 1
                target = os.path.normpath(os.path.join(
                    os.path.dirname(path), unquote(parts.path))) \
                    if parts.path else path
                if not os.path.isfile(target):
                    complaints.append(f"{path}: {url}: no such page")
                elif parts.fragment and target in documents and \
                        unquote(parts.fragment) not in documents[target].ids:
                    complaints.append(f"{path}: {url}: no such place")
        print(f"{len(documents)} pages, {count} links: "
              f"{os.path.join(self.out, 'index.html')}")
        return complaints


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.urls, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.urls.append(value)
            elif name == "id":
                self.ids.add(value)


def main(args):
    if len(args) == 2 and args[0] == "check":
        complaints = check(args[1])
    elif len(args) == 3 and args[0] == "build":
        complaints = Site(args[1], args[2]).build()
    else:
        sys.exit(__doc__)
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
