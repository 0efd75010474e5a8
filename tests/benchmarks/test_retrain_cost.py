"""`benchmarks.retrain_cost`: what it writes is what a retrain reads."""

import numpy as np

from benchmarks.people import FIRST_DAY, Piece
from benchmarks.retrain_cost import fill, kept_face
from fer_model.alignment import face_of_kept
from fer_model.readings import Blend
from store.engine import open_database
from train_cli.learning import grey_face
from train_cli.retraining import plan_retrain

FACE = np.tile(np.arange(48, dtype=np.uint8) * 4, (48, 1))


def test_kept_face_is_the_face_again() -> None:
    back = grey_face(face_of_kept(kept_face(FACE)))
    assert np.abs(back.astype(int) - FACE).mean() < 4


async def test_all_that_was_said_may_be_learnt_from(sqlite_url: str) -> None:
    blend = Blend((0.0, 0.0, 0.0, 0.9, 0.1, 0.0, 0.0), (1 / 7,) * 7, 0.0, ())
    pieces = [
        Piece(person, 0, emotion == 3, emotion, FIRST_DAY, "honest")
        for person, emotion in ((1, 4), (2, 4), (3, 3))
    ]
    await fill(sqlite_url, pieces, FACE[None], [blend])
    database = open_database(sqlite_url)
    try:
        plan = await plan_retrain(database)
    finally:
        await database.close()
    assert (plan.confirmations, plan.corrections, plan.people) == (1, 2, 3)
    assert len(plan.division.training) == 1  # one photo, whoever sent it
