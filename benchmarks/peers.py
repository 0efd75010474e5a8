"""Ours beside the libraries that people use, on FER2013's PublicTest: `python -m benchmarks.peers`.

    python -m benchmarks.peers --install          everything, recorded
    python -m benchmarks.peers --peer fer --limit 200   a look, not recorded

Every system is a process of its own (`benchmarks.peers_worker`) and is given the face crop itself,
since a face detector misses faces of 48 px that fill their picture; its own preparation of a face
applies. What exactly each is called with, and why, stands at the top of its worker in
benchmarks/peers_processes: the whole crop as the face's rectangle for `fer`, the crop's pixels for
face-api's expression network and for human's. docs/peers.md says what a comparison like this
shows and does not show.

Nothing is chosen here: this reports on the test split. The peers' answers are kept, under the
folder of their environments, until their versions or workers change; ours are asked for each time.
Speed is of one face at a time, in blocks that alternate: ours, a peer, ours, the next peer. All
systems are pinned to the same cores.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from benchmarks import record
from benchmarks.peers_answers import KeptAnswers
from benchmarks.peers_figures import (
    OURS,
    Speed,
    alternation,
    document_of,
    figures_of,
    leak_free,
    speeds,
    table,
)
from benchmarks.peers_systems import (
    ENVIRONMENTS,
    ROOT,
    Peer,
    install,
    ours_started,
    peers_named,
    started,
)
from benchmarks.peers_worker import Answers, PeerFailed, Worker
from train_cli.errors import TrainingError
from train_cli.splits import FaceSet, load_split

BATCH: Final = 32
"""Faces in one request for answers."""

WARM_UP: Final = 3
"""Uncounted faces at the start of a block: what was asleep while the others worked wakes up."""

PAGE: Final = ROOT / "docs" / "peers.md"
BEGIN, END = "<!-- table -->", "<!-- /table -->"


def peers_command(
    split: Annotated[Path, typer.Option(help="Folder that `train_cli prepare` wrote.")] = Path(
        "datasets/fer2013"
    ),
    peer: Annotated[
        list[str] | None, typer.Option(help="Only this one (fer, face-api, human); repeatable.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Only N faces, evenly spread; not recorded.", min=1)
    ] = None,
    version: Annotated[
        Path | None, typer.Option(help="Model version's folder; the shipped one by default.")
    ] = None,
    cores: Annotated[int, typer.Option(help="Cores that every system gets.", min=1)] = 2,
    rounds: Annotated[
        int, typer.Option(help="Blocks of every peer; 0 leaves the speed out.", min=0)
    ] = 12,
    block: Annotated[int, typer.Option(help="Faces timed in a block.", min=1)] = 16,
    environments: Annotated[
        Path, typer.Option(help="Folder of the peers' environments and answers.")
    ] = ENVIRONMENTS,
    install_missing: Annotated[
        bool, typer.Option("--install", help="Install missing peers first (2 GB, from PyPI, npm).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure and print; record nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")
    ] = False,
) -> None:
    """Compare our ensemble with fer, face-api and human on the test split.

    A run over all faces and peers is recorded in benchmarks/results/peers.json and in the table
    of docs/peers.md. A peer that is missing or fails is named there with the reason; the others
    are measured all the same.

    Example: `python -m benchmarks.peers --install`
    """
    say = partial(Console(stderr=True).print, soft_wrap=True, markup=False, highlight=False)
    try:
        chosen = peers_named(peer or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--peer") from error
    try:
        faces = load_split(split, "test", limit)
        pin_to(cores)
        document = compared(
            faces, chosen, version, environments, cores, rounds, block, install_missing, say
        )
        document = {"faces": {"split": f"{split} test", **_counts(faces)}, **document}
        if limit is None and not peer and rounds and not dry_run:
            path = record.write("peers", document)
            rewrite_page(PAGE, document)
            say(f"recorded in {path} and {PAGE}")
    except (PeerFailed, TrainingError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(document) if as_json else table(document))


def compared(
    faces: FaceSet,
    peers: Sequence[Peer],
    version: Path | None,
    environments: Path,
    cores: int,
    rounds: int,
    block: int,
    install_missing: bool,
    say: Callable[[str], object],
) -> dict[str, Any]:
    """Everything measured about ours and the peers; a peer that fails is `missing`, with why.

    Raises:
        PeerFailed: Ours does not run.
    """
    crops = faces.crops[:, 0].numpy()
    missing: dict[str, str] = {}
    with ExitStack() as processes:
        workers = {OURS: processes.enter_context(ours_started(version, environments, cores))}
        answers = {OURS: _asked(workers[OURS], OURS, crops, say=say)}
        for peer in peers:
            try:
                if install_missing:
                    install(peer, environments, say)
                worker = processes.enter_context(started(peer, environments, cores))
                kept = KeptAnswers(environments / "answers", peer.name, peer.answers_digest)
                asked = partial(_asked, worker, peer.name, say=say)
                answers[peer.name] = kept.of(crops, asked)
                workers[peer.name] = worker
            except PeerFailed as error:
                missing[peer.name] = str(error)
                say(f"left out: {error}")
        blocks = timed_blocks(workers, crops, rounds, block, missing, say)
        speed = speeds(blocks)
        about = {peer.name: peer for peer in peers}
        systems = {
            name: _system(answers[name], faces, worker, speed.get(name), about.get(name))
            for name, worker in workers.items()
            if name not in missing
        }
    return {
        "cores": cores,
        "timing": {"rounds": rounds, "faces_in_a_block": block},
        "load_average": [round(one, 2) for one in os.getloadavg()],
        "systems": systems,
        "missing": missing,
    }


def timed_blocks(
    workers: Mapping[str, Worker],
    crops: NDArray[np.uint8],
    rounds: int,
    block: int,
    missing: dict[str, str],
    say: Callable[[str], object],
) -> list[tuple[str, list[float]]]:
    """Who was timed when, and each face's milliseconds; a peer that fails goes into `missing`.

    Raises:
        PeerFailed: Ours fails.
    """
    blocks: list[tuple[str, list[float]]] = []
    turns = alternation([name for name in workers if name != OURS], rounds)
    counted = WARM_UP + block
    for turn, name in enumerate(turns):
        if name in missing:
            continue
        # All systems of a round are given the same faces, and every round others.
        first = turn // max(2 * (len(workers) - 1), 1) * counted
        some = crops[np.arange(first, first + counted) % len(crops)]
        try:
            blocks.append((name, workers[name].milliseconds(some)[WARM_UP:]))
        except PeerFailed as error:
            if name == OURS:
                raise
            missing[name] = str(error)
            say(f"left out: {error}")
    return blocks


def pin_to(cores: int) -> None:
    """Leaves this process, and those that it starts, so many cores where the system can.

    Raises:
        PeerFailed: It has fewer.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < cores:
        raise PeerFailed(f"{cores} cores were asked for, there are {len(allowed)}")
    os.sched_setaffinity(0, allowed[:cores])


