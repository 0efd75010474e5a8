"""The commands of `python -m bot`. An expected failure is one line on stderr and exit code 1."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bot.errors import BotError
from bot.settings import Settings, read_settings
from store.errors import StoreError

app = typer.Typer(
    name="bot",
    help="Feelback's Telegram bot. Without a command it runs.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, the token among them
)
database_commands = typer.Typer(help="The database's schema.", no_args_is_help=True)
app.add_typer(database_commands, name="db")


def main() -> None:
    """Run the command line."""
    # Durations as timedelta, before python-telegram-bot meets the first one.
    os.environ.setdefault("PTB_TIMEDELTA", "1")
    app()


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """Run the bot unless another command is given."""
    if context.invoked_subcommand is None:
        run()


@app.command()
def run() -> None:
    """Run the bot until SIGTERM or SIGINT; what is in hand is finished first."""
    with _one_line_errors():
        settings = read_settings()
        settings.make_folders()
        _log(settings)
        asyncio.run(_run(settings))


@app.command()
def check() -> None:
    """Check settings, database, model version and token, then exit."""
    with _one_line_errors():
        settings = read_settings()
        settings.make_folders()
        _log(settings)
        for line in asyncio.run(_check(settings)):
            typer.echo(line)


@app.command()
def health() -> None:
    """Exit with 0 if the running bot heard from Telegram lately; needs no token and no torch."""
    from bot.health import check_alive
    from bot.settings import read_heartbeat

    with _one_line_errors():
        age = check_alive(read_heartbeat())
        typer.echo(f"alive {age:.0f} s ago")


@database_commands.command()
def upgrade() -> None:
    """Bring the database to this program's revision; a SQLite file is made if it is missing."""
    from bot.settings import read_database_url
    from migrations import commands

    with _one_line_errors():
        url = read_database_url()
        commands.upgrade(url)
        typer.echo(f"The database is at revision {commands.current(url)}.")


@database_commands.command()
def current() -> None:
    """Show at which revision the database is, and which one this program needs."""
    from bot.settings import read_database_url
    from migrations import commands

    with _one_line_errors():
        found = commands.current(read_database_url())
        typer.echo(f"{found or 'empty'} (this program needs {commands.head()})")


async def _run(settings: Settings) -> None:
    from bot.application import open_services, serve
    from bot.stopping import Stopping

    stopping = Stopping()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.request)
    async with open_services(settings) as (services, watcher):
        await serve(services, stopping, watcher=watcher)


async def _check(settings: Settings) -> list[str]:
    from bot.application import check_token, open_services

    async with open_services(settings) as (services, _watcher):
        username = await check_token(settings)
        return [
            f"database  {services.database.name}",
            f"model     {services.recognizer.version}",
            f"bot       @{username}",
        ]


def _log(settings: Settings) -> None:
    from bot.logs import configure

    configure(log_format=settings.log_format, level=settings.log_level, secrets=settings.secrets)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (BotError, StoreError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        raise typer.Exit(1) from None
