"""Peers in other languages: each is built on the spot, runs as one process, and times its own batches.

A peer is started with four arguments: sframe_key and sframe_salt (hex), base_key (hex), KID. Then it answers requests:

    frame CTR HEX      the sealed frame of that plaintext under that counter, in hex
    seal SIZE COUNT    "CPU WALL": nanoseconds for COUNT frames of SIZE bytes, measured inside, counters from 65536 on
    open SIZE COUNT    the same for opening; they were sealed before the clock started

Before anything is timed, a Receiver of e2ecall opens a frame of each: what is measured is RFC 9605, suite 4.
What is built goes to `bench` in the virtual environment, and without one to a folder that is removed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from e2ecall.errors import FrameRejected
from e2ecall.secret import SecretBytes
from e2ecall.sframe import CipherSuite, Receiver, derive
from frames_peers.contestant import FIRST_CTR, KID, Operation, Skipped, Spent

HERE = Path(__file__).parent
SUITE = CipherSuite.AES_128_GCM_SHA256_128
REQUESTS = {Operation.PROTECT: "seal", Operation.UNPROTECT: "open"}
BUILD_SECONDS = 600


def _need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise Skipped(f"no `{program}` here")
    return found


def run(command: list[str], what: str) -> str:
    """The standard output of a build step, or Skipped with the first error that it names."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if done.returncode:
        said = re.search(r"error.*", done.stderr)  # without the path in front of it
        raise Skipped(f"{what} failed: {said[0] if said else 'no message'}")
    return done.stdout.strip()


def openssl(build: Path) -> tuple[str, list[str]]:
    """OpenSSL's EVP interface from C: as fast as the library of this system can be called."""
    compiler = _need(os.environ.get("CC", "cc"))
    flags = ["-lcrypto"]
    if shutil.which("pkg-config"):
        asked = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "libcrypto"], capture_output=True, text=True, check=False
        )
        flags = asked.stdout.split() or flags
    program = build / "openssl_evp"
    run([compiler, "-O2", "-o", str(program), str(HERE / "openssl_evp.c"), *flags], "cc")
    return f"OpenSSL {run([str(program), 'version'], 'openssl_evp')} EVP, from C", [str(program)]


def rust(build: Path) -> tuple[str, list[str]]:
    """The crate `sframe` of sframe-rs, on ring."""
    cargo = _need("cargo")
    shutil.copytree(HERE / "rust_sframe", build / "rust_sframe", dirs_exist_ok=True)
    manifest, target = build / "rust_sframe" / "Cargo.toml", build / "rust_sframe" / "target"
    command = [cargo, "build", "--release", "--quiet", "--manifest-path", str(manifest), "--target-dir", str(target)]
    run(command, "cargo build")
    version = tomllib.loads(manifest.read_text("utf-8"))["dependencies"]["sframe"].removeprefix("=")
    return f"Rust crate sframe {version}", [str(target / "release" / "rust-sframe")]


def webcrypto(build: Path) -> tuple[str, list[str]]:
    """WebCrypto under node, one await a frame."""
    node = _need("node")
    version = run([node, "--version"], "node").removeprefix("v")
    return f"WebCrypto, node {version}", [node, str(HERE / "webcrypto.mjs")]


BUILDERS: dict[str, tuple[Callable[[Path], tuple[str, list[str]]], float]] = {
    "openssl": (openssl, 1.0),
    "rust": (rust, 1.0),
    "webcrypto": (webcrypto, 0.05),
}


class ForeignPeer:
    """One process in another language, started once."""

    def __init__(self, name: str, title: str, command: list[str], share: float) -> None:
        self.name, self.title, self.share = name, title, share
        base_key = SecretBytes(os.urandom(16))
        key, salt = derive(SUITE, KID, base_key)
        arguments = [key.expose().hex(), salt.expose().hex(), base_key.expose().hex(), str(KID)]
        self._process = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._receiver = Receiver(SUITE)
        self._receiver.add_key(KID, base_key)

    def check(self) -> None:
        """AssertionError unless e2ecall opens what this one seals."""
        sealed = bytes.fromhex(self._ask(f"frame {FIRST_CTR - 1} {b'a frame'.hex()}"))
        try:
            opened = self._receiver.unprotect(sealed)
        except FrameRejected as rejected:
            raise AssertionError(f"{self.title} seals something else: {rejected}") from rejected
        if opened != (b"a frame", KID, FIRST_CTR - 1):
            raise AssertionError(f"{self.title} seals something else: {opened}")

    def _ask(self, request: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(request + "\n")
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.title} ended with status {self._process.wait()}")
        return answer.strip()

    def batch(self, operation: Operation, size: int, count: int) -> Spent:
        cpu, wall = self._ask(f"{REQUESTS[operation]} {size} {count}").split()
        return Spent(int(cpu), int(wall))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@contextmanager
def build_folder() -> Iterator[Path]:
    """Where peers are built: kept in the virtual environment, so that a second run builds nothing."""
    with ExitStack() as stack:
        if sys.prefix == sys.base_prefix:
            yield Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            folder = Path(sys.prefix) / "bench"
            folder.mkdir(exist_ok=True)
            yield folder


def start(name: str, folder: Path) -> ForeignPeer:
    """The peer of that name, or Skipped."""
    builder, share = BUILDERS[name]
    title, command = builder(folder)
    with ExitStack() as stack:
        peer = stack.enter_context(closing(ForeignPeer(name, title, command, share)))
        peer.check()
        stack.pop_all()
    return peer
