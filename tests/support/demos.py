"""`e2ecall demo` as a person starts it: run to its end, or watched while it runs."""

import json
import os
import subprocess
import sys
import time

SMALL = ("--size", "160x120", "--duration", "2")


def demo(tmp_path, *arguments, env=None, **kw):
    """Run `e2ecall demo` to its end; (exit status, report or None, standard output, standard error)."""
    done = subprocess.run(
        [sys.executable, "-m", "e2ecall", "demo", "--out", str(tmp_path / "out"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        env=os.environ | {"LANG": "C.UTF-8"} | (env or {}),
        cwd=tmp_path,
        **kw,
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    path = tmp_path / "out" / "report.json"
    return done.returncode, json.loads(path.read_text()) if path.exists() else None, done.stdout, done.stderr


def failed(report):
    return {check["id"]: check["detail"] for check in report["checks"] if not check["ok"]}


class Running:
    """A demo under way, its events read as they come."""

    def __init__(self, tmp_path, *arguments, **kw):
        self.out = tmp_path / "out"
        command = [sys.executable, "-m", "e2ecall", "demo", "--json", "--out", str(self.out), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
        self.pids = {}

    def until_connected(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if "pid" in event:
                self.pids[event["who"]] = event["pid"]
            if event["event"] == "stats" and event["decoded"]["audio"] > 5 and event["who"] == "bob":
                return
        raise AssertionError(self.process.stderr.read())

    def end(self):
        out, err = self.process.communicate(timeout=60)
        del out
        assert "Traceback" not in err
        report = json.loads((self.out / "report.json").read_text())
        return self.process.returncode, report, err

    def nobody_left(self):
        deadline = time.monotonic() + 10
        while any(alive(pid) for pid in self.pids.values()):
            assert time.monotonic() < deadline, self.pids
            time.sleep(0.1)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().split(")")[1].split()[0] != "Z"


LONG = ("--size", "160x120", "--duration", "30")
