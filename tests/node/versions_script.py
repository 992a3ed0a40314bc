"""A script that waits in its module-level code, on its way to another version."""

import os
import sys
import time
import traceback


def in_script(value):
    return value


def numbers(n):
    yield from range(n)


before = list(sys.version_info[:2])
total = 0
for number in numbers(10):
    total += number
    if number == 4:
        print("waiting", flush=True)
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.001)
try:
    in_script(1 / 0)
except ZeroDivisionError:
    traceback.print_exc(file=sys.stdout)
print("done", before, list(sys.version_info[:2]), total, flush=True)
raise SystemExit
