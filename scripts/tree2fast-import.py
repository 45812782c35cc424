#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: tree2fast-import.py <committer> <message> < <tar>

Writes the kernel source in a tar archive, whose files are below one directory,
as one commit on refs/import for `git fast-import`. The date is that of the
Makefile, and {} in the message its version: the same commit on each machine.
"""
import re
import sys
import tarfile


def entries(archive):
    """(path below the first directory, mode, content, time) of files and links"""
    for member in archive:
        path = member.name.removeprefix("./").partition("/")[2]
        if member.issym():
            yield path, "120000", member.linkname.encode(), member.mtime
        elif member.isreg():
            mode = "100755" if member.mode & 0o100 else "100644"
            yield path, mode, archive.extractfile(member).read(), member.mtime
        elif not member.isdir():
            sys.exit("%s: neither a file nor a link" % member.name)


def without_catch_all(content):
    """Debian's last lines ignore the whole tree: a new file would go unseen."""
    return b"".join(line for line in content.splitlines(keepends=True)
                    if line.rstrip(b"\n") not in (b"/*", b"!/debian/"))


def version(makefile):
    """VERSION.PATCHLEVEL.SUBLEVEL"""
    return ".".join(re.search(r"(?m)^%s = *(\d+)$" % name, makefile).group(1)
                    for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))


def main(committer, message):
    out = sys.stdout.buffer
    files = []
    release = date = None
    out.write(b"feature done\n")
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|", bufsize=1 << 20) as archive:
        for path, mode, content, time in entries(archive):
            if path == ".gitignore":
                content = without_catch_all(content)
            elif path == "Makefile":
                release, date = version(content.decode()), time
            files.append((mode, path))
            out.write(b"blob\nmark :%d\ndata %d\n" % (len(files), len(content)))
            out.write(content)
            out.write(b"\n")
    if not release:
        sys.exit("no Makefile: not a kernel source")
    data = message.format(release).encode() + b"\n"
    out.write(b"commit refs/import\ncommitter %s %d +0000\ndata %d\n%s\n" %
              (committer.encode(), date, len(data), data))
    for number, (mode, path) in enumerate(files, 1):
        out.write(b"M %s :%d %s\n" % (mode.encode(), number, path.encode()))
    out.write(b"done\n")


main(*sys.argv[1:])
