#!/usr/bin/env python3
"""Write a page with its style sheet and its script in it.

usage: bundle.py OUTPUT.html VERSION PAGE.html PAGE.css PAGE.js

In PAGE.html {style}, {script} and {version} stand for what belongs there, and {script-hash} for what
a Content-Security-Policy must name so that this script runs, and no other.
"""
import base64
import hashlib
import pathlib
import sys


def main():
    output, version, *paths = sys.argv[1:]
    page, style, script = (pathlib.Path(path).read_text() for path in paths)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    for name, text in (("version", version), ("script-hash", "sha256-" + digest),
                       ("style", style), ("script", script)):
        assert "{%s}" % name in page, "%s has no {%s}" % (paths[0], name)
        page = page.replace("{%s}" % name, text)
    pathlib.Path(output).write_text(page)


main()
