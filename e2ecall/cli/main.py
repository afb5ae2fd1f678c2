"""The `e2ecall` command and how its errors become exit statuses."""

from __future__ import annotations

import sys

import click

from e2ecall import __version__
from e2ecall.cli.conformance import conformance
from e2ecall.cli.contacts import contacts
from e2ecall.cli.demo import demo
from e2ecall.cli.identity import identity
from e2ecall.cli.ledger import ledger
from e2ecall.cli.scrub import Arguments, scrub_logging, scrub_process_arguments, scrub_tracebacks
from e2ecall.cli.spec import spec
from e2ecall.cli.telling import Misused, tell, tell_line
from e2ecall.errors import E2ECallError, ExitStatus, exit_status

__all__ = ["cli", "run"]

EPILOG = """\b
Exit status:
  0    done
  1    environment: files, ports, codecs
  2    usage
  3    the peer misbehaved or cannot be reached
  4    verification failed, or a key changed
  5    a self-check or conformance check failed
  130  interrupted
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="e2ecall")
def cli() -> None:
    """End-to-end encrypted calls that two people verify with four emoji.

    Not externally audited. Not for groups yet. Calls no Telegram users.
    """


cli.add_command(demo)
cli.add_command(identity)
cli.add_command(contacts)
cli.add_command(ledger)
cli.add_command(conformance)
cli.add_command(spec)


def run(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status. A link among the arguments is kept out of lists, logs and messages."""
    if arguments is None and scrub_process_arguments() is Arguments.STILL_THERE:
        sys.stderr.write("warning: other users of this machine can see the link in the list of processes\n")
    scrub_tracebacks()
    scrub_logging()
    try:
        result = cli.main(args=arguments, prog_name="e2ecall", standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.Abort:
        return ExitStatus.INTERRUPTED
    except Misused as error:
        tell_line(error.message, error.hint)
        return ExitStatus.USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        tell_line(error.format_message(), f"{context.command_path if context else 'e2ecall'} --help")
        return ExitStatus.USAGE
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        return ExitStatus.ENVIRONMENT
    except E2ECallError as error:
        tell(error)
        return exit_status(error)
    except OSError as error:  # our output has no place to go: a full disk, say
        tell_line(f"the output cannot be written: {error.strerror or error}", None)
        return ExitStatus.ENVIRONMENT
    return int(result) if isinstance(result, int) else ExitStatus.OK
