"""The command `outbox`. Exit codes: 0 success; 1 failure; 2 usage or configuration error; 3 work remains."""

from __future__ import annotations

import sys

import psycopg
import typer

from dispatcher.cli import (
    backfill,
    dead,
    demo,
    destination,
    dispatch,
    doctor,
    erase,
    migrate,
    person,
    preview,
    rebuild,
    report,
    sandbox,
    serve,
)
from dispatcher.config import ConfigError
from dispatcher.config.settings import SettingsError
from dispatcher.database.embedded_postgres import EmbeddedError
from dispatcher.database.migrations import SchemaVersionError
from dispatcher.telemetry import logs

EXIT_CODES = "Exit codes: 0 success; 1 failure; 2 usage or configuration error; 3 work remains."

app = typer.Typer(
    name="outbox",
    help="Deliver the conversions that a CRM records in its own transactions to advertising and analytics destinations.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a pretty traceback shows local variables, which may contain secrets
)
for command in (
    migrate,
    dispatch,
    backfill,
    person,
    erase,
    rebuild,
    serve,
    preview,
    dead,
    destination,
    doctor,
    report,
    sandbox,
    demo,
):
    command.add_to(app)


def main() -> None:
    """Run the command. An error that an operator can fix is printed as a sentence, not as a traceback."""
    logs.configure()
    try:
        app()
    except ConfigError as error:
        _fail(str(error), 2)
    except SettingsError as error:
        _fail(f"invalid setting: {error}", 2)
    except (EmbeddedError, SchemaVersionError) as error:
        _fail(str(error), 1)
    except psycopg.errors.InsufficientPrivilege:
        _fail("this database user lacks the necessary rights; GRANT outbox_dispatcher TO it", 1)
    except psycopg.OperationalError as error:
        _fail(f"the database does not answer ({type(error).__name__}); check OUTBOX_DATABASE_URL", 1)


def _fail(message: str, code: int) -> None:
    typer.echo(f"outbox: {message}", err=True)
    sys.exit(code)
