#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: ktap.py <kernel tree> <log>

Prints the test cases of every KTAP or TAP report in a console log, a line
each: `pass` or why not, a tab, the case's name. Parsing is the kernel's own
kunit_parser; this only finds the reports: each starts with a version line
that is not indented.
"""
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1] + "/tools/testing/kunit")
import kunit_parser  # noqa: E402  (from the kernel tree)

TIME = re.compile(r"^\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?")
START = re.compile(r"^K?TAP version \d+$")
# Whatever else the kernel says in between is not the report's
KTAP = re.compile(r"^ *(K?TAP version \d|\d+\.\.\d|(not )?ok \d|#)")


class Listener:
    """Stands in for the parser's printer: keeps the errors, drops the rest."""

    def __init__(self):
        self.errors = []

    def print_with_timestamp(self, text):
        if text.startswith("[ERROR]"):
            self.errors.append(text[len("[ERROR]"):].strip())

    def color_len(self):
        return 0

    def red(self, text):
        return text

    green = yellow = red


def reports(path):
    """The lines of each report, without time stamps."""
    report = None
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            line = TIME.sub("", line.rstrip("\r\n"))
            if START.match(line):
                if report:
                    yield report
                report = []
            if report is not None and KTAP.match(line):
                report.append(line)
    if report:
        yield report


def cases(test, path=()):
    """(verdict, name) of each leaf, and of a parent that failed by itself."""
    path = path + ((test.name,) if test.name not in ("", "main") else ())
    name = ".".join(path) or "(no name)"
    below = [case for sub in test.subtests for case in cases(sub, path)]
    verdict = "pass" if test.status.name == "SUCCESS" else test.status.name.lower()
    if not below:
        return [(verdict, name)]
    if not test.ok_status() and all(case[0] == "pass" for case in below):
        below.append((verdict, name))
    return below


def main():
    listener = kunit_parser.stdout = Listener()
    found = []
    for report in reports(sys.argv[2]):
        found += cases(kunit_parser.parse_run_tests(report))
    found += [(error, "(report)") for error in listener.errors]
    for verdict, name in found or [("no test case in the log", "(report)")]:
        print(f"{verdict}\t{name}")


main()
