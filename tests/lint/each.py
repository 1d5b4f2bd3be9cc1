# SPDX-License-Identifier: MIT
"""each.py BUILD analyzer|clang-tidy: looks at every file of the library.

The files and their flags are those by which BUILD compiles the library for the
tests, with all backends in it.  It looks at what the tests stand on and at the
module for Lua, too, where BUILD has it: each file once, for one version of Lua.
A finding is an error; nothing is printed where there is none.

clang-tidy's analyzer stops early in a function of many paths, unless $BUFEV_LONG
is set: it takes a tenth of the time.
"""

import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

TARGET = 'libbufev-tested.a.p'
SEPARATE = ('-o', '-MF', '-MQ')  # with their argument
ALONE = ('-c', '-MD')
EARLY = ('-Xclang', '-analyzer-config', '-Xclang', 'max-nodes=20000')
PLACES = ('/tests/support/', '/examples/lua/')
# In append() gcc 12 sees a leak of something that it calls <unknown>.
EXCEPT = {'analyzer': ('kqueue-standin.c',), 'clang-tidy': ()}


def flags(entry):
    """The command of the entry, without what only makes files."""
    words = iter(shlex.split(entry['command']))
    kept = []
    for word in words:
        if word in SEPARATE:
            next(words)
        elif word not in ALONE:
            kept.append(word)
    return kept


def analyzer(entry, _):
    return flags(entry) + ['-c', '-o', os.devnull, '-fanalyzer', '-Werror']


def clang_tidy(entry, build):
    # The flags may be those of gcc, which has some that clang does not know.
    also = ('-Wno-ignored-optimization-argument',)
    if not os.environ.get('BUFEV_LONG'):
        also += EARLY
    return ['clang-tidy', '--quiet', '-p', build,
            *(f'--extra-arg={flag}' for flag in also), entry['file']]


def is_wanted(entry, tool):
    file = entry['file']
    if file.endswith(EXCEPT[tool]):
        return False
    return (TARGET in entry['output'] and '/lib/' in file
            or any(place in file for place in PLACES))


TOOLS = {'analyzer': analyzer, 'clang-tidy': clang_tidy}


def main():
    build, tool = sys.argv[1:]

    with open(os.path.join(build, 'compile_commands.json'),
              encoding='utf-8') as file:
        entries = {entry['file']: entry for entry in json.load(file)
                   if is_wanted(entry, tool)}

    def look(entry):
        return subprocess.run(TOOLS[tool](entry, build), text=True,
                              cwd=entry['directory'], capture_output=True,
                              check=False)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(look, entries.values()))
    failed = [result for result in results if result.returncode != 0]
    for result in failed:
        print(result.stdout, result.stderr)
    print(f'{len(results)} files, findings in {len(failed)}')
    return 0 if results and not failed else 1


sys.exit(main())
