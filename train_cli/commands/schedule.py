"""`train_cli schedule`: retraining by the clock, until it is stopped."""

import asyncio
import faulthandler
import json
import logging
import os
import signal
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from store import schedules
from store.records import Schedule
from train_cli.commands.database import (
    DEFAULT_DATABASE,
    DEFAULT_MODELS,
    DatabaseUrl,
    ModelsFolder,
    ReplayFolder,
    Threads,
    run_to_end,
    use_threads,
)
from train_cli.commands.options import (
    Device,
    Json,
    RuntimeName,
    Seed,
    messages,
    print_line,
    results,
    runtime_named,
    torch_device,
)
from train_cli.errors import RunStuck
from train_cli.heartbeat import Heartbeat
from train_cli.registry import LEASE_DURATION, opened, short, this_process
from train_cli.retraining import RetrainSettings
from train_cli.scheduling import (
    MISFIRE_GRACE,
    STOP_GRACE,
    FiringRules,
    cron_trigger,
    fire,
    keep_schedule,
    zone_named,
)

STUCK: Final = 70
"""Exit code after a retrain that did not stop; the machine should start the program again."""

_MISFIRE_GRACE_S: Final = int(MISFIRE_GRACE.total_seconds())
_STOP_GRACE_S: Final = int(STOP_GRACE.total_seconds())
_LEASE_S: Final = int(LEASE_DURATION.total_seconds())


