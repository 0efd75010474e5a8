"""`train_cli models`: what serves, what could, and changing it."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from store import versions
from store.records import ModelEvent, ModelVersion, Verdict
from train_cli.commands.database import (
    DEFAULT_DATABASE,
    DEFAULT_MODELS,
    DatabaseUrl,
    ModelsFolder,
    actor,
    run_to_end,
)
from train_cli.commands.options import DryRun, Json, print_line, results
from train_cli.errors import PromotionRefused, reasons_in_words
from train_cli.pruning import KEPT, Doomed, delete_doomed, doomed_versions
from train_cli.registry import (
    Succession,
    opened,
    promote,
    rehearse_promotion,
    rehearse_rollback,
    roll_back,
    short,
)
from train_cli.retrain_report import counted

models_app = typer.Typer(
    help="List, inspect, promote, roll back and delete model versions.", no_args_is_help=True
)

HEADLINES: Final = frozenset(
    {
        "validation.label_accuracy",
        "validation.crowd_majority",
        "test.leak_free.label_accuracy",
        "test.leak_free.crowd_majority",
        "holdout.crowd_accuracy",
        "holdout.crowd_log_loss",
        "base.crowd_accuracy",
        "base.crowd_log_loss",
    }
)
"""Figures that `models list` shows of a version; a shipped one has over sixty."""

Digest = Annotated[str, typer.Argument(help="The digest, or enough of its beginning.")]


@models_app.command("list")
def list_command(database: DatabaseUrl = DEFAULT_DATABASE, as_json: Json = False) -> None:
    """List every version, newest first, with its main figures; `models show` has all.

    Example: `train_cli models list`
    """
    found = run_to_end(_listed(database))
    if as_json:
        typer.echo(json.dumps([_version_json(version) for version in found]))
        return
    if not found:
        typer.echo("no version is known yet: start the bot once, which registers the shipped one")
        return
    table = Table("version", "state", "made (UTC)", "from", "gate", "figures")
    for version in found:
        table.add_row(
            short(version.digest),
            _state(version),
            f"{version.created_at:%Y-%m-%d %H:%M}",
            short(version.parent_digest or ""),
            _gate_word(version),
            "\n".join(_figure(n, v) for n, v in version.figures.items() if n in HEADLINES),
        )
    results().print(table)


@models_app.command("show")
def show_command(
    digest: Digest, database: DatabaseUrl = DEFAULT_DATABASE, as_json: Json = False
) -> None:
    """Show one version: where it came from, what the gate said, and what happened to it.

    Example: `train_cli models show 1f0c`
    """
    version, events = run_to_end(_shown(database, digest))
    if as_json:
        document = _version_json(version) | {"events": [_event_json(event) for event in events]}
        typer.echo(json.dumps(document))
        return
    say = partial(print_line, results())
    say(f"{version.digest}  {_state(version)}")
    say(f"at {version.uri}")
    say(f"made {version.created_at:%Y-%m-%d %H:%M} UTC from {version.parent_digest or 'nothing'}")
    for name, value in version.figures.items():
        say(f"  {_figure(name, value)}")
    if version.person_erased_at is not None:
        day = f"{version.person_erased_at:%Y-%m-%d}"
        say(f"void since {day}: somebody it was trained on was erased, or withdrew their consent")
    if version.deleted_at is not None:
        say(f"deleted from disk on {version.deleted_at:%Y-%m-%d}")
    for check in _checks(version):
        say(f"  {'✓' if check['passed'] else '✗'} {check['reason']}")
    for event in events:
        say(_event_line(event))


@models_app.command("promote")
def promote_command(
    digest: Digest,
    override: Annotated[
        bool, typer.Option("--override", help="Promote although the gate refuses.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why it is overridden; recorded with your name.")
    ] = None,
    database: DatabaseUrl = DEFAULT_DATABASE,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Make a version current, if the gate passed it; the bot picks it up without a restart.

    --dry-run says which version would give its place to it and what the gate says. Where it would
    be refused it says why, with exit code 1.

    Example: `train_cli models promote 1f0c --dry-run`

    Example: `train_cli models promote 1f0c --override --reason "shown at the open day"`
    """
    stated = (reason or "").strip() or None
    if override and stated is None:
        raise typer.BadParameter("an override needs a reason", param_hint="--reason")
    if reason is not None and not override:
        raise typer.BadParameter("a reason goes with --override", param_hint="--reason")
    if not dry_run:
        _print_current(run_to_end(_promoted(database, digest, stated)), as_json)
        return
    rehearsed = run_to_end(_rehearsed_promotion(database, digest, stated, as_json))
    _print_rehearsed(rehearsed, f"; {_judged(rehearsed)}", as_json)


