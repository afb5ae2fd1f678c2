"""kex.8-8 and kex.8-9: no link secret in logs, in tracebacks, or in the process list once it has been read."""

import io
import json
import logging
import subprocess
import sys
import threading
import time
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest

from e2ecall.cli import scrub
from e2ecall.cli.scrub import Arguments, ScrubFilter, scrub_logging, scrub_process_arguments, scrub_tracebacks
from e2ecall.handshake import LinkSecret
from e2ecall.handshake.link import redact
from support.parties import link_secret

LINK = link_secret().link("https://call.example")
FRAGMENT = link_secret().fragment
WORDS = link_secret().words()
FRENCH = link_secret(20).words("fr")

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/mem is Linux's")

CHILD = """
import sys
from e2ecall.cli.scrub import scrub_process_arguments
print("ready", flush=True); sys.stdin.readline()
print(scrub_process_arguments(), flush=True); sys.stdin.readline()
print(scrub_process_arguments(), flush=True); sys.stdin.readline()
print(repr(sys.argv), flush=True)
"""


class Child:
    """A process with arguments, stopped before and after it scrubs them; its command line as others see it."""

    def __init__(self, *arguments):
        command = [sys.executable, "-c", CHILD, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        assert self.read() == "ready"
        return self

    def __exit__(self, *exc):
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def read(self):
        return self.process.stdout.readline().rstrip("\n")

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    @property
    def shown(self):
        data = Path(f"/proc/{self.process.pid}/cmdline").read_bytes()
        return data.decode().split("\0")[3:-1]


@linux_only
@pytest.mark.clause("kex.8-9")
def test_a_link_disappears_from_the_process_list():
    with Child("answer", LINK, f"--link={LINK}", "é", "x") as child:
        assert child.shown == ["answer", LINK, f"--link={LINK}", "é", "x"]
        assert child.go_on() == "scrubbed"
        starred = LINK.replace(FRAGMENT, "*" * 22)
        assert child.shown == ["answer", starred, f"--link={starred}", "é", "x"]
        assert child.go_on() == "clean"  # a second time there is nothing left
        assert child.shown[1] == starred
        assert LINK in child.go_on()  # its own copy of the arguments works still


@linux_only
@pytest.mark.clause("kex.8-9")
@pytest.mark.parametrize("words", [WORDS, FRENCH], ids=["en", "fr"])
@pytest.mark.parametrize("joined", [True, False], ids=["one argument", "twelve arguments"])
def test_words_disappear_from_the_process_list(words, joined):
    arguments = [" ".join(words)] if joined else list(words)
    with Child("-é", *arguments, "--qq", "é") as child:
        assert child.shown == ["-é", *arguments, "--qq", "é"]
        assert child.go_on() == "scrubbed"
        assert child.shown[0] == "-é"
        assert child.shown[-2:] == ["--qq", "é"]
        assert {char for argument in child.shown[1:-2] for char in argument} == {"*"}
        assert len(child.shown) == len(arguments) + 3
        child.go_on()


@linux_only
@pytest.mark.clause("kex.8-9")
def test_without_a_secret_nothing_is_touched():
    with Child("demo", "#12", "https://call.example/docs#limits") as child:
        before = child.shown
        assert child.go_on() == "clean"
        assert child.shown == before
        child.go_on()


@pytest.mark.clause("kex.8-9")
@pytest.mark.parametrize("secret", [True, False])
@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError, ValueError])
def test_where_the_memory_cannot_be_found_it_says_so(monkeypatch, secret, error):
    def nowhere():
        raise error

    monkeypatch.setattr(scrub, "_argument_memory", nowhere)
    monkeypatch.setattr(sys, "orig_argv", ["python", LINK if secret else "demo"])
    assert scrub_process_arguments() is (Arguments.STILL_THERE if secret else Arguments.CLEAN)


@linux_only
@pytest.mark.clause("kex.8-9")
def test_memory_that_is_not_as_expected_is_left_alone(monkeypatch):
    written = []
    start, memory = scrub._argument_memory()
    assert memory == Path("/proc/self/cmdline").read_bytes()
    other = LINK.encode() + memory[len(LINK) :]
    monkeypatch.setattr(scrub.os, "pwrite", lambda *args: written.append(args))
    monkeypatch.setattr(scrub, "_argument_memory", lambda: (start, other))
    assert scrub_process_arguments() is Arguments.STILL_THERE
    monkeypatch.setattr(scrub, "_argument_memory", lambda: (1, other))  # nothing is mapped there
    assert scrub_process_arguments() is Arguments.STILL_THERE
    assert written == []


@linux_only
def test_a_layout_of_another_length_is_refused(monkeypatch):
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: original(self) + (b"x" if self.name == "cmdline" else b""))
    with pytest.raises(ValueError, match="not where the kernel says"):
        scrub._argument_memory()


# -- logs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def log():
    """A logger of its own with a child, and what its handler wrote."""
    logger = logging.getLogger("e2ecall.tests.scrub")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    scrub_logging(logger)
    yield logger.getChild("child"), stream
    logger.removeHandler(handler)


@pytest.mark.clause("kex.8-8")
def test_message_and_arguments(log):
    logger, stream = log
    logger.info("joining " + LINK)
    logger.info("joining %s, %d", LINK, 7)
    logger.info("joining %(link)s", {"link": [LINK]})
    logger.info("words %s", WORDS)
    logger.info(ValueError(LINK))
    logger.info("100%")
    plain = LINK.replace(FRAGMENT, "…")
    assert stream.getvalue().splitlines() == [
        f"INFO joining {plain}",
        f"INFO joining {plain}, 7",
        f"INFO joining ['{plain}']",
        "INFO words ('#…')",
        f"INFO {plain}",
        "INFO 100%",
    ]


