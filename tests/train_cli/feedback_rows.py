"""Feedback, versions and base splits for tests of retraining, small and quick."""

import csv
import io
import itertools
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from fer_model.emotions import EMOTIONS
from fer_model.uris import version_uri
from fer_model.versions import Member, ModelVersion, write_version
from store import feedback, people, readings, versions
from store.engine import Database
from store.records import NewFace, NewReading
from tests.versions import SIDE, random_metadata, random_network
from train_cli.gate import GatePolicy
from train_cli.learning import LearningSettings
from train_cli.votes import VOTE_COLUMNS

BRIEF = LearningSettings(passes=4, least_steps=0, copies=2, batch_size=8)
"""Enough to move a random network, and no more."""

LENIENT = GatePolicy(
    holdout_faces=1,
    holdout_people=1,
    level=1,
    base_faces=4,
    accuracy_margin=2,
    first_accuracy_margin=2,
    first_loss_margin=99,
    loss_margin=50,
    rare_share=0,
    calibration_margin=1,
)
"""Passes whatever is at all better on the holdout."""

ANY_BLEND = (1 / 7,) * 7

_PHOTOS = itertools.count()


def write_small_version(folder: Path, seed: int = 0) -> ModelVersion:
    """A whole version of one member, half the work of two."""
    members = [Member(random_network("resnet50", seed), SIDE)]
    return write_version(folder, members, random_metadata(1), "fp16")


def copied_version(version: ModelVersion, folder: Path) -> Path:
    """The version in another folder, for a test that damages it."""
    return Path(shutil.copytree(version.path, folder / version.digest))


async def serve(database: Database, path: Path) -> None:
    """Make the version in this directory current."""
    async with database.sessions.begin() as session:
        await versions.register_base(session, path.name, version_uri(path), figures={})


async def say(
    database: Database,
    digest: str,
    person_id: int,
    emotion: str | None = "sad",
    *,
    consent: bool = True,
    crop: bool = True,
    photo: str | None = None,
) -> int:
    """A reading by version `digest` and what its owner says of it; returns the feedback's id.

    `photo` is equal for people who sent the same; without, everybody sends another.
    """
    new = NewReading(
        person_id=person_id,
        chat_id=person_id,
        inbox_id=None,
        file_id="file",
        file_unique_id=photo or f"photo {next(_PHOTOS)}",
        photo_message_id=1,
        model_version=digest,
        faces=(NewFace((0, 0, 9, 9), ((1, 1),) * 5, ANY_BLEND, ANY_BLEND),),
    )
    async with database.sessions.begin() as session:
        await people.see_person(session, person_id)
        if consent:
            await people.set_consent(session, person_id, "given")
        about = await readings.add_reading(session, new)
        said = await feedback.record_feedback(
            session,
            person_id=person_id,
            reading_id=about.reading_id,
            face_number=1,
            emotion=emotion,
            source="text",
        )
        if consent and crop:
            await people.keep_crop(session, said.face.face_id, noise_face(said.face.face_id))
    return said.feedback.feedback_id


def noise_face(seed: int) -> bytes:
    """A kept crop that shows nothing, another one for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((320, 320), Image.Resampling.NEAREST).save(file, "JPEG")
    return file.getvalue()


def write_split(folder: Path, count: int = 9) -> Path:
    """A prepared split of faces that show nothing, voted on by ten people."""
    columns = ("file", "label", "identical_to_training", "source", *VOTE_COLUMNS)
    for name in ("train", "validation"):
        (folder / name).mkdir(parents=True)
        with (folder / f"{name}.csv").open("w", newline="") as handle:
            table = csv.writer(handle)
            table.writerow(columns)
            for number in range(count):
                file = f"{name}/{number}.png"
                grey = np.random.default_rng([len(name), number]).integers(0, 256, (48, 48))
                Image.fromarray(grey.astype(np.uint8)).save(folder / file)
                label = number % 7
                votes = [10 * (place == label) for place in range(len(VOTE_COLUMNS))]
                table.writerow((file, EMOTIONS[label], 0, file, *votes))
    return folder
