"""Checks that print TAP: `ok NAME`, `not ok NAME` with the reason in indented lines below.

A script registers functions with @check and ends with run(). Arguments name the checks to run; none runs all.
"""
import sys
import traceback

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def equal(got, expected):
    assert got == expected, f"{got!r} is not {expected!r}"


def contains(whole, part):
    assert part in whole, f"{part!r} is not in {whole!r}"


def run(setup=None):
    wanted = sys.argv[1:]
    failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        if wanted and not any(part in name for part in wanted):
            continue
        try:
            function(*(setup() if setup else ()))
        except Exception as error:
            failed += 1
            print(f"not ok {name}")
            text = "".join(traceback.format_exception(error)[-3:])
            print("".join(f"    {line}\n" for line in text.splitlines()), end="", flush=True)
        else:
            print(f"ok {name}", flush=True)
    sys.exit(1 if failed else 0)
