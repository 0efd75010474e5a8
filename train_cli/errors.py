"""What can go wrong in `train_cli`, each shown to its user as one line.

TrainingError
├── DataSetRefused       the folder or archive is no usable data set
├── SplitUnusable        a prepared split is missing or damaged
├── CheckpointUnusable   a run cannot be resumed or packed
├── TrainingDiverged     the loss is no longer a number
└── RunRefused           a retrain, promotion or schedule cannot go ahead
"""


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