def schedule_command(
    cron: Annotated[
        str,
        typer.Option(help="Five fields: minute, hour, day, month, weekday; as in crontab(5)."),
    ] = "0 3 * * *",
    timezone: Annotated[
        str | None, typer.Option(help="Of the five fields; this machine's by default.")
    ] = None,
    jitter: Annotated[
        int,
        typer.Option(
            help="Fire up to so many seconds later, drawn anew each time.", metavar="SECONDS", min=0
        ),
    ] = 0,
    misfire_grace: Annotated[
        int,
        typer.Option(
            help="A firing that is later than this is left out, as after a long sleep. Missed ones "
            "within it become one.",
            metavar="SECONDS",
            min=1,
        ),
    ] = _MISFIRE_GRACE_S,
    minimum_feedback: Annotated[
        int, typer.Option(help="New pieces of feedback without which nothing is done.", min=1)
    ] = 1,
    maximum_duration: Annotated[
        float,
        typer.Option(
            help="A retrain that takes longer stops at its next step and counts as failed.",
            metavar="MINUTES",
            min=0,
        ),
    ] = 240,
    stop_grace: Annotated[
        float,
        typer.Option(
            help="What has not stopped after this is ended with the whole program, exit code 70.",
            metavar="SECONDS",
            min=0,
        ),
    ] = _STOP_GRACE_S,
    lease: Annotated[
        float,
        typer.Option(
            help="After a scheduler died, the others wait so long.", metavar="SECONDS", min=1
        ),
    ] = _LEASE_S,
    once_now: Annotated[bool, typer.Option("--once-now", help="Fire right away, too.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="List the schedulers of this database; start none.")
    ] = False,
    database: DatabaseUrl = DEFAULT_DATABASE,
    models: ModelsFolder = DEFAULT_MODELS,
    replay: ReplayFolder = None,
    threads: Threads = None,
    seed: Seed = 0,
    device: Device = "cpu",
    runtime: RuntimeName = "auto",
    as_json: Json = False,
) -> None:
    """Retrain by the clock, and promote what passes the gate; a refused candidate never serves.

    First of all a version that was trained on somebody who was erased since gives its place to the
    nearest that was not, and files of void and old versions are deleted, as by `models prune`.

    Any number of schedulers may share one database: a lease lets one of them work at a time.

    Example: `train_cli schedule --cron "0 3 * * *" --timezone Asia/Seoul --minimum-feedback 20`

    Example: `train_cli schedule --status`
    """
    if status:
        _print_known(run_to_end(_known(database)), as_json)
        return
    if as_json:
        raise typer.BadParameter("goes with --status", param_hint="--json")
    try:
        zone_named(timezone)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timezone") from error
    try:
        trigger = cron_trigger(cron, timezone, jitter)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--cron") from error
    use_threads(threads)
    on_device = torch_device(device)
    settings = RetrainSettings(
        models=models,
        base=replay,
        seed=seed,
        device=on_device,
        runtime=runtime_named(runtime, on_device),
    )
    rules = FiringRules(
        minimum_feedback=minimum_feedback,
        maximum=timedelta(minutes=maximum_duration),
        grace=timedelta(seconds=stop_grace),
        lease=timedelta(seconds=lease),
    )
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # what it would say is said here
    first = datetime.now(UTC) if once_now else None
    grace = timedelta(seconds=misfire_grace)
    run_to_end(_scheduled(database, (cron, timezone), trigger, settings, rules, first, grace))


async def _scheduled(
    url: str,
    written: tuple[str, str | None],
    trigger: Any,
    settings: RetrainSettings,
    rules: FiringRules,
    first: datetime | None,
    misfire_grace: timedelta,
) -> None:
    console = messages()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def say(line: str) -> None:
        print_line(console, line)

    async with opened(url) as database:
        heart = Heartbeat(database, this_process(), *written, rules.minimum_feedback)

        async def job() -> None:
            await heart.fired()
            _watch_from_outside(rules)
            try:
                firing = await fire(database, settings, rules, say)
            except RunStuck as error:
                await heart.ended("failed", detail=str(error))
                say(f"{error} This program ends with it.")
                os._exit(STUCK)  # a thread cannot be ended otherwise
            except asyncio.CancelledError:
                await heart.ended("stopped")
                raise
            except Exception as error:  # logged by whoever called
                await heart.ended("failed", detail=type(error).__name__)
                raise
            finally:
                faulthandler.cancel_dump_traceback_later()
            await heart.ended(
                firing.outcome, candidate=firing.candidate, detail=firing.detail or firing.said
            )

        say(f"scheduled: {' '.join(part for part in written if part)}")
        if settings.base is None:
            say("without --replay the gate lacks evidence: nothing will be promoted")
        await keep_schedule(
            trigger, job, stop, say, first=first, misfire_grace=misfire_grace, beat=heart.beat
        )
    say("stopped")


async def _known(url: str) -> tuple[Schedule, ...]:
    async with opened(url) as database, database.readers() as session:
        return await schedules.schedules(session, schedules.RETRAIN)


def _watch_from_outside(rules: FiringRules) -> None:
    """Ends the process where even its event loop stands still: a watchdog that needs no Python."""
    if rules.maximum is not None:
        limit = rules.maximum + 2 * rules.grace + timedelta(seconds=1)
        faulthandler.dump_traceback_later(limit.total_seconds(), exit=True)


def _print_known(known: tuple[Schedule, ...], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_json(schedule) for schedule in known]))
        return
    if not known:
        typer.echo("no scheduler of this database is known")
        return
    table = Table("scheduler", "cron", "seen (UTC)", "next (UTC)", "fired (UTC)", "outcome")
    for schedule in known:
        absent = "gone" if schedule.next_at else "stopped"
        zone = "" if schedule.timezone is None else f" {schedule.timezone}"
        table.add_row(
            schedule.holder.rpartition(":")[0],
            schedule.expression + zone,
            _moment(schedule.seen_at),
            _moment(schedule.next_at) if schedule.alive else absent,
            _moment(schedule.fired_at),
            _outcome(schedule),
        )
    results().print(table)


def _json(schedule: Schedule) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(schedule).items()
    }


def _outcome(schedule: Schedule) -> str:
    if schedule.fired_at is None:
        return ""
    if schedule.outcome is None:
        return "at work" if schedule.alive else "never heard of again"
    candidate = "" if schedule.candidate is None else f" {short(schedule.candidate)}"
    return f"{schedule.outcome}{candidate}"


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"
