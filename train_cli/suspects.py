"""Which faces of a prepared split a person should look at again, and why.

Knows votes, a classifier's probabilities and pixels; neither files of decisions nor pictures. How
good each rule is: docs/data_care.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_model.emotions import EMOTION_COUNT, EMOTIONS
from train_cli.confident_learning import confident_classes, label_issues, self_confidence
from train_cli.decisions import DROP, KEEP
from train_cli.splits import FaceSet
from train_cli.votes import VOTE_COLUMNS

SuspectKind = Literal[
    "not a face", "placeholder", "drawing", "cannot be told", "copy", "label", "label (people)",
    "label (network)",
]  # fmt: skip
KINDS: Final[tuple[SuspectKind, ...]] = get_args(SuspectKind)
"""In the order of a review; a face is listed under the first that applies."""

_NOT_A_FACE: Final = VOTE_COLUMNS.index("not_a_face")
_UNKNOWN: Final = VOTE_COLUMNS.index("unknown")

MANY_PEOPLE: Final = 0.7
"""Share of all votes with which people contradict a label by themselves."""
FEW_PEOPLE: Final = 0.1
"""Share of all votes that a label so contradicted may still have."""

_FLAT_RANGE: Final = 4
_SHARP_RANGE: Final = 90
_DRAWN: Final = 1.05
"""`drawnness` from which on a picture is rather drawn than photographed.

Chosen by looking: of the 60 above it in FER2013's training split that people call faces, three in
four are drawn; below it photographs soon prevail.
"""
_TWO_GREYS: Final = 0.7
"""Share of pixels near one of two grey levels from which on a picture is text or an icon.

Chosen by looking: of the 47 above it in FER2013's training split about 36 are placeholders or
drawings, the others photographs of faces before black.
"""
_NEAR_GREY: Final = 4
_COPY_BITS: Final = 4
_COPY_CORRELATION: Final = 0.97
_PLACEHOLDER_COPIES: Final = 4
_BLOCK: Final = 256


@dataclass(frozen=True)
class Suspect:
    """One face to look at.

    Attributes:
        place: In the `FaceSet`.
        suggestion: `drop`, or the emotion that it may be.
        reason: Why, for a person.
        doubt: Within its kind, the most doubtful first; 0 to 1.
        decision: `drop`, an emotion, or `keep`: what stands if nobody looks.
    """

    place: int
    kind: SuspectKind
    suggestion: str
    reason: str
    doubt: float
    decision: str


def find_suspects(faces: FaceSet, probabilities: NDArray[np.float64] | None) -> list[Suspect]:
    """The suspects among `faces`, by kind and doubt; at most one entry for a face.

    Args:
        faces: With votes where there are any.
        probabilities: (N, 7), of the labels, by a classifier; best one that never saw the face.
    """
    groups = _groups(near_copies(faces.crops.numpy()[:, 0]))
    found = [
        *_not_faces(faces),
        *_placeholders(faces, groups),
        *_drawings(faces),
        *_cannot_be_told(faces),
        *_copies(faces, groups),
        *_labels(faces, probabilities),
    ]
    first: dict[int, Suspect] = {}
    for suspect in found:
        first.setdefault(suspect.place, suspect)
    return sorted(first.values(), key=lambda s: (KINDS.index(s.kind), -s.doubt, s.place))


def vote_shares(votes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shares (N, 10) of all votes; zeros where nobody voted."""
    counts = votes.astype(np.float64)
    return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1))


