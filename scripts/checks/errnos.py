#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: errnos.py <kernel tree> <selftests> <exceptions>

The errnos of the calls that set, unset and query the MSI window: those that the
headers for user space name must be those that the selftests expect. One that no
test can have stands in <exceptions>: <call> <errno>: <reason>.
"""
import errno
import pathlib
import re
import sys

ERRNO = re.compile(r"\bE[A-Z0-9]+\b")

# Where the header tells of a call: from this on, to the end of its paragraph or comment
DOCUMENTED = {
    "type1 set": ("vfio.h", " * If flags is VFIO_DMA_MAP_FLAG_MSI_RESERVED_IOVA", " */\n"),
    "type1 unset": ("vfio.h", " * If iova and size are those of that window", " *\n"),
    "iommufd set": ("iommufd.h", " * struct iommu_ioas_msi_window - ", " */\n"),
    "iommufd query": ("iommufd.h", " * struct iommu_msi_info - ", " */\n"),
}

# What the selftests make it by; unsetting is a flag of iommufd's call
MADE_BY = {
    r"EXPECT_REFUSED\((E\w+),": "set",
    r"\(-(E\w+), (?:window_set|window_call|map_flags)\(": "set",
    r"\(-(E\w+), window_unset\(": "unset",
    r"\(-(E\w+), (?:window_query|query)\(": "query",
    r"\(-(E\w+), sys_ioctl\(self->space\.fd, IOMMU_MSI_INFO": "query",
}

# Tests of these fixtures use one interface; the others are run by both
ONE_INTERFACE = {"type1": ["type1"], "ioas": ["iommufd"]}


def documented(tree):
    found = {}
    for call, (header, begin, end) in DOCUMENTED.items():
        text = (tree / "include/uapi/linux" / header).read_text()
        if text.count(begin) != 1:
            sys.exit(f"error: {header} does not tell of {call} once, by '{begin.strip(' *')}'")
        begin = text.index(begin)
        names = ERRNO.findall(text[begin:text.index(end, begin)])
        found[call] = {name for name in names if hasattr(errno, name)}
    return found


def expected(tests):
    found = {call: set() for call in DOCUMENTED}
    for file in sorted(tests.glob("*_test.c")):
        for test in re.split(r"^(?=TEST(?:_F\w*)?\()", file.read_text(), flags=re.MULTILINE)[1:]:
            fixture = re.match(r"TEST\w*\((\w+)", test).group(1)
            text = re.sub(r"\s+", " ", test)
            for pattern, call in MADE_BY.items():
                for interface in ONE_INTERFACE.get(fixture, ["type1", "iommufd"]):
                    name = f"{interface} {call}"
                    if name == "iommufd unset":
                        name = "iommufd set"
                    if name in found:
                        found[name].update(re.findall(pattern, text))
    return found


def excused(path):
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    return {tuple(line.split(": ", 1)[0].rsplit(" ", 1)) for line in lines}


def main():
    tree, tests, exceptions = map(pathlib.Path, sys.argv[1:])
    told, tested, untested = documented(tree), expected(tests), excused(exceptions)
    bad = []
    for call, names in told.items():
        print(f"{call:14} {' '.join(sorted(names))}")
        bad += [f"{call}: {name} is documented, and no test expects it"
                for name in sorted(names - tested[call]) if (call, name) not in untested]
        bad += [f"{call}: a test expects {name}, which is not documented"
                for name in sorted(tested[call] - names)]
    bad += [f"{exceptions.name}: {call} {name} is tested by now, or not documented any more"
            for call, name in sorted(untested)
            if name in tested.get(call, ()) or name not in told.get(call, ())]
    for line in bad:
        print(f"error: {line}")
    sys.exit(bool(bad))


main()
