# SPDX-License-Identifier: MIT
"""mutate.py ROOT BUILD [OPTION...]: would the tests notice?

Changes the library in one place, builds it, and runs the fast tests, with the
address and the undefined-behaviour sanitizer, until one fails: that mutant is
killed.  One that survives shows what no test holds, or a place where the change
makes no difference; the survivors are named, to be examined.  Of the latter
kind are those that compile to the same code, which do not count, and those that
equivalent.txt lists, which are not tried.

  --seed N      which mutants, and in which order (else it differs each time)
  --minutes N   how long (60); a mutant that was begun is finished
  --first N     the first of them to try (0), to go on where another run ended
  --count N     how many of them (all)
  --only TEXT   only in files whose names contain this

BUILD gets a copy of the tree, which is what is changed.  The last line says how
many were killed; exits with 0 where it was nine of ten.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time

ENOUGH = 90.0
FAST = 20.0  # seconds
LARGE = 2 << 30  # bytes
LIKELY = 6  # tests that are tried before all others are linked
SANITIZED = {
    'ASAN_OPTIONS': 'detect_stack_use_after_return=1',
    'UBSAN_OPTIONS': 'halt_on_error=1',
    'BUFEV_SLOW': '1',
}
OTHERS = ('survived', 'broken', 'the same')
SWAPS = {
    '<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==',
    '&&': '||', '||': '&&', '+=': '-=', '-=': '+=', '|=': '&=', '&=': '|=',
    '++': '--', '--': '++', '<<': '>>', '>>': '<<', '+': '-', '-': '+',
    ' & ': ' | ', ' | ': ' & ', 'true': 'false', 'false': 'true', '!': '',
}
# What is none of these is one of the swaps, or no matter.
SKIP = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|->'
TOKEN = re.compile(
    SKIP + r'|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|[-+|&]=| [&|] '
    r'|[<>!+-]|\b(?:true|false)\b|\b\d+[uUlL]*\b', re.DOTALL)
COMPARES = re.compile(r'(?:[<>]|[<>=!]=) $')
BODY = re.compile(r'^{\n(.*?)^}$', re.DOTALL | re.MULTILINE)
CALL = re.compile(r'^\t+([\w.>-]+\([^{}\n]*\);)$', re.MULTILINE)

# Its name is its file, its line and what that becomes.
Mutant = collections.namedtuple('Mutant', 'file at old new line name')


def change_of(token, before):
    """What a token becomes; None where it is left alone."""
    if token[0].isdigit():
        # Others are sizes and rates; where one compares, the operator changes.
        if COMPARES.search(before):
            return None
        zero = '-1' if before.endswith('return ') else '1'
        return {'0': zero, '1': '0'}.get(token)
    if token in '+-' and not re.search(r'[\w)\]] ?$', before):
        return ''
    return SWAPS.get(token)


def mutants_of(root, file):
    with open(os.path.join(root, file), encoding='utf-8') as source:
        text = source.read()

    def mutant(at, old, new):
        begin, end = text.rfind('\n', 0, at) + 1, text.find('\n', at)
        changed = text[begin:at] + new + text[at + len(old):end]
        return Mutant(file, at, old, new, text.count('\n', 0, at) + 1,
                      f'{file}: {text[begin:end].strip()} => '
                      f'{changed.strip()}')

    for body in BODY.finditer(text):
        for call in CALL.finditer(text, body.start(1), body.end(1)):
            yield mutant(call.start(1), call.group(1), ';')
        for token in TOKEN.finditer(text, body.start(1), body.end(1)):
            old = token.group()
            if text[text.rfind('\n', 0, token.start()) + 1] == '#':
                continue
            new = change_of(old, text[:token.start()])
            if new is not None:
                yield mutant(token.start(), old, new)


def read_equivalent(path):
    with open(path, encoding='utf-8') as file:
        return {line.strip() for line in file
                if line.strip() and not line[0].isspace() and line[0] != '#'}


def limit():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def is_large(process):
    try:
        with open(f'/proc/{process.pid}/statm', encoding='ascii') as file:
            pages = int(file.read().split()[1])
    except (OSError, IndexError):
        return False
    return pages * resource.getpagesize() > LARGE


def wait(process, seconds):
    """Whether it ends well, in time, and before it has eaten the memory.

    The sanitizer's own limit is no use: it opens files in a thread of its own,
    and the tests look which descriptors are open.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end and not is_large(process):
        try:
            return process.wait(0.2) in (0, 77)
        except subprocess.TimeoutExpired:
            continue
    return False


