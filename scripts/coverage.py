#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: coverage.py <kernel tree> <exceptions> <branches> <gcov.json>

Reports the line coverage of the core from what gcov says (`gcov -b -j -t`, an
object a line), and writes to <branches> which branches were never taken.

<exceptions> has the lines that no test can reach: file, function, text of the
line, reason. Status 1 if a file has less than GOAL, if a line that was not
reached has no reason, or if a reason has no such line any more.
"""
import json
import re
import sys
from collections import Counter, defaultdict

GOAL = 95
FILES = (
    "drivers/iommu/msi-iommu.c",
    "drivers/iommu/msi-iommu-desc.c",
    "drivers/iommu/msi-iommu-frame.c",
    "drivers/iommu/msi-iommu-window.c",
    "drivers/iommu/msi-iommu-debugfs.c",
    "drivers/iommu/iommufd/msi.c",
)
EXCEPTION = re.compile(r"(\S+) (\w+): (.+) -- (.+)")


class File:
    """What ran of a file: counts, and those of branches, by line."""

    def __init__(self, tree, path):
        self.path = path
        self.counts = Counter()
        self.functions = []
        self.branches = defaultdict(list)
        with open(f"{tree}/{path}", encoding="utf-8") as source:
            self.text = [""] + [line.strip() for line in source]

    def add(self, entry):
        self.functions += entry["functions"]
        for line in entry["lines"]:
            number = line["line_number"]
            self.counts[number] += line["count"]
            self.branches[number] += [branch["count"] for branch in line["branches"]]

    def function(self, number):
        """gcov does not name that of a line which was inlined."""
        return next((function["name"] for function in self.functions
                     if function["start_line"] <= number <= function["end_line"]), "-")

    def key(self, number):
        """By what an exception names a line."""
        return (self.path, self.function(number), self.text[number])

    def missed(self):
        return [number for number in sorted(self.counts) if not self.counts[number]]

    def never_taken(self):
        """Lines that ran, but not in each direction."""
        return [number for number in sorted(self.counts)
                if self.counts[number] and 0 in self.branches[number]]

    def percent(self):
        return 100 * (len(self.counts) - len(self.missed())) / len(self.counts)

    def row(self):
        taken = [bool(count) for line in self.branches.values() for count in line]
        lines = len(self.counts)
        return (f"{self.path:<36} {lines:>7} {lines - len(self.missed()):>8}"
                f" {self.percent():>7.1f} {len(taken):>9} {sum(taken):>7}")


def read_gcov(tree, path):
    files = {}
    with open(path, encoding="utf-8") as lines:
        for entry in (entry for line in lines for entry in json.loads(line)["files"]):
            name = next((f for f in FILES if entry["file"].endswith("/" + f)), None)
            if not name:
                continue
            file = files.setdefault(name, File(tree, name))
            file.add(entry)
    return files


def read_exceptions(path):
    exceptions = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            match = EXCEPTION.fullmatch(line)
            if not match:
                sys.exit(f"error: {path}: not '<file> <function>: <text> -- <reason>': {line}")
            exceptions[match.group(1, 2, 3)] = match[4]
    return exceptions


def report_missed(files, exceptions):
    """Prints the lines that were not reached; returns what is wrong."""
    faults = []
    missed = {file.key(number) for file in files for number in file.missed()}
    for file in files:
        for number in file.missed():
            reason = exceptions.get(file.key(number))
            print(f"{file.path}:{number} {file.function(number)}(): {file.text[number]}")
            print(f"    {reason or 'NO REASON'}")
            if not reason:
                faults.append(f"not covered, and no reason: {file.path}:{number}")
    # Two that meet may be met in one run and not in another
    for path, function, text in exceptions.keys() - missed:
        if exceptions[path, function, text].startswith("race: "):
            continue
        faults.append(f"reached by now, or gone: {path} {function}: {text}")
    return faults


def write_branches(files, path):
    with open(path, "w", encoding="utf-8") as out:
        for file in files:
            for number in file.never_taken():
                print(f"{file.path}:{number} {file.function(number)}(): "
                      f"{file.text[number]}\n    taken: {file.branches[number]}", file=out)


def main(tree, exceptions, branches, data):
    files = read_gcov(tree, data)
    missing = [name for name in FILES if name not in files]
    if missing:
        sys.exit(f"error: nothing was counted in {', '.join(missing)}: "
                 "does build.sh have them instrumented?")
    files = [files[name] for name in FILES]
    print(f"{'file':<36} {'lines':>7} {'covered':>8} {'%':>7} {'branches':>9} {'taken':>7}")
    for file in files:
        print(file.row())
    print()
    faults = report_missed(files, read_exceptions(exceptions))
    faults += [f"{file.path}: {file.percent():.1f} %, less than {GOAL}"
               for file in files if file.percent() < GOAL]
    write_branches(files, branches)
    if faults:
        sys.exit("\n" + "\n".join(f"error: {fault}" for fault in sorted(faults)))


main(*sys.argv[1:])
