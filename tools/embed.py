#!/usr/bin/env python3
"""Write a C file that holds the given files as strings, in an array of this name.

usage: embed.py OUTPUT.c ARRAY FILE...
"""
import pathlib
import sys


def c_string(text):
    lines = text.replace("\\", "\\\\").replace('"', '\\"').split("\n")
    return "\n".join('        "%s\\n"' % line for line in lines)


def main():
    output, array, *paths = sys.argv[1:]
    entries = []
    for path in map(pathlib.Path, sorted(paths)):
        text = path.read_text().rstrip("\n")
        entries.append('    {"%s",\n%s},\n' % (path.name, c_string(text)))
    pathlib.Path(output).write_text(
        '/* Made by tools/embed.py. */\n#include "base/sources.h"\n\n'
        "const struct rt_source %s[] = {\n%s    {0, 0},\n};\n" % (array, "".join(entries))
    )


main()
