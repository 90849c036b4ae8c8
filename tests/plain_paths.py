#!/usr/bin/env python3
"""A command on the kernels' plain paths: some compilers have functions beyond OpenCL C that kernels use where
they find them.

usage: plain_paths.py KERNELS COMMAND...
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def main():
    kernels, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        plain = pathlib.Path(folder) / "cl"
        shutil.copytree(kernels, plain)
        taken = 0
        for path in plain.glob("*.cl"):
            text, count = re.subn(r"^#if __has_builtin\(\w+\)$", "#if 0", path.read_text(), flags=re.M)
            path.write_text(text)
            taken += count
        assert taken > 1, "no compiler's function was taken away"
        return subprocess.run(command, check=False,
                              env=dict(os.environ, RETORT_CL_DIR=str(plain))).returncode


if __name__ == "__main__":
    sys.exit(main())
