"""The pages against the code: every link leads somewhere, every table is what the code has, and the manner is kept."""

import dataclasses
import json
import re
import runpy
import tomllib
from xml.etree import ElementTree

import click
import pytest

from e2ecall import errors
from e2ecall.conformance.peer import Peer
from e2ecall.errors import E2ECallError, ExitStatus, FrameReason, exit_status
from e2ecall.media import events
from support.pages import DOCS, PAGES, ROOT, anchors, fences, links, section, tables


def page(name):
    return (ROOT / name).read_text("utf-8")


def column(text, at=0):
    """One column of all tables of a text, without backticks."""
    return [row[at].replace("`", "") for table in tables(text) for row in table]


# ---------------------------------------------------------------------------------------------------------- what exists


def test_every_relative_link_leads_somewhere():
    checked = 0
    for path in PAGES:
        for target in links(path.read_text("utf-8")):
            file, _, anchor = target.partition("#")
            to = (path.parent / file).resolve() if file else path
            where = f"{path.relative_to(ROOT)} -> {target}"
            assert to.is_relative_to(ROOT), where
            assert to.exists(), where
            if anchor:
                assert anchor in anchors(to.read_text("utf-8")), where
            checked += 1
    assert checked > 60


def test_every_page_is_in_the_contents():
    listed = set()
    for fence in fences(page("docs/index.md")):
        if fence.language == "{toctree}":
            listed |= {line for line in fence.text.splitlines() if line and not line.startswith(":")}
    assert listed == {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")} - {"index"}


def test_the_configuration_of_the_site_loads():
    configuration = runpy.run_path(str(DOCS / "conf.py"))
    assert configuration["html_theme"] == "furo"
    assert configuration["extensions"] == ["myst_parser"]


def test_every_make_target_that_a_page_names_exists():
    targets = set(re.findall(r"^([a-z][a-z.-]*):", page("Makefile"), re.MULTILINE))
    named = {
        name
        for path in PAGES
        for name in re.findall(r"(?:^|`)make ([a-z-]+(?:\.zip)?)", path.read_text(), re.MULTILINE)
    }
    assert {"demo", "test", "check", "setup"} <= named <= targets


def test_every_extra_that_a_page_names_exists():
    extras = set(tomllib.loads(page("pyproject.toml"))["project"]["optional-dependencies"])
    named = {name for path in PAGES for name in re.findall(r"pip install '[^']*\[(\w+)\]'", path.read_text("utf-8"))}
    assert named
    assert named <= extras


def test_every_variable_of_the_environment_is_documented():
    sources = [*ROOT.glob("e2ecall/**/*.py"), *ROOT.glob("tests/**/*.py"), ROOT / "Makefile"]
    used = {name for path in sources for name in re.findall(r"\bE2ECALL_[A-Z_]+\b", path.read_text("utf-8"))}
    variables = section(page("docs/reference/cli.md"), "Environment")
    assert used == {name for name in column(variables) if name.startswith("E2ECALL_")}


def test_every_vector_file_is_listed_and_the_licence_is_cc0():
    files = {path.relative_to(ROOT / "vectors").as_posix() for path in ROOT.glob("vectors/*/*.json")}
    files = {name for name in files if not name.startswith("schema/")}
    assert set(re.findall(r"\]\(([\w/-]+\.json)\)", page("vectors/README.md"))) == files
    for name in files:
        assert json.loads(page(f"vectors/{name}"))["licence"] == "CC0-1.0"
    licence = page("vectors/LICENSE")
    assert "CC0 1.0 Universal" in licence
    assert [n for n in range(1, 5) if re.search(rf"^{n}\. ", licence, re.MULTILINE)] == [1, 2, 3, 4]


# ---------------------------------------------------------------------------------------------- tables against the code


def options_of(command):
    """{name: (allowed values or None, default where help shows it)} of a command's options."""
    found = {}
    for option in command.params:
        if isinstance(option, click.Option):
            choices = set(option.type.choices) if isinstance(option.type, click.Choice) else None
            default = f"{option.default:g}" if isinstance(option.default, int | float) else option.default
            found[option.opts[0]] = choices, default if option.show_default else None
    return found


def documented_options(text, command):
    shown = options_of(command)
    found = {}
    for row in (row for table in tables(text) for row in table if row[0].startswith("`--")):
        name, _, value = row[0].strip("`").partition(" ")
        default = row[2] if shown.get(name, (None, None))[1] is not None else None
        found[name] = set(value.split("|")) if value.islower() else None, default
    return found


def test_every_command_and_option_is_documented():
    from e2ecall.cli.main import cli

    text = page("docs/reference/cli.md")
    commands = {
        f"e2ecall {name} {sub}".strip(): command
        for name, group in cli.commands.items()
        for sub, command in (group.commands.items() if isinstance(group, click.Group) else [("", group)])
    }
    headings = set(re.findall(r"^## `(e2ecall [^`]+)`$", text, re.MULTILINE))
    assert headings == set(commands)
    for name, command in commands.items():
        if name != "e2ecall spec tables":  # says: the same option
            assert documented_options(section(text, f"`{name}`"), command) == options_of(command), name
    demo = commands["e2ecall demo"]
    assert documented_options(section(page("README.md"), "The demonstration"), demo) == options_of(demo)
    assert len(options_of(demo)) >= 9


@pytest.mark.parametrize(
    ("name", "heading"), [("README.md", "The demonstration"), ("docs/reference/cli.md", "Exit statuses")]
)
def test_every_exit_status_is_documented(name, heading):
    assert [int(cell) for cell in column(section(page(name), heading)) if cell.isdigit()] == list(ExitStatus)


def test_every_error_is_documented_with_its_exit_status():
    text = page("docs/reference/errors.md")
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and kind in subclasses()}
    (table, attributes, reasons, mismatches) = tables(text)
    documented = {row[0].strip("`"): row[2] for row in table}
    assert documented.keys() == kinds.keys() | {"E2ECallError"}
    for name, kind in kinds.items():
        error = kind(FrameReason.REPLAY) if name == "FrameRejected" else kind("it happened")
        assert documented[name] == str(int(exit_status(error))), name
    named = {name for row in attributes for name in re.findall(r"`(\w+)`", row[0])}
    assert named == {"message"} | set(errors.Where.__annotations__)
    assert all(getattr(E2ECallError("it happened"), name) is None for name in named - {"message"})
    assert [row[0].strip("`") for row in reasons] == [reason.value for reason in FrameReason]
    assert [row[0].strip("`") for row in mismatches] == [mismatch.value for mismatch in errors.StreamMismatch]


