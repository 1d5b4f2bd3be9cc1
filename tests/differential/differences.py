# SPDX-License-Identifier: MIT
"""differences.py PAGE WITH_LIBEVENT WITH_BUFEV

The page has a table with a line for each difference: `name`, what is done,
what libevent answers, what is answered here, and why.  Each program prints
what it has seen, a line "name | answer" for each.  All three must agree, and
know of the same differences.
"""

import os
import re
import subprocess
import sys

ROW = re.compile(r'^\| `([a-z-]+)` \|')
CELL = re.compile(r'(?<!\\)\|')


def table(path):
    """What the page says, by name."""
    rows = {}
    with open(path, encoding='utf-8') as file:
        for line in file:
            if ROW.match(line):
                cells = [cell.strip().replace('\\|', '|')
                         for cell in CELL.split(line.strip()[1:-1])]
                name, _, libevent, here, _ = cells
                rows[name.strip('`')] = libevent, here
    return rows


def seen(program, leaks):
    """What the program says, by name."""
    options = os.environ.get('ASAN_OPTIONS', '') + f':detect_leaks={leaks:d}'
    output = subprocess.run([program], stdout=subprocess.PIPE, check=True,
                            encoding='utf-8',
                            env=dict(os.environ, ASAN_OPTIONS=options)).stdout
    return dict(line.split(' | ', 1) for line in output.splitlines())


def main():
    page, *programs = sys.argv[1:]
    rows = table(page)
    wrong = 0
    for column, program in enumerate(programs):
        # libevent loses what is left in the middle of a spin.
        answers = seen(program, leaks=column > 0)
        for name in sorted(rows.keys() | answers.keys()):
            said = rows[name][column] if name in rows else None
            answer = answers.get(name)
            if said != answer:
                print(f'{name}: the page says "{said}", '
                      f'{program} has seen "{answer}"')
                wrong += 1
    for name, (libevent, here) in rows.items():
        if libevent == here:
            print(f'{name}: is no difference')
            wrong += 1
    print(f'{len(rows)} differences, {wrong} wrong')
    return wrong > 0 or not rows


sys.exit(main())