def drawnness(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How much of each crop (N, H, W) is flat or a hard edge, as in drawings; 0 to 2.

    Share of 3x3 patches within 4 grey levels, plus twice the share of those that span 90.
    """
    values = []
    for block in np.array_split(crops, max(1, len(crops) // _BLOCK)):
        patches = np.lib.stride_tricks.sliding_window_view(block, (3, 3), axis=(1, 2))
        span = patches.max((3, 4)).astype(np.int16) - patches.min((3, 4))
        values.append((span <= _FLAT_RANGE).mean((1, 2)) + 2 * (span >= _SHARP_RANGE).mean((1, 2)))
    return np.concatenate(values)


def two_greys(crop: NDArray[np.uint8]) -> float:
    """Share of a crop's pixels within 4 levels of one of its two most frequent greys."""
    counts = np.bincount(crop.ravel(), minlength=256)
    total = 0.0
    for _ in range(2):
        near = np.convolve(counts, np.ones(2 * _NEAR_GREY + 1), "same")
        middle = int(near.argmax())
        total += near[middle]
        counts[max(0, middle - _NEAR_GREY) : middle + _NEAR_GREY + 1] = 0
    return float(total / crop.size)


def near_copies(crops: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Pairs (P, 2) of places, the lower first, of crops (N, H, W) that are nearly one picture.

    Candidates are pairs whose difference hashes (64 bits, Krawetz 2013) differ in at most 4 bits;
    of these, those whose pixels correlate by 0.97 or more.
    """
    hashes = np.array([_difference_hash(crop) for crop in crops], dtype=np.uint64)
    flat = crops.reshape(len(crops), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    for first in range(0, len(crops), _BLOCK):
        block = hashes[first : first + _BLOCK]
        distance = np.bitwise_count(block[:, None] ^ hashes[None, first:])
        one, other = np.nonzero(distance <= _COPY_BITS)
        candidates = np.stack([one, other], 1)[other > one] + first
        alike = (flat[candidates[:, 0]] * flat[candidates[:, 1]]).sum(1)
        pairs.append(candidates[alike >= _COPY_CORRELATION])
    return np.concatenate(pairs)


def _difference_hash(crop: NDArray[np.uint8]) -> int:
    small = np.asarray(Image.fromarray(crop).resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def _not_faces(faces: FaceSet) -> Iterator[Suspect]:
    shares = vote_shares(faces.votes.numpy())[:, _NOT_A_FACE]
    for place in np.flatnonzero(shares >= 0.5).tolist():
        reason = f"{_people(faces, place, _NOT_A_FACE)} say: not a face"
        yield Suspect(place, "not a face", DROP, reason, float(shares[place]), DROP)


def _placeholders(faces: FaceSet, groups: Sequence[Sequence[int]]) -> Iterator[Suspect]:
    """Text, icons, and one picture again and again; unless people, asked, saw a face."""
    asked = faces.votes.numpy().sum(1) > 0
    crops = faces.crops.numpy()[:, 0]
    for place in np.flatnonzero(~asked).tolist():
        share = two_greys(crops[place])
        if share >= _TWO_GREYS:
            reason = f"{share:.0%} of it has one of two grey levels: text or an icon"
            yield Suspect(place, "placeholder", DROP, reason, share, DROP)
    for group in groups:
        if len(group) >= _PLACEHOLDER_COPIES and not asked[list(group)].any():
            for place in group:
                reason = f"nearly the same picture is there {len(group)} times"
                yield Suspect(place, "placeholder", DROP, reason, 0.0, DROP)


def _drawings(faces: FaceSet) -> Iterator[Suspect]:
    drawn = drawnness(faces.crops.numpy()[:, 0])
    for place in np.flatnonzero(drawn >= _DRAWN).tolist():
        reason = f"flat areas and hard edges ({drawn[place]:.2f}): a drawing"
        yield Suspect(place, "drawing", DROP, reason, min(1.0, float(drawn[place]) / 2), DROP)
    shares = vote_shares(faces.votes.numpy())[:, _NOT_A_FACE]
    for place in np.flatnonzero(shares > 0).tolist():
        reason = f"{_people(faces, place, _NOT_A_FACE)} say: not a face"
        yield Suspect(place, "drawing", DROP, reason, float(shares[place]) / 4, KEEP)


def _cannot_be_told(faces: FaceSet) -> Iterator[Suspect]:
    votes = faces.votes.numpy()
    unknown = votes[:, _UNKNOWN]
    for place in np.flatnonzero((unknown > 0) & (unknown >= votes.max(1))).tolist():
        reason = f"{_people(faces, place, _UNKNOWN)} cannot tell, no emotion has more"
        doubt = float(vote_shares(votes[place : place + 1])[0, _UNKNOWN])
        yield Suspect(place, "cannot be told", DROP, reason, doubt, KEEP)


def _copies(faces: FaceSet, groups: Sequence[Sequence[int]]) -> Iterator[Suspect]:
    """Near-copies of different labels: all but those with the label that most of the group have."""
    labels, votes = faces.labels.numpy(), faces.votes.numpy()[:, :EMOTION_COUNT]
    for group in groups:
        counts = np.bincount(labels[list(group)], minlength=EMOTION_COUNT)
        if np.count_nonzero(counts) < 2:
            continue
        people = votes[list(group)].sum(0)
        winner = int(np.lexsort((people, counts))[-1])
        for place in group:
            if labels[place] != winner:
                twin = next(other for other in group if labels[other] == winner)
                reason = f"nearly the same picture as {faces.files[twin]}"
                yield Suspect(place, "copy", EMOTIONS[winner], reason, 0.5, KEEP)


def _labels(faces: FaceSet, probabilities: NDArray[np.float64] | None) -> Iterator[Suspect]:
    """Labels that people, a network, or both contradict."""
    labels = faces.labels.numpy()
    shares = vote_shares(faces.votes.numpy())[:, :EMOTION_COUNT]
    places = np.arange(len(labels))
    preferred = shares.argmax(1)
    ahead = shares[places, preferred] - shares[places, labels]
    clear = (shares[places, preferred] >= MANY_PEOPLE) & (shares[places, labels] <= FEW_PEOPLE)
    if probabilities is None:
        probabilities = np.eye(EMOTION_COUNT)[labels]
    belongs = confident_classes(labels, probabilities)
    doubted = label_issues(labels, probabilities)
    own = self_confidence(labels, probabilities)
    for place in np.flatnonzero(clear | doubted).tolist():
        agreed = doubted[place] and preferred[place] == belongs[place] and ahead[place] > 0
        kind: SuspectKind = "label"
        if not agreed:
            kind = "label (people)" if clear[place] else "label (network)"
        by_people = agreed or clear[place]
        suggested = int(preferred[place] if by_people else belongs[place])
        reasons = [f"{_people(faces, place, suggested)} say {EMOTIONS[suggested]}"]
        if doubted[place]:
            reasons.append(f"the network gives {EMOTIONS[labels[place]]} {own[place]:.0%}")
        doubt = float(ahead[place]) if kind == "label (people)" else 1 - float(own[place])
        yield Suspect(place, kind, EMOTIONS[suggested], "; ".join(reasons), doubt, KEEP)


def _groups(pairs: NDArray[np.int64]) -> list[list[int]]:
    """Places that are connected by pairs."""
    group_of: dict[int, list[int]] = {}
    for one, other in pairs.tolist():
        first, second = group_of.get(one, [one]), group_of.get(other, [other])
        if first is not second:
            first += second
            group_of |= dict.fromkeys(first, first)
    return [group for place, group in group_of.items() if group[0] == place]


def _people(faces: FaceSet, place: int, answer: int) -> str:
    votes = faces.votes[place]
    return f"{int(votes[answer])} of {int(votes.sum())} people"
