"""Which labels a classifier that never saw them contradicts, from probabilities alone.

Knows neither faces nor votes. Agrees with cleanlab 2.9's `find_label_issues(filter_by=
"confident_learning")` and its ranking by self-confidence; see docs/data_care.md for why it is not
a dependency.

Source: Northcutt, Jiang, Chuang 2021, "Confident learning: estimating uncertainty in dataset
labels", section 3.1.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_ROUNDING: Final = 1e-6
"""A probability so little below its class's threshold reaches it, as in cleanlab."""


def self_confidence(labels: Labels, probabilities: Array) -> Array:
    """The probability (N,) that each face's own label got, of probabilities (N, C)."""
    return np.asarray(probabilities[np.arange(len(labels)), labels])


def class_thresholds(labels: Labels, probabilities: Array) -> Array:
    """Per class (C,), the mean probability of it over the faces labelled so; 1 where none is."""
    own = self_confidence(labels, probabilities)
    return np.array(
        [
            own[labels == place].mean() if (labels == place).any() else 1.0
            for place in range(probabilities.shape[1])
        ]
    )


def confident_classes(labels: Labels, probabilities: Array) -> Labels:
    """The class (N,) that each face confidently belongs to, -1 where it does to none.

    Confidently: its probability is at least as high as it is on average for the faces labelled
    so, which makes up for classes that the classifier rarely dares to name. Of several, and of
    those alone, the likeliest.
    """
    reached = probabilities >= class_thresholds(labels, probabilities) - _ROUNDING
    likeliest = np.where(reached, probabilities, -1.0).argmax(1)
    return np.where(reached.any(1), likeliest, -1).astype(np.int64)


def label_issues(labels: Labels, probabilities: Array) -> NDArray[np.bool_]:
    """Which faces (N,) confidently belong to another class than their label's."""
    belongs = confident_classes(labels, probabilities)
    return np.asarray((belongs >= 0) & (belongs != labels))