@models_app.command("rollback")
def rollback_command(
    reason: Annotated[str, typer.Option(help="Why; recorded with your name.")],
    database: DatabaseUrl = DEFAULT_DATABASE,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Make the version current again that the current one replaced.

    Example: `train_cli models rollback --reason "reads glasses as anger"`
    """
    if not reason.strip():
        raise typer.BadParameter("it cannot be empty", param_hint="--reason")
    if not dry_run:
        _print_current(run_to_end(_rolled_back(database, reason.strip())), as_json)
        return
    _print_rehearsed(run_to_end(_rehearsed_rollback(database, reason.strip())), "", as_json)


@models_app.command("prune")
def prune_command(
    keep: Annotated[
        int, typer.Option(help="Versions beside the current one whose files are kept.", min=0)
    ] = KEPT,
    models: ModelsFolder = DEFAULT_MODELS,
    database: DatabaseUrl = DEFAULT_DATABASE,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Delete the files of void versions and of old ones; their figures stay.

    Void is what was trained on somebody who was erased since. Never deleted: the current version,
    the one before it, bases, what served within ten minutes, and what is not in the folder.

    Example: `train_cli models prune --keep 5 --dry-run`
    """
    doomed, left = run_to_end(_pruned(database, models, keep, dry_run))
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "dry_run": dry_run,
                    "versions": [asdict(one) | {"path": str(one.path)} for one in doomed],
                    "leftovers": left,
                }
            )
        )
        return
    verb = "would delete" if dry_run else "deleted"
    for one in doomed:
        typer.echo(f"{verb} {one}")
    if left:
        typer.echo(f"removed {counted(left, 'leftover')} of processes that were killed")
    if not doomed and not left:
        typer.echo("nothing to delete")


async def _pruned(
    url: str, models: Path, keep: int, dry_run: bool
) -> tuple[tuple[Doomed, ...], int]:
    async with opened(url) as database:
        doomed = await doomed_versions(database, models, kept=keep)
        if dry_run:
            return doomed, 0
        gone = await delete_doomed(database, doomed, models)
        return doomed, gone - len(doomed)


async def _listed(url: str) -> tuple[ModelVersion, ...]:
    async with opened(url) as database, database.readers() as session:
        return await versions.versions(session)


async def _shown(url: str, prefix: str) -> tuple[ModelVersion, tuple[ModelEvent, ...]]:
    async with opened(url) as database, database.readers() as session:
        version = await versions.version(session, prefix)
        return version, await versions.events(session, digest=version.digest)


async def _promoted(url: str, prefix: str, reason: str | None) -> ModelVersion:
    async with opened(url) as database:
        return await promote(database, prefix, actor=actor(), override_reason=reason)


async def _rolled_back(url: str, reason: str) -> ModelVersion:
    async with opened(url) as database:
        return await roll_back(database, actor=actor(), reason=reason)


async def _rehearsed_promotion(
    url: str, prefix: str, reason: str | None, as_json: bool
) -> Succession:
    """What a promotion would do; with `--json` the verdict is told where the gate refuses, too."""
    async with opened(url) as database:
        try:
            return await rehearse_promotion(database, prefix, actor=actor(), override_reason=reason)
        except PromotionRefused as error:
            if as_json:
                typer.echo(json.dumps(_rehearsed_json(error.digest, None, error.verdict)))
            raise


async def _rehearsed_rollback(url: str, reason: str) -> Succession:
    async with opened(url) as database:
        return await rehearse_rollback(database, actor=actor(), reason=reason)


def _print_rehearsed(rehearsed: Succession, judged: str, as_json: bool) -> None:
    version, replaced = rehearsed.version.digest, rehearsed.replaced.digest
    if as_json:
        typer.echo(json.dumps(_rehearsed_json(version, replaced, rehearsed.verdict)))
    else:
        typer.echo(
            f"dry run: {short(version)} would become current in place of {short(replaced)}{judged}"
        )


def _rehearsed_json(version: str, replaced: str | None, verdict: Verdict | None) -> dict[str, Any]:
    """What would become current; `replaces` is null where it would be refused."""
    return {
        "dry_run": True,
        "version": version,
        "replaces": replaced,
        "refused": replaced is None,
        "verdict": None if verdict is None else {**verdict.report, "passed": verdict.passed},
    }


def _judged(rehearsed: Succession) -> str:
    """What the gate says of a promotion that would go ahead."""
    if rehearsed.verdict is None:
        return "that one is void, so the gate is not asked"
    if rehearsed.verdict.passed:
        return "the gate passed it"
    return f"against the gate, which refuses it: {reasons_in_words(rehearsed.verdict)}"


def _print_current(version: ModelVersion, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_version_json(version)))
    else:
        typer.echo(f"{short(version.digest)} is current; the bot picks it up within seconds")


def _version_json(version: ModelVersion) -> dict[str, Any]:
    moments = {
        name: None if at is None else at.isoformat()
        for name, at in (
            ("created_at", version.created_at),
            ("person_erased_at", version.person_erased_at),
            ("deleted_at", version.deleted_at),
        )
    }
    return asdict(version) | moments | {"void": version.void}


def _state(version: ModelVersion) -> str:
    words: list[str] = [version.state]
    if version.void:
        words.append("void")
    if version.deleted_at is not None:
        words.append("deleted")
    return ", ".join(words)


def _event_json(event: ModelEvent) -> dict[str, Any]:
    return asdict(event) | {"at": event.at.isoformat()}


def _event_line(event: ModelEvent) -> str:
    line = f"{event.at:%Y-%m-%d %H:%M} UTC {event.event.replace('_', ' ')} by {event.actor}"
    if event.previous_digest is not None:
        line += f", in place of {short(event.previous_digest)}"
    if event.override:
        line += ", against the gate"
    return line if event.reason is None else f"{line}: {event.reason}"


def _checks(version: ModelVersion) -> list[dict[str, Any]]:
    verdict = version.report.get("verdict")
    return list(verdict["checks"]) if isinstance(verdict, dict) else []


def _gate_word(version: ModelVersion) -> str:
    verdict = version.report.get("verdict")
    if not isinstance(verdict, dict):
        return "not judged"
    return "passed" if verdict["passed"] else "refused"


def _figure(name: str, value: object) -> str:
    return f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