def subclasses():
    return set(E2ECallError.__subclasses__())


def test_every_event_is_documented_with_its_fields():
    text = page("docs/reference/frame-events.md")
    common = {field.name for field in dataclasses.fields(events.StreamEvent)}
    documented = {row[0].strip("`"): set(re.findall(r"\w+", row[2])) for row in tables(text)[0]}
    expected = {
        kind.__name__: {field.name for field in dataclasses.fields(kind)} - common
        for kind in events.StreamEvent.__subclasses__()
    }
    assert documented == expected
    assert {name for row in tables(text)[1] for name in re.findall(r"`(\w+)`", row[0])} == common


@pytest.mark.parametrize(
    ("heading", "kind"), [("`StreamUnreadable.cause`", events.Cause), ("`StreamStopped.reason`", events.StopReason)]
)
def test_every_cause_and_reason_is_documented(heading, kind):
    rows = tables(section(page("docs/reference/frame-events.md"), heading))[0]
    assert {row[0].strip("`"): row[1] for row in rows} == {each.name: each.value for each in kind}


def test_no_picture_has_every_cause_and_every_reason():
    causes, reasons = tables(page("docs/how-to/debug-no-picture.md"))
    assert [row[0] for row in causes] == [cause.value for cause in events.Cause]
    assert [row[0] for row in reasons] == [reason.value for reason in FrameReason]


def test_every_operation_of_the_peer_is_documented():
    operations = Peer("any").answer('{"id": 1, "op": "hello"}')["ok"]["ops"]
    named = [
        name for row in tables(page("docs/how-to/conformance-peer.md"))[0] for name in re.findall("`(.+?)`", row[0])
    ]
    assert sorted(named) == operations


# ----------------------------------------------------------------------------------------------------- shape and manner


def test_the_readme_opens_with_the_two_commands_and_one_picture():
    text = page("README.md")
    first = next(iter(fences(text)))
    assert first.text == (
        "git clone … && cd e2ecall\n"
        "make demo        # sets everything up (own .venv), then holds a real call on this machine\n"
        "make test        # sets everything up, runs the tests\n"
    )
    assert re.findall(r"!\[[^]]+\]\(([^)]+)\)", text) == ["docs/pictures/call.svg"]
    headings = re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    assert headings[:6] == [
        "What it is, and what it is not",
        "I want to …",
        "talk",
        "encrypt my app",
        "encrypt frames only",
        "audit",
    ]


def test_the_picture_stands_alone():
    text = page("docs/pictures/call.svg")
    root = ElementTree.fromstring(text)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert {"title", "desc"} <= names
    assert not names & {"script", "style", "image", "foreignObject", "font-face"}
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert all(value.startswith("#") for e in root.iter() for key, value in e.attrib.items() if key.endswith("href"))
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    background = next(e for e in root if e.tag.endswith("rect"))
    assert float(background.attrib["width"]) >= width - 2  # its own ground in light and dark themes
    assert float(background.attrib["height"]) >= height - 2
    sizes = [float(e.attrib["font-size"]) for e in root.iter() if "font-size" in e.attrib]
    assert min(sizes) * 360 / width >= 12  # pixels on a telephone


def test_decisions_are_short_and_numbered():
    paths = sorted((DOCS / "adr").glob("*.md"))
    assert len(paths) >= 10
    for number, path in enumerate(paths, 1):
        text = path.read_text("utf-8")
        assert text.startswith(f"# {number}. "), path.name
        assert path.name.startswith(f"{number:04}-")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert len(text.splitlines()) <= 25


def test_no_page_speaks_of_a_machine_or_an_issue():
    for path in PAGES:
        text = path.read_text("utf-8")
        assert not re.search(r"/(?:tmp|home|root)/|\bshared/|\bissue #?\d|\bTODO\b|\bFIXME\b", text), path.name
