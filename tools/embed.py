#!/usr/bin/env python3
"""Write a C file that holds the given .cl files as strings.

usage: embed.py OUTPUT.c FILE.cl...
"""
import pathlib
import sys


def c_string(text):
    lines = text.replace("\\", "\\\\").replace('"', '\\"').split("\n")
    return "\n".join('        "%s\\n"' % line for line in lines)


def main():
    output, *paths = sys.argv[1:]
    entries = []
    for path in map(pathlib.Path, sorted(paths)):
        text = path.read_text().rstrip("\n")
        entries.append('    {"%s",\n%s},\n' % (path.name, c_string(text)))
    pathlib.Path(output).write_text(
        '/* Made by tools/embed.py. */\n#include "device/sources.h"\n\n'
        "const struct rt_source rt_sources[] = {\n%s    {0, 0},\n};\n" % "".join(entries)
    )


main()
