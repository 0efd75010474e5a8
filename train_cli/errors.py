"""What can go wrong in `train_cli`, each shown to its user as one line.

TrainingError
├── DataSetRefused       the folder or archive is no usable data set
├── SplitUnusable        a prepared split is missing or damaged
├── CheckpointUnusable   a run cannot be resumed or packed
├── TrainingDiverged     the loss is no longer a number
├── RunRefused           a retrain, promotion or schedule cannot go ahead
│   └── PromotionRefused the gate says no, and nobody overrides it
├── TookTooLong          a retrain was stopped at its time limit
├── RunStuck             one did not even stop: only its process can end it
└── WorkersUnusable      several workers cannot train together
    └── EndedElsewhere   another worker failed, and says why
"""

from collections.abc import Sequence
from typing import cast

from sqlalchemy.exc import SQLAlchemyError

from fer_model.versions import SHORT_DIGEST
from store.records import Verdict


class TrainingError(Exception):
    """Base of every expected failure of `train_cli`."""


class DataSetRefused(TrainingError):
    """The data set has unknown classes, nothing in it, or cannot be read."""


class SplitUnusable(TrainingError):
    """A prepared split is missing or does not match its CSV."""


class CheckpointUnusable(TrainingError):
    """A training run's checkpoint is missing or belongs to other settings."""


class TrainingDiverged(TrainingError):
    """The loss is no longer a number."""


class RunRefused(TrainingError):
    """A retrain, promotion or schedule cannot go ahead."""


class PromotionRefused(RunRefused):
    """The gate refuses the version, and no reason to promote it all the same was given."""

    def __init__(self, digest: str, verdict: Verdict) -> None:
        self.digest = digest
        self.verdict = verdict
        super().__init__(
            f"the gate refuses {digest[:SHORT_DIGEST]}: {reasons_in_words(verdict)}. "
            'To promote it all the same: --override --reason "…"'
        )


class TookTooLong(TrainingError):
    """A retrain was stopped at its time limit."""


class RunStuck(TrainingError):
    """A retrain did not stop when told to; a thread can be ended with its process only."""


class WorkersUnusable(TrainingError):
    """Several workers cannot train together, or one of them has ended."""


class EndedElsewhere(WorkersUnusable):
    """Another worker has failed and says why: this one has nothing to add."""


def in_one_line(error: BaseException) -> str:
    """What a person is told, and the database keeps, of an error.

    Of the database driver's only the name: its text may quote rows, and rows are about people.
    """
    if isinstance(error, SQLAlchemyError):
        return f"the database refused or did not answer ({type(error).__name__})"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def reasons_in_words(verdict: Verdict) -> str:
    """Why the gate refuses; nothing where it does not."""
    return "; ".join(cast("Sequence[str]", verdict.report.get("reasons", ())))
