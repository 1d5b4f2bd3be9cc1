# SPDX-License-Identifier: MIT
"""summary.py NAME=FILE...: adds up the logs of `meson test`.

Each FILE is a testlog.json; one that is missing or empty is a stage that did
not get as far as to run a test, and counts as a failure.  What failed is named
again, so is what was skipped, and the very last line says how many passed and
how many failed.  Exits with 0 only where all did pass.
"""

import json
import re
import sys

PASSED = ('OK', 'EXPECTEDFAIL')
SKIPPED_CASE = re.compile(r'^\[  SKIPPED \] (\S+)$', re.MULTILINE)
OK_CASE = re.compile(r'^\[       OK \]', re.MULTILINE)


def read(path):
    try:
        with open(path, encoding='utf-8') as file:
            return [json.loads(line) for line in file if line.strip()]
    except OSError:
        return []


def main():
    passed = failed = cases = 0
    bad, skipped = [], {}
    print('\nstage          tests  passed  failed  skipped')
    for argument in sys.argv[1:]:
        stage, _, path = argument.partition('=')
        results = read(path)
        good = miss = 0
        for result in results:
            name = result['name'].split(' / ')[-1]
            output = result.get('stdout') or ''
            cases += len(OK_CASE.findall(output))
            for case in SKIPPED_CASE.findall(output):
                skipped.setdefault(f'{case}', set()).add(stage)
            if result['result'] in PASSED:
                good += 1
            elif result['result'] == 'SKIP':
                miss += 1
                skipped.setdefault(name, set()).add(stage)
            else:
                bad.append(f'{stage}: {name}: {result["result"]}')
        wrong = len(results) - good - miss
        if not results:
            wrong = 1
            bad.append(f'{stage}: nothing ran')
        print(f'{stage:14} {len(results):5}  {good:6}  {wrong:6}  {miss:7}')
        passed += good
        failed += wrong
    for name, stages in sorted(skipped.items()):
        print(f'skipped: {name} ({", ".join(sorted(stages))})')
    for line in bad:
        print(f'failed: {line}')
    print(f'{cases} cases within these tests passed')
    print(f'{passed} passed, {failed} failed')
    return 0 if passed and not failed else 1


sys.exit(main())
