"""`python -m benchmarks.retrain_cost`: what one retrain takes, by the command as it is typed.

A database is filled with what simulated people say of real faces, dark and turned; then
`train_cli retrain` runs on it as a process of its own. Recorded: time, processor time, peak memory,
and what the command itself says of its parts.
"""

import asyncio
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image

from benchmarks import people, record
from benchmarks.learning_worlds import dark_and_turned
from benchmarks.people import Crowd, Piece
from fer_model.alignment import KEPT_FACE, KEPT_SIDE
from fer_model.emotions import EMOTIONS
from fer_model.engine import Engine
from fer_model.readings import Blend
from fer_model.uris import version_uri
from fer_model.versions import shipped_version
from store import feedback, readings, versions
from store import people as people_rows
from store.engine import open_database
from store.records import NewFace, NewReading
from train_cli.splits import load_split

PIECES: Final = 1000
_FACES: Final = 1900
_LANDMARKS: Final = ((110.0, 130.0), (210.0, 130.0), (160.0, 180.0), (120.0, 230.0), (200.0, 230.0))


def kept_face(grey: NDArray[np.uint8]) -> bytes:
    """A kept crop, JPEG, of a grey face (48, 48); its margin repeats the border."""
    margin = (KEPT_SIDE - KEPT_FACE) // 2
    face = cv2.resize(grey, (KEPT_FACE, KEPT_FACE), interpolation=cv2.INTER_LINEAR)
    whole = np.pad(face, margin, mode="edge")
    file = io.BytesIO()
    Image.fromarray(np.repeat(whole[:, :, None], 3, axis=2)).save(file, "JPEG", quality=95)
    return file.getvalue()


async def fill(
    url: str, pieces: Sequence[Piece], faces: NDArray[np.uint8], blends: Sequence[Blend]
) -> None:
    """Writes down everything that was said, as the bot writes it."""
    shipped = shipped_version()
    database = open_database(url)
    try:
        async with database.sessions.begin() as session:
            await versions.register_base(
                session, shipped.name, version_uri(shipped), figures={}, now=people.FIRST_DAY
            )
        for piece in pieces:
            async with database.sessions.begin() as session:
                await people_rows.see_person(session, piece.person, now=piece.at)
                await people_rows.set_consent(session, piece.person, "given", now=piece.at)
                blend = blends[piece.face]
                about = await readings.add_reading(
                    session,
                    NewReading(
                        person_id=piece.person,
                        chat_id=piece.person,
                        inbox_id=None,
                        file_id=f"file-{piece.face}-{piece.person}",
                        file_unique_id=f"photo-{piece.face}",
                        photo_message_id=piece.face + 1,
                        model_version=shipped.name,
                        faces=(NewFace((0, 0, 9, 9), _LANDMARKS, blend.crowd, blend.label),),
                    ),
                    now=piece.at,
                )
                said = await feedback.record_feedback(
                    session,
                    person_id=piece.person,
                    reading_id=about.reading_id,
                    face_number=1,
                    emotion=None if piece.confirms else EMOTIONS[piece.emotion],
                    source="text",
                    now=piece.at,
                )
                await people_rows.keep_crop(
                    session, said.face.face_id, kept_face(faces[piece.face])
                )
    finally:
        await database.close()


def main(
    split: Annotated[Path, typer.Option(help="Folder that `prepare` wrote.")] = Path(
        "datasets/fer2013"
    ),
    pieces: Annotated[int, typer.Option(help="Of feedback.")] = PIECES,
    threads: Annotated[int, typer.Option(help="For the retrain.")] = 2,
) -> None:
    """Measure one retrain from the database to the judged candidate."""
    torch.set_num_threads(threads)
    training = load_split(split, "train", 4 * _FACES)
    voted = training.subset(np.flatnonzero(training.has_crowd.numpy())[: 2 * _FACES : 2])
    faces = dark_and_turned(voted.crops, 1)[:, 0].numpy()
    engine = Engine.load(None, "cpu")
    blends = engine.blend(faces)
    engine.close()
    crowd = np.array([blend.crowd for blend in blends])
    votes = voted.votes.numpy()[:, : len(EMOTIONS)].astype(np.float64)
    said = people.feedback(votes, crowd, pieces, Crowd(), np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/feelback.db"
        environment = os.environ | {"FEELBACK_DATABASE_URL": url, "FEELBACK_BOT_TOKEN": "1:x"}
        subprocess.run(
            [sys.executable, "-m", "bot", "db", "upgrade"], env=environment, check=True, stdout=2
        )
        asyncio.run(fill(url, said, faces, blends))
        command = ["train_cli", "retrain", "--database", url, "--models", f"{folder}/models"]
        command += ["--replay", str(split), "--threads", str(threads), "--json"]
        path = record.write("retrain_cost", measured(command) | {"pieces": len(said)})
    typer.echo(path.read_text(encoding="utf-8"))


def measured(command: Sequence[str]) -> dict[str, Any]:
    """What the module `command` says and takes, run as a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    ran = subprocess.run([sys.executable, "-m", *command], check=True, stdout=subprocess.PIPE)
    took = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(ran.stdout)["report"]
    kept = ("trained_faces", "holdout_faces", "people", "share", "seconds")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_seconds": round(took, 1),
        "processor_seconds": round(cpu, 1),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "peak_mib": round(after.ru_maxrss / 1024),
        "passed": report["verdict"]["passed"],
        **{name: report[name] for name in kept},
        **{name: _compared(report[name]) for name in ("holdout", "base")},
    }


def _compared(faces: dict[str, Any]) -> dict[str, Any]:
    figures = ("log_loss", "accuracy", "calibration_error")
    sides = ("before", "after")
    return {"faces": faces["faces"]} | {
        side: {name: round(faces[side][name], 4) for name in figures} for side in sides
    }


if __name__ == "__main__":
    typer.run(main)
