# SPDX-License-Identifier: MIT
"""coverage.py ROOT BUILD: how much of lib/ the tests have run.

BUILD was made by gcc with -Db_coverage=true, and its tests have run.  Fails
where a line, or more than one branch in twenty, was not run; says which.

A line that no test reaches is named in left.txt, with the reason: its file and
its text, and below, indented, why.  It does not count then, nor do its
branches.  A name that names nothing, or a line that was run as a whole, fails.
"""

import collections
import json
import os
import subprocess
import sys

LINES, BRANCHES = 100.0, 95.0


def read_left(path):
    """The lines that are excused: how many of each (file, text)."""
    left = collections.Counter()
    with open(path, encoding='utf-8') as file:
        for line in file:
            if line.strip() and not line[0].isspace() and line[0] != '#':
                name, _, text = line.strip().partition(': ')
                left[name, text] += 1
    return left


def gather(root, build):
    """What gcovr says of the library for the tests: (file, line) by line."""
    result = subprocess.run(
        ['gcovr', '--root', root, '--object-directory', build,
         '--filter', os.path.join(root, 'lib', ''), '--json', '-',
         os.path.join(build, 'tests', 'libbufev-tested.a.p'),
         os.path.join(build, 'lib')],
        cwd=build, check=True, capture_output=True, text=True)
    for file in json.loads(result.stdout)['files']:
        name = os.path.relpath(os.path.join(root, file['file']), root)
        with open(os.path.join(root, name), encoding='utf-8') as source:
            texts = [text.strip() for text in source]
        for line in file['lines']:
            if not line.get('gcovr/noncode'):
                yield name, texts[line['line_number'] - 1], line


def percent(part, all_of_it):
    return 100.0 * part / all_of_it if all_of_it else 0.0


def main():
    root, build = map(os.path.abspath, sys.argv[1:])
    left = read_left(os.path.join(root, 'tests', 'coverage', 'left.txt'))
    named = collections.Counter()
    lines = run = branches = taken = 0
    for name, text, line in gather(root, build):
        counts = [branch['count'] for branch in line['branches']]
        missed = sum(count == 0 for count in counts)
        if line['count'] == 0 or missed:
            if named[name, text] < left[name, text]:
                named[name, text] += 1
                continue
            what = f'{missed} of {len(counts)} branches'
            print(f'{name}:{line["line_number"]}: '
                  f'{what if line["count"] else "not run"}: {text}')
        lines += 1
        run += line['count'] > 0
        branches += len(counts)
        taken += len(counts) - missed
    for name, text in left - named:
        print(f'left.txt: {name} has no such line, or it is run: {text}')
    line_rate, branch_rate = percent(run, lines), percent(taken, branches)
    print(f'{run} of {lines} lines ({line_rate:.2f} %), {taken} of {branches} '
          f'branches ({branch_rate:.2f} %), {sum(left.values())} lines excused')
    good = line_rate >= LINES and branch_rate >= BRANCHES
    return 0 if good and not left - named else 1


sys.exit(main())
