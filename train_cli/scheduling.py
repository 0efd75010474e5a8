"""Retraining by the clock: when it fires, whether there is enough to learn, what is promoted.

One job that never overlaps itself; firings missed while one ran or the machine slept become one.
A second scheduler on the same database finds the lease taken and waits for its next time.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy.exc import SQLAlchemyError

from fer_model.errors import FerModelError
from store import feedback, runs, versions
from store.engine import Database
from store.errors import LeaseTaken, StoreError
from store.versions import PERSON_ERASED
from train_cli.errors import TrainingError
from train_cli.pruning import prune
from train_cli.registry import held_lease, promote, replace_void, short
from train_cli.retraining import RUN_KIND, RetrainSettings, Watcher, retrain

log = logging.getLogger(__name__)

ACTOR: Final = "scheduler"

MISFIRE_GRACE: Final = 3600
"""Seconds by which a firing may be late and still happen."""

_RUNS_LOOKED_AT: Final = 1000
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As cron counts them: 0 and 7 are Sunday. APScheduler counts from Monday."""

Say = Callable[[str], None]


def cron_trigger(expression: str, timezone: str | None = None) -> Any:
    """When to fire, of five fields as in crontab(5); the machine's time zone by default.

    Raises:
        ValueError: Not such an expression, or an unknown time zone.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise ValueError(f"five fields are needed, not {len(fields)}")
    minute, hour, day, month, weekday = fields
    if not day.startswith("*") and not weekday.startswith("*"):
        # cron fires on either, APScheduler only on both: better refused than misread.
        raise ValueError("give a day of the month or a weekday, not both")
    try:
        return CronTrigger(
            minute=minute,
            hour=hour,
            day=day,
            month=month,
            day_of_week=_weekdays(weekday),
            timezone=timezone,
        )
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(str(error)) from error


async def fire(
    database: Database, settings: RetrainSettings, minimum_feedback: int, say: Say
) -> None:
    """One firing: a retrain if there is enough new feedback, and a promotion if the gate passes.

    A current version that is void gives its place to its nearest clean ancestor first, and that is
    retrained whatever is new. Before that, versions that were void or old already are deleted.
    What is expected to go wrong now and then is said, and the next firing tries again.
    """
    try:
        async with held_lease(database) as lease:
            await prune(database, settings.models, lease, say)
            clean = await replace_void(database, actor=ACTOR, under=lease)
            if clean is not None:
                say(f"{PERSON_ERASED}: {short(clean.digest)} is current, and is retrained")
            fresh = await new_feedback(database)
            if clean is None and fresh < minimum_feedback:
                say(f"{fresh} new pieces of feedback, {minimum_feedback} are needed: not now")
                return
            watcher = Watcher(on_phase=say)
            outcome = await retrain(database, lease, settings, actor=ACTOR, watcher=watcher)
            report = outcome.report
            if report is None:
                say("no feedback that may be learnt from")
            elif report.verdict.passed:
                await promote(database, report.candidate, actor=ACTOR, under=lease)
                say(f"{short(report.candidate)} passed the gate and is current")
            else:
                reasons = "; ".join(report.verdict.reasons)
                say(f"the gate refuses {short(report.candidate)}: {reasons}")
    except LeaseTaken as error:
        say(f"another retrain is running: {error}")
    except (TrainingError, StoreError, FerModelError, SQLAlchemyError, OSError) as error:
        say(f"failed: {error}")


async def new_feedback(database: Database) -> int:
    """How many pieces that may be learnt from no finished retrain has looked at.

    By id, not by age: older feedback becomes new when its giver consents. A retrain whose outcome
    is void does not count: what it learnt is to be learnt again.
    """
    async with database.readers() as session:
        void = {one.digest for one in await versions.versions(session) if one.void}
        said = await feedback.active_feedback_for_training(session)
        latest = await runs.runs(session, limit=_RUNS_LOOKED_AT)
    seen: set[int] = set()
    for run in latest:
        report = run.report or {}
        looked_at = report.get("looked_at")
        if report.get("candidate") in void:
            continue
        if run.kind == RUN_KIND and run.state == "finished" and isinstance(looked_at, list):
            seen.update(looked_at)
    return sum(piece.feedback_id not in seen for piece in said)


async def keep_schedule(
    trigger: Any, job: Callable[[], Awaitable[None]], stop: asyncio.Event, *, now: bool = False
) -> None:
    """Runs `job` whenever the trigger says, until `stop` is set; a running one is cancelled then.

    Args:
        trigger: From `cron_trigger`.
        job: One firing.
        stop: Set to end.
        now: Fire once right away, too.
    """
    running: set[asyncio.Task[None]] = set()

    async def tracked() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine that runs is in one
        running.add(task)
        try:
            await job()
        except Exception:
            log.exception("a scheduled retrain failed unexpectedly")
        finally:
            running.discard(task)

    scheduler = AsyncIOScheduler(timezone=UTC)
    first = {"next_run_time": datetime.now(UTC)} if now else {}
    scheduler.add_job(
        tracked,
        trigger,
        id=RUN_KIND,
        coalesce=True,
        max_instances=1,
        misfire_grace_time=MISFIRE_GRACE,
        **first,
    )
    scheduler.start()
    try:
        await stop.wait()
    finally:
        scheduler.shutdown(wait=False)
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _weekdays(field: str) -> str:
    """A crontab's field of weekdays with names in the place of numbers."""
    parts = []
    for part in field.split(","):
        days, slash, step = part.partition("/")
        if days == "*" and slash:
            days = "0-6"
        first, dash, last = days.partition("-")
        if not first.isdigit():
            parts.append(part)
            continue
        low = int(first)
        high = int(last) if dash else (6 if slash else low)
        if not low <= high < len(_WEEKDAYS):
            raise ValueError(f"no weekdays: {part!r}; they are 0 (Sunday) to 7")
        parts += [_WEEKDAYS[day] for day in range(low, high + 1, int(step) if slash else 1)]
    return ",".join(dict.fromkeys(parts))
