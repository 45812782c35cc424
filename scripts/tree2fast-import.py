#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: tree2fast-import.py <directory> <committer and date> <message>

Writes a directory as one commit on refs/import for `git fast-import`.
"""
import os
import sys


def entries(top):
    """(path, mode, content) of every file and link below top, but .git."""
    for directory, below, files in os.walk(top):
        if directory == top and ".git" in below:
            below.remove(".git")
        below.sort()
        links = [name for name in below if os.path.islink(os.path.join(directory, name))]
        for name in sorted(files + links):
            path = os.path.join(directory, name)
            if os.path.islink(path):
                yield path, "120000", os.fsencode(os.readlink(path))
            else:
                with open(path, "rb") as file:
                    content = file.read()
                executable = os.stat(path).st_mode & 0o100
                yield path, "100755" if executable else "100644", content


def main(top, committer, message):
    out = sys.stdout.buffer
    data = message.encode() + b"\n"
    out.write(b"feature done\ncommit refs/import\n")
    out.write(b"committer %s\ndata %d\n%s\n" % (committer.encode(), len(data), data))
    for path, mode, content in entries(top):
        name = os.fsencode(os.path.relpath(path, top))
        out.write(b"M %s inline %s\ndata %d\n" % (mode.encode(), name, len(content)))
        out.write(content)
        out.write(b"\n")
    out.write(b"done\n")


main(*sys.argv[1:])
