#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: report.py <directory> <processors>

Reads the console logs <kernel>-<part>.log of <directory>, for the kernels base
and series, and prints the table of what the series costs against the base.
Leaves bench.json there, and for gnuplot vectors.dat and doorbells.dat.
"""
import json
import re
import sys

RESULT = re.compile(r"(?:^|\] )bench (\S+) (\S+) (\d+) ([\d.]+)\s*$")
COUNTS = (1, 16, 256, 4096)
VECTORS = (1, 16, 64, 256, 1024, 2048)
THREADS = (2, 4)
OWNERS = (0, 1, 4, 16)
LOCKS = ("sparse_irq_lock", "irq_domain.mutex")
FORMAT = "  {:<46} {:>12} {:>12} {:>8}  {}"


def read(directory, kernel):
    """The results of one kernel by (domain, what, parameter)."""
    results = {}
    # What is also measured while it is looked at is overridden by what is not
    for part in ("profile", "counted", "parallel", "contention-1", "contention-4", "guest"):
        with open(f"{directory}/{kernel}-{part}.log", errors="replace") as log:
            for line in log:
                match = RESULT.search(line)
                if match:
                    domain, what, parameter, value = match.groups()
                    results[domain, what, int(parameter)] = float(value)
    return results


class Table:
    """Rows as they are measured; None where a kernel has no such thing."""

    def __init__(self, base, series):
        self.base, self.series = base, series
        self.rows = []

    def title(self, text):
        self.rows.append({"title": text})

    def add(self, what, base, series, compared=None, at_most=None, at_least=None):
        """compared: what the goal is about, if not the ratio of the two"""
        if compared is None and base and series is not None:
            compared = series / base
        row = {"what": what, "base": base, "series": series, "ratio": compared}
        if at_most is not None:
            row.update(goal=f"<= {at_most:.2f}", met=compared <= at_most)
        if at_least is not None:
            row.update(goal=f">= {at_least:.2f}", met=compared >= at_least)
        self.rows.append(row)

    def call(self, text, domain, what, parameter=0, instead=None, **goal):
        """One call; instead: what the base has in its place"""
        base = self.base.get((domain, instead or what, parameter))
        self.add(text, base, self.series[domain, what, parameter], **goal)


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 20 else f"{value:.2f}"


def show(rows):
    print(FORMAT.format("", "base", "series", "ratio", "goal"))
    for row in rows:
        if "title" in row:
            print(row["title"])
            continue
        goal = ""
        if "goal" in row:
            goal = f"{row['goal']}  {'met' if row['met'] else 'missed'}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        print(FORMAT.format(row["what"], number(row["base"]),
                            number(row["series"]), ratio, goal).rstrip())


def growth(results, domain, what, low, high):
    return results[domain, what, high] / results[domain, what, low]


def doorbells(table, domain, name, goals):
    table.title(f"A doorbell in {name}: instructions a call")
    for n in COUNTS:
        table.call(f"get, {n:,} mapped (base: prepare)", domain, "get", n,
                   "prepare")
    series = growth(table.series, domain, "get", 1, 4096)
    table.add("get, 4,096 mapped against 1",
              growth(table.base, domain, "prepare", 1, 4096), series, series,
              **({"at_most": 1.5} if goals else {}))
    for n in (1, 4096):
        table.call(f"put, not the last, {n:,} mapped", domain, "put", n)
    for n in COUNTS:
        goal = {"at_most": 1.3} if n == 1 and goals else {}
        table.call(f"an irqchip's prepare, {n:,} mapped", domain, "prepare", n,
                   **goal)
    for n in (1, 4096):
        table.call(f"a descriptor's release, {n:,} mapped", domain, "release", n)
    table.call("get, a new one", domain, "new", 16)
    table.call("put, the last", domain, "last", 16)
    table.call("floor: iommu_map + iommu_unmap", domain, "floor")
    floor = table.series[domain, "floor", 0]
    for n in (0, 1, 256):
        value = table.series[domain, "cycle", n]
        goal = {"at_most": 1.5} if n == 0 and goals else {}
        table.add(f"new + last put beside {n}, against the floor", None, value,
                  value / floor, **goal)


def replacement(table):
    table.title("A domain is replaced: instructions")
    for n in VECTORS[0], VECTORS[-1]:
        table.call(f"under {n:,} vectors of one doorbell", "smmuv3", "replace", n)
    each = [growth(r, "smmuv3", "replace", VECTORS[0], VECTORS[-1])
            for r in (table.base, table.series)]
    table.add("under 2,048 vectors against one", *each, each[1], at_most=1.05)
    table.title("A vector of a kernel driver: instructions")
    table.call("an irqchip's prepare, the DMA layer's domain", "dma", "prepare", 1,
               at_most=1.05)


def messages(table):
    table.title("A message: instructions")
    table.call("compose, translated", "smmuv3", "compose", 1, at_most=1.0)
    table.call("compose, no IOMMU", "smmuv3", "compose", 0, at_most=1.0)
    table.call("iommu_msi_domain (base: the device's domain)", "smmuv3", "domain")


def vectors(table):
    table.title("VFIO_DEVICE_SET_IRQS, MSI-X: instructions a vector")
    for what in ("enable", "disable"):
        for n in VECTORS:
            goal = {}
            if n == 2048:
                goal["at_most"] = 0.5 if what == "enable" else 0.83
            table.add(f"{what} {n:,}", table.base["vfio", what, n] / n,
                      table.series["vfio", what, n] / n, **goal)
    each = [growth(r, "vfio", "enable", 16, 2048) / 128
            for r in (table.base, table.series)]
    table.add("enable a vector, of 2,048 against of 16", *each, each[1],
              at_most=1.3)


def guest(table):
    table.title("The demo's KVM guest: microseconds, which vary by a tenth with what"
                "\nQEMU waits for")
    table.call("from its start to its device's first interrupt", "guest",
               "first-interrupt")


def memory(table):
    table.title("Memory: bytes")
    table.call("a domain without an MSI window", "memory", "domain")
    table.call("its window, no doorbell", "memory", "window")
    table.call("a doorbell", "memory", "doorbell")
    table.call("a vector's descriptor", "memory", "descriptor")
    table.call("a vector through VFIO, all told", "memory", "vector")


def parallel(table, processors):
    table.title("Many CPUs, each with a device in a container of its own: rate"
                f" against one,\nas a part of what {processors} processors give"
                " where nothing is shared, for as many CPUs\n(VFIO reaches"
                " devices, for which QEMU has one lock)")
    for domain, what, text in (("parallel", "prepare", "an irqchip's prepare"),
                               ("vfio-parallel", "vfio", "VFIO enable + disable")):
        for n in THREADS:
            rates = [n * growth(r, domain, what, 1, n) / growth(r, domain, "floor", 1, n)
                     for r in (table.base, table.series)]
            goal = {"at_least": 2.5} if n == 4 else {}
            table.add(f"{text}, {n} CPUs", *rates, rates[1], **goal)
    table.title("Locks of the irq core that all devices share: the part of VFIO's enable +"
                " disable\nof 2,048 vectors in which one process holds them; and what rate"
                " of many\nagainst one that leaves at most")
    held = [[r["held", lock, 0] / 1000 for lock in LOCKS] for r in (table.base, table.series)]
    for lock, *parts in zip(LOCKS, *held):
        table.add(lock, *parts)
    bounds = [1 / max(parts) for parts in held]
    table.add("VFIO enable + disable, any number of CPUs", *bounds, bounds[1])


def contention(table):
    table.title("A driver of the kernel's own allocates and frees vectors, beside owners who"
                "\nenable and disable theirs through VFIO: a vector (with 4 CPUs it may be"
                " several\ntimes as much in another run: one that holds a lock waits for its"
                " turn)")
    for text, domain, what in (("one CPU: its own instructions", "driver-1", "own"),
                               ("one CPU: nanoseconds", "driver-1", "wall"),
                               ("4 CPUs: nanoseconds", "driver-4", "wall")):
        for n in OWNERS:
            table.call(f"{n} owners, {text}", domain, what, n)


def plot_data(directory, base, series):
    with open(f"{directory}/vectors.dat", "w") as data:
        for n in VECTORS:
            data.write(" ".join(str(r["vfio", what, n] / n) for r in (base, series)
                                for what in ("enable", "disable")).join((f"{n} ", "\n")))
    with open(f"{directory}/doorbells.dat", "w") as data:
        for n in COUNTS:
            data.write(f"{n} {base['smmuv3', 'prepare', n]}"
                       f" {series['smmuv3', 'get', n]}"
                       f" {series['smmuv3', 'prepare', n]}\n")


def raw(results):
    return {" ".join(map(str, key)): value for key, value in sorted(results.items())}


def main(directory, processors):
    base, series = (read(directory, kernel) for kernel in ("base", "series"))
    table = Table(base, series)
    doorbells(table, "smmuv3", "a domain of the SMMUv3", True)
    doorbells(table, "mock", "a domain that maps nothing", False)
    replacement(table)
    messages(table)
    vectors(table)
    guest(table)
    memory(table)
    parallel(table, processors)
    contention(table)
    show(table.rows)
    plot_data(directory, base, series)
    with open(f"{directory}/bench.json", "w") as file:
        json.dump({"processors": processors,
                   "rows": [r for r in table.rows if "what" in r],
                   "base": raw(base), "series": raw(series)}, file, indent=1)
        file.write("\n")


try:
    main(sys.argv[1], int(sys.argv[2]))
except KeyError as missing:
    sys.exit(f"report.py: no result for {missing}")