def rewrite_page(page: Path, document: Mapping[str, Any]) -> None:
    """Puts the table of `document` between the page's two marks.

    Raises:
        PeerFailed: The marks are not there.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise PeerFailed(f"{page} lacks {BEGIN} or {END}")
    page.write_text(f"{before}{BEGIN}\n{table(document)}{END}{after}", encoding="utf-8")


def _asked(
    worker: Worker, name: str, crops: NDArray[np.uint8], *, say: Callable[[str], object]
) -> Answers:
    say(f"{name} reads {len(crops)} faces ...")
    parts = [worker.answers(crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
    return Answers(
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.crowd for part in parts]),
    )


def _system(
    answers: Answers, faces: FaceSet, worker: Worker, speed: Speed | None, peer: Peer | None
) -> dict[str, Any]:
    clean = leak_free(answers, faces)
    about = (
        {"licence": peer.licence, "network": peer.network, "trained_on": peer.trained_on}
        if peer
        else {}
    )
    return {
        "versions": worker.versions,
        **about,
        "as_published": document_of(figures_of(answers, faces)),
        "leak_free": document_of(clean) if clean else None,
        "speed": asdict(speed) if speed else None,
        "load_seconds": round(worker.load_seconds, 2),
        "memory_mib_loaded": worker.resident_mib_loaded,
        "memory_mib_at_the_end": worker.resident_mib(),
    }


def _counts(faces: FaceSet) -> dict[str, int]:
    return {"count": len(faces), "leak_free": int((~faces.identical_to_training).sum())}


if __name__ == "__main__":
    typer.run(peers_command)
