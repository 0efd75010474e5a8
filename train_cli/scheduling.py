"""Retraining by the clock: when it fires, whether there is enough to learn, what is promoted.

One job that never overlaps itself. Firings that were missed while the machine slept become one; one
that comes too late, or while the one before is at work, is left out and said. What would have fired
while no scheduler ran is not made up for. A second scheduler on the same database finds the lease
taken and waits for its next time.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy.exc import SQLAlchemyError

from fer_model.errors import FerModelError
from store import feedback, runs, versions
from store.engine import Database
from store.errors import LeaseLost, LeaseTaken, StoreError, VersionVoid
from store.records import FiringOutcome
from store.schedules import BEAT
from store.versions import PERSON_ERASED
from train_cli.errors import RunRefused, RunStuck, TookTooLong, TrainingError, in_one_line
from train_cli.pruning import prune
from train_cli.registry import (
    LEASE_DURATION,
    HeldLease,
    held_lease,
    promote,
    replace_void,
    short,
)
from train_cli.retrain_report import counted
from train_cli.retraining import RUN_KIND, Outcome, RetrainSettings, Watcher, retrain

log = logging.getLogger(__name__)

ACTOR: Final = "scheduler"

MISFIRE_GRACE: Final = timedelta(hours=1)
"""By which a firing may be late and still happen."""

STOP_GRACE: Final = timedelta(minutes=1)
"""More than one step of a retrain takes: 256 faces asked, a batch learnt, a version written."""

_RUNS_LOOKED_AT: Final = 1000
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As cron counts them: 0 and 7 are Sunday. APScheduler counts from Monday."""

Say = Callable[[str], None]
Beat = Callable[[datetime | None], Awaitable[None]]


@dataclass(frozen=True)
class FiringRules:
    """What one firing may do.

    Attributes:
        minimum_feedback: New pieces without which nothing is done.
        maximum: Time after which a retrain stops at its next step; None lets it take its time.
        grace: Time after that until it counts as stuck.
        lease: How long the right to retrain outlives a process that died.
    """

    minimum_feedback: int = 1
    maximum: timedelta | None = None
    grace: timedelta = STOP_GRACE
    lease: timedelta = LEASE_DURATION


@dataclass(frozen=True)
class Firing:
    """What came of one firing.

    Attributes:
        outcome: In one word.
        said: In one line, nothing about people.
        candidate: The version that came out.
        detail: Why the gate refused it or what failed, in the same way.
    """

    outcome: FiringOutcome
    said: str
    candidate: str | None = None
    detail: str | None = None


