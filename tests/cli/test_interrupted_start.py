"""Ctrl-C while the modules are loaded: no traceback, and the status that every shell knows."""

import subprocess
import sys

INTERRUPTED = """
import builtins
import runpy
load = builtins.__import__
def interrupted(name, *rest, **named):
    if name == "e2ecall.cli.main":
        raise KeyboardInterrupt
    return load(name, *rest, **named)
builtins.__import__ = interrupted
runpy.run_module("e2ecall", run_name="__main__")
"""


def test_interrupted_while_loading():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