@pytest.mark.clause("kex.8-8")
def test_a_message_that_does_not_fit_its_arguments(log):
    logger, stream = log
    logger.info("joining %d", LINK)
    logger.info("joining %s %s", LINK)
    assert FRAGMENT not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 2


@pytest.mark.clause("kex.8-8")
def test_exceptions_with_their_causes_and_stacks(log):
    logger, stream = log
    try:
        try:
            raise ValueError(LINK)
        except ValueError as error:
            raise RuntimeError(" ".join(WORDS)) from error
    except RuntimeError:
        logger.exception("failed", stack_info=True)
    text = stream.getvalue()
    assert FRAGMENT not in text
    assert not [word for word in WORDS if f" {word} " in text]
    assert "ValueError: https://call.example" in text
    assert "RuntimeError: #…" in text
    assert "Stack (most recent call last)" in text
    assert text.count("Traceback") == 2


@pytest.mark.clause("kex.8-8")
def test_records_keep_nothing_for_a_handler_that_formats_by_itself():
    try:
        raise ValueError(LINK)
    except ValueError:
        made = sys.exc_info()
    record = logging.LogRecord("a", logging.INFO, LINK, 1, "x %s", (LINK,), made, "f", LINK)
    record.link = LINK
    record.exc_text = None
    assert ScrubFilter().filter(record) is True
    assert FRAGMENT not in repr(vars(record))
    assert record.exc_info is None
    assert "ValueError: https://call.example" in record.exc_text
    assert record.args is None


def test_filters_are_added_once_and_to_the_last_resort():
    logger = logging.Logger("x")
    handlers = [logging.NullHandler(), logging.NullHandler()]
    for handler in handlers:
        logger.addHandler(handler)
    scrub_logging(logger)
    scrub_logging(logger)
    for handler in (*handlers, logging.lastResort):
        assert len([each for each in handler.filters if isinstance(each, ScrubFilter)]) == 1


def test_without_a_last_resort(monkeypatch):
    monkeypatch.setattr(logging, "lastResort", None)
    scrub_logging(logging.Logger("x"))


# -- tracebacks ---------------------------------------------------------------------------------------------------


@pytest.fixture
def hooks(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    scrub_tracebacks()


@pytest.mark.clause("kex.8-8")
def test_what_ends_the_process(hooks, capsys, monkeypatch):
    try:
        raise ValueError(LINK)
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
        written = capsys.readouterr().err
        monkeypatch.setattr(sys, "stderr", None)
        sys.excepthook(ValueError, error, error.__traceback__)
    assert "Traceback" in written
    assert f"ValueError: {LINK.replace(FRAGMENT, '…')}" in written
    assert FRAGMENT not in written


@pytest.mark.clause("kex.8-8")
def test_what_ends_a_thread(hooks, capsys):
    def fail(kind):
        raise kind(LINK)

    for kind in (ValueError, SystemExit):
        thread = threading.Thread(target=fail, args=(kind,))
        thread.start()
        thread.join()
    written = capsys.readouterr().err
    assert written.count("Traceback") == 1
    assert "ValueError: https" in written
    assert FRAGMENT not in written


@pytest.mark.clause("kex.8-8")
def test_a_whole_process_that_fails():
    code = (
        "import sys; from e2ecall.cli.scrub import scrub_tracebacks; scrub_tracebacks(); raise ValueError(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, LINK], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "ValueError: https://call.example" in done.stderr
    assert FRAGMENT not in done.stderr


def test_the_link_of_these_tests_is_one():
    assert LinkSecret.parse(LINK) == link_secret()


@pytest.mark.clause("kex.8-8")
@pytest.mark.parametrize("mark", ["#", "%23", "%2523", "%252523", "\\u0023", "\\\\u0023", "\\x23"])
def test_a_mark_in_another_writing_hides_no_secret(mark):
    for text in (LINK.replace("#", mark), f"fragment {mark}{FRAGMENT}"):
        assert FRAGMENT not in redact(text)
        assert FRAGMENT[:-4] not in redact(json.dumps({"url": text}))
    address = quote(quote(LINK, safe=""), safe="")
    assert FRAGMENT not in redact(f"redirect to {address}")


@pytest.mark.clause("kex.8-8")
@pytest.mark.parametrize("seed", range(30))
def test_french_words_in_json_in_bytes_and_in_an_address_are_taken_out(seed):
    words = link_secret(seed).words("fr")
    text = " ".join(words)
    writings = {
        json.dumps(words): json.dumps,
        json.dumps(json.dumps({"words": text})): lambda word: json.dumps(json.dumps(word)),
        repr(text.encode()): lambda word: repr(word.encode()),
        quote(text): quote,
        quote(unicodedata.normalize("NFD", text)): lambda word: quote(unicodedata.normalize("NFD", word)),
    }
    for writing, spelled in writings.items():
        left = redact(writing)
        shown = [word for word in words if spelled(word).strip("\"'\\b") in left]
        assert shown == []
        assert len(left) < len(writing) / 2


@pytest.mark.clause("kex.8-8")
@pytest.mark.parametrize("part", ["\\", "%25", "\\u00", "%c3", "%c3%a9", "\\\\x", "#", "abandon "])
def test_redacting_takes_a_time_in_proportion(part):
    started = time.perf_counter()
    redact(part * (100_000 // len(part)))
    assert time.perf_counter() - started < 5