def cron_trigger(expression: str, timezone: str | None = None, jitter: int = 0) -> Any:
    """When to fire, of five fields as in crontab(5).

    Args:
        expression: The five fields.
        timezone: Of them; the machine's by default.
        jitter: Seconds by which a firing may come later, drawn anew for each.

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
        trigger = CronTrigger(
            minute=minute,
            hour=hour,
            day=day,
            month=_months(month),
            day_of_week=_weekdays(weekday),
            timezone=zone_named(timezone),
            jitter=jitter or None,
        )
    except (LookupError, TypeError) as error:
        raise ValueError(str(error)) from error
    if trigger.get_next_fire_time(None, datetime.now(UTC)) is None:
        raise ValueError("there is no such day")
    return trigger


def zone_named(name: str | None) -> ZoneInfo | None:
    """The time zone of that name; None, which stands for the machine's, where there is no name.

    Raises:
        ValueError: There is none.
    """
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone; one is Asia/Seoul") from error


async def fire(
    database: Database, settings: RetrainSettings, rules: FiringRules, say: Say
) -> Firing:
    """One firing: a retrain if there is enough new feedback, and a promotion if the gate passes.

    A current version that is void gives its place to its nearest clean ancestor first, and that is
    retrained whatever is new. Before that, versions that were void or old already are deleted.
    What is expected to go wrong now and then is said, and the next firing tries again.

    Raises:
        RunStuck: It did not stop when told to. It is marked as failed and can change nothing any
            more, but its thread is still there: the caller must end the process.
    """
    try:
        async with held_lease(database, duration=rules.lease) as lease:
            firing = await _fired(database, lease, settings, rules, say)
    except LeaseTaken as error:
        firing = Firing("busy", f"another retrain is running: {error}")
    except LeaseLost:
        lost = "lease lost: this retrain was away for too long"
        firing = Firing("failed", lost, detail=lost)
    except TookTooLong as error:
        firing = Firing("failed", f"stopped: {error}", detail=str(error))
    except RunStuck:
        raise
    except (TrainingError, StoreError, FerModelError, SQLAlchemyError, OSError) as error:
        firing = Firing("failed", f"failed: {in_one_line(error)}", detail=in_one_line(error))
    say(firing.said)
    return firing


async def _fired(
    database: Database, lease: HeldLease, settings: RetrainSettings, rules: FiringRules, say: Say
) -> Firing:
    await prune(database, settings.models, lease, say)
    clean = await replace_void(database, actor=ACTOR, under=lease)
    if clean is not None:
        say(f"{PERSON_ERASED}: {short(clean.digest)} is current, and is retrained")
    fresh = await new_feedback(database)
    if clean is None and fresh < rules.minimum_feedback:
        needed = rules.minimum_feedback
        new = counted(fresh, "new piece")
        return Firing("rested", f"{new} of feedback, {needed} are needed: not now")
    work = retrain(
        database,
        lease,
        settings,
        actor=ACTOR,
        watcher=Watcher(on_phase=say),
        maximum=rules.maximum,
    )
    report = (await _unstuck(database, lease, work, rules)).report
    if report is None:
        return Firing("rested", "no feedback that may be learnt from")
    candidate = report.candidate
    if not report.verdict.passed:
        reasons = "; ".join(report.verdict.reasons)
        return Firing(
            "refused", f"the gate refuses {short(candidate)}: {reasons}", candidate, reasons
        )
    try:
        await promote(database, candidate, actor=ACTOR, under=lease)
    except (RunRefused, VersionVoid) as error:  # promoted, or somebody erased, meanwhile
        return Firing("refused", str(error), candidate, str(error))
    return Firing("promoted", f"{short(candidate)} passed the gate and is current", candidate)


async def _unstuck(
    database: Database,
    lease: HeldLease,
    work: Coroutine[Any, Any, Outcome],
    rules: FiringRules,
) -> Outcome:
    """What `work` returns, or RunStuck where it goes on past its time and the grace."""
    task = asyncio.ensure_future(work)
    limit = None if rules.maximum is None else (rules.maximum + rules.grace).total_seconds()
    try:
        await asyncio.wait({task}, timeout=limit)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    if task.done():
        return task.result()
    error = f"It took longer than {rules.maximum} and did not stop within {rules.grace}."
    with contextlib.suppress(StoreError, SQLAlchemyError, OSError):  # the next run marks it then
        async with database.sessions.begin() as session:
            await runs.fail_abandoned_runs(session, RUN_KIND, lease=lease.lease, error=error)
    raise RunStuck(error)


async def new_feedback(database: Database) -> int:
    """How many pieces that may be learnt from no finished retrain has looked at.

    By id, not by age: older feedback becomes new when its giver consents. A retrain whose outcome
    is void does not count: what it learnt is to be learnt again.
    """
    async with database.readers() as session:
        void = {one.digest for one in await versions.versions(session) if one.void}
        standing = set(await feedback.trainable_ids(session))
        latest = await runs.runs(session, limit=_RUNS_LOOKED_AT)
    seen: set[int] = set()
    for run in latest:
        report = run.report or {}
        looked_at = report.get("looked_at")
        if report.get("candidate") in void:
            continue
        if run.kind == RUN_KIND and run.state == "finished" and isinstance(looked_at, list):
            seen.update(looked_at)
    return len(standing - seen)


async def _unheard(_next_at: datetime | None) -> None:
    """Nobody is told."""


async def keep_schedule(
    trigger: Any,
    job: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    say: Say,
    *,
    first: datetime | None = None,
    misfire_grace: timedelta = MISFIRE_GRACE,
    beat: Beat = _unheard,
) -> None:
    """Runs `job` whenever the trigger says, until `stop` is set; a running one is cancelled then.

    Args:
        trigger: From `cron_trigger`.
        job: One firing.
        stop: Set to end.
        say: Told which firings are left out, and why.
        first: When to fire first, in the place of when the trigger says so.
        misfire_grace: By which a firing may be late and still happen.
        beat: Awaited at the start, every minute and before every firing with when the next one
            is, and at the end with None.
    """
    running: set[asyncio.Task[None]] = set()

    async def tracked() -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine that runs is in one
        running.add(task)
        try:
            await beat(upcoming())
            await job()
        except Exception:
            log.exception("a scheduled retrain failed unexpectedly")
        finally:
            running.discard(task)

    def upcoming() -> datetime | None:
        at: datetime | None = scheduled.next_run_time
        return None if at is None else at.astimezone(UTC)

    async def beating() -> None:
        while not stop.is_set():  # never cancelled within a write
            await beat(upcoming())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BEAT.total_seconds())

    def left_out(event: Any) -> None:
        if event.code == EVENT_JOB_MISSED:
            say(f"the firing of {_minute(event.scheduled_run_time)} is left out: it is too late")
        else:
            times = ", ".join(_minute(at) for at in event.scheduled_run_times)
            say(f"the firing of {times} is left out: the one before is still at work")

    scheduler = AsyncIOScheduler(timezone=UTC)
    scheduler.add_listener(left_out, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
    scheduled = scheduler.add_job(
        tracked,
        trigger,
        id=RUN_KIND,
        coalesce=True,
        max_instances=1,
        misfire_grace_time=int(misfire_grace.total_seconds()),
        **({} if first is None else {"next_run_time": first}),
    )
    scheduler.start()
    heart = asyncio.create_task(beating())
    try:
        await stop.wait()
    finally:
        scheduler.shutdown(wait=False)
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        stop.set()
        await asyncio.gather(heart, return_exceptions=True)
        await beat(None)


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _months(field: str) -> str:
    """A crontab's field of months with numbers in the place of names.

    APScheduler leaves out, unsaid, what follows a range of names, such as its step.
    """

    def number(name: re.Match[str]) -> str:
        if name[0].lower() not in _MONTHS:
            raise ValueError(f"no month: {name[0]!r}; they are 1 to 12, or jan to dec")
        return str(_MONTHS.index(name[0].lower()) + 1)

    return re.sub("[A-Za-z]+", number, field)


def _weekdays(field: str) -> str:
    """A crontab's field of weekdays as a list of names, or `*`."""
    parts: list[str] = []
    for part in field.split(","):
        if part == "*":
            parts.append(part)
            continue
        try:
            parts += _weekdays_of(part)
        except ValueError as error:
            known = "they are 0 (Sunday) to 7, or sun to sat"
            raise ValueError(f"no weekdays: {part!r}; {known}") from error
    return ",".join(dict.fromkeys(parts))


def _weekdays_of(part: str) -> Sequence[str]:
    days, slash, step = part.partition("/")
    first, dash, last = ("0-6" if days == "*" else days).partition("-")
    low = _weekday(first)
    high = _weekday(last) if dash else (6 if slash else low)
    if low and last.lower() == "sun":
        high = 7
    every = int(step) if slash else 1
    if not low <= high < len(_WEEKDAYS) or every < 1:
        raise ValueError(part)
    return _WEEKDAYS[low : high + 1 : every]


def _weekday(word: str) -> int:
    return _WEEKDAYS.index(word.lower()) if word.lower() in _WEEKDAYS else int(word)
