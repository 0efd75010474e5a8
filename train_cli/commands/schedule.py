"""`train_cli schedule`: retraining by the clock, until it is stopped."""

import asyncio
import signal
from typing import Annotated, Any

import typer
from rich.console import Console

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
    RuntimeName,
    Seed,
    messages,
    runtime_named,
    torch_device,
)
from train_cli.registry import opened
from train_cli.retraining import RetrainSettings
from train_cli.scheduling import cron_trigger, fire, keep_schedule


def schedule_command(
    cron: Annotated[str, typer.Option(help="Five fields as in crontab(5).")] = "0 3 * * *",
    timezone: Annotated[
        str | None, typer.Option(help="Of the five fields; this machine's by default.")
    ] = None,
    minimum_feedback: Annotated[
        int, typer.Option(help="New pieces of feedback without which nothing is done.", min=1)
    ] = 1,
    once_now: Annotated[bool, typer.Option("--once-now", help="Fire right away, too.")] = False,
    database: DatabaseUrl = DEFAULT_DATABASE,
    models: ModelsFolder = DEFAULT_MODELS,
    replay: ReplayFolder = None,
    threads: Threads = None,
    seed: Seed = 0,
    device: Device = "cpu",
    runtime: RuntimeName = "auto",
) -> None:
    """Retrain by the clock, and promote what passes the gate; never anything else.

    Any number of schedulers may share one database: a lease lets one of them work at a time.
    """
    try:
        trigger = cron_trigger(cron, timezone)
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
    run_to_end(_scheduled(database, trigger, settings, minimum_feedback, once_now))


async def _scheduled(
    url: str, trigger: Any, settings: RetrainSettings, minimum_feedback: int, once_now: bool
) -> None:
    console = messages()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with opened(url) as database:

        async def job() -> None:
            await fire(database, settings, minimum_feedback, lambda line: _print(console, line))

        _print(console, f"scheduled: {trigger}")
        await keep_schedule(trigger, job, stop, now=once_now)
    _print(console, "stopped")


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