class Bench:
    """A build of the copy, and its tests."""

    def __init__(self, root, build):
        self.source = os.path.join(build, 'source')
        self.build = os.path.join(build, 'build')
        shutil.rmtree(build, ignore_errors=True)

        def ignored(directory, names):
            return {name for name in names
                    if os.path.join(directory, name) == build or
                    directory == root and re.match(r'\.git$|build', name)}

        shutil.copytree(root, self.source, ignore=ignored)
        subprocess.run(['meson', 'setup', self.build, self.source,
                        '-Dexamples=false', '-Dbuildtype=plain',
                        '-Doptimization=1', '-Dwarning_level=0',
                        '-Ddefault_library=static',
                        '-Db_sanitize=address,undefined'],
                       check=True, stdout=subprocess.DEVNULL)
        self.kills = collections.defaultdict(collections.Counter)
        with open(os.path.join(self.build, 'meson-info', 'intro-tests.json'),
                  encoding='utf-8') as file:
            tests = json.load(file)
        self.tests = [test for test in tests if re.match(
            'test-|fuzz-', os.path.basename(test['cmd'][0]))]
        if not self.make('all'):
            sys.exit('it does not build')
        self.code = self.read_code()
        self.seconds = collections.Counter()

    def measure(self, files):
        """How long the tests for these files take, which have to pass."""
        tests = {test['name']: test for file in files
                 for test in self.order(file)}

        def run(test):
            begin = time.monotonic()
            if not self.passes(test, 60):
                sys.exit(f'{test["name"]} fails without a change')
            self.seconds[test['name']] = time.monotonic() - begin

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(run, tests.values()))
        self.tests = [test for test in self.tests
                      if self.seconds[test['name']] < FAST]

    def read_code(self):
        """What the library was compiled to."""
        digest = hashlib.sha256()
        directory = os.path.join(self.build, 'tests', 'libbufev-tested.a.p')
        for name in sorted(os.listdir(directory)):
            with open(os.path.join(directory, name), 'rb') as file:
                digest.update(file.read())
        return digest.digest()

    def make(self, *targets):
        return subprocess.run(['ninja', '-C', self.build, *targets],
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL,
                              check=False).returncode == 0

    def passes(self, test, seconds):
        env = os.environ | test['env'] | SANITIZED
        with subprocess.Popen(test['cmd'], env=env,
                              stdin=subprocess.DEVNULL, preexec_fn=limit,
                              stdout=subprocess.DEVNULL, start_new_session=True,
                              stderr=subprocess.DEVNULL) as process:
            try:
                return wait(process, seconds)
            finally:
                try:
                    os.killpg(process.pid, 9)
                except ProcessLookupError:
                    pass

    def order(self, file):
        """Tests that have killed in this file first, then the quick ones."""
        backend = re.match(r'lib/kernel-(uring|epoll|poll|kqueue)', file)
        backend = backend.group(1) if backend else 'epoll'
        chosen = [test for test in self.tests
                  if test['env'].get('BUFEV_BACKEND', backend) == backend
                  or not test['name'].endswith(
                      ('-uring', '-epoll', '-poll', '-kqueue'))]
        kills = self.kills[file]
        stem = re.split(r'[-.]', os.path.basename(file))[0]
        return sorted(chosen, key=lambda test: (
            -kills[test['name']], stem not in test['name'],
            self.seconds[test['name']]))

    def run(self, file, tests):
        """The test that fails, 'broken', or None."""
        if not self.make(*{os.path.relpath(test['cmd'][0], self.build)
                           for test in tests}):
            return 'broken'
        killers = []

        def run(test):
            if not killers and not self.passes(
                    test, 5 + 5 * self.seconds[test['name']]):
                killers.append(test['name'])

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(run, tests))
        if not killers:
            return None
        self.kills[file][killers[0]] += 1
        return killers[0]

    def try_one(self, mutant):
        """The test that kills it, 'survived', 'broken' or 'the same'."""
        path = os.path.join(self.source, mutant.file)
        with open(path, encoding='utf-8') as file:
            text = file.read()
        after = mutant.at + len(mutant.old)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text[:mutant.at] + mutant.new + text[after:])
        try:
            if not self.make('tests/libbufev-tested.a'):
                return 'broken'
            if self.read_code() == self.code:
                return 'the same'
            tests = self.order(mutant.file)
            return (self.run(mutant.file, tests[:LIKELY]) or
                    self.run(mutant.file, tests[LIKELY:]) or 'survived')
        finally:
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('root')
    parser.add_argument('build')
    parser.add_argument('--seed', type=int, default=int(time.time()))
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--first', type=int, default=0)
    parser.add_argument('--count', type=int)
    parser.add_argument('--only', default='')
    options = parser.parse_args()
    root = os.path.abspath(options.root)
    end = time.monotonic() + 60 * options.minutes

    files = sorted(os.path.join('lib', name)
                   for name in os.listdir(os.path.join(root, 'lib'))
                   if name.endswith(('.c', '.h')))
    mutants = [mutant for file in files for mutant in mutants_of(root, file)]
    equivalent = read_equivalent(
        os.path.join(root, 'tests', 'mutation', 'equivalent.txt'))
    for name in equivalent - {mutant.name for mutant in mutants}:
        sys.exit(f'equivalent.txt: there is no such change: {name}')
    mutants = [mutant for mutant in mutants
               if mutant.name not in equivalent and options.only in mutant.file]
    files = sorted({mutant.file for mutant in mutants})
    # A change of the library elsewhere does not change the order.
    mutants.sort(key=lambda mutant: hashlib.sha256(
        f'{options.seed} {mutant.name} {mutant.old}'.encode()).digest())
    last = options.first + (options.count or len(mutants))
    bench = Bench(root, os.path.abspath(options.build))
    bench.measure(files)
    print(f'seed {options.seed}: {len(mutants)} mutants', flush=True)

    results = collections.Counter()
    for mutant in mutants[options.first:last]:
        if time.monotonic() > end:
            break
        result = bench.try_one(mutant)
        results[result if result in OTHERS else 'killed'] += 1
        if result == 'survived':
            print(f'survived, in line {mutant.line}:\n{mutant.name}',
                  flush=True)
    killed, total = results['killed'], results['killed'] + results['survived']
    rate = 100.0 * killed / total if total else 0.0
    print(f'{killed} of {total} mutants killed ({rate:.1f} %), seed '
          f'{options.seed}; did not compile: {results["broken"]}, made no '
          f'difference: {results["the same"]}')
    return 0 if rate >= ENOUGH else 1


sys.exit(main())
