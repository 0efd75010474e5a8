"""How much each piece of feedback counts: from rows alone, without photos or networks.

Whoever names emotions at random, always the same one, or one in place of another says nothing about
what confident readings and other people say of the same faces; whoever looks at the faces does.
That is what trust measures, and what it leaves alone: contradicting readings that were unsure costs
little, sending faces that all show one emotion nothing.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from store.emotions import EMOTIONS
from store.feedback import trainable
from store.readings import face_name
from store.records import FeedbackKind, RulingVerdict
from store.rulings import is_newest_ruling
from store.tables import FaceRow, FeedbackRow, ReadingRow, RulingRow

if TYPE_CHECKING:  # numpy is loaded where it computes: the bot imports this and seldom needs it
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]
    Places: TypeAlias = NDArray[np.int64]

Reason: TypeAlias = Literal["burst", "streak", "ring", "distrusted"]
"""Why a piece waits for an admin."""

_ROUNDS: Final = 8
"""Trust depends on others' trust; by then it has settled to the third digit."""


@dataclass(frozen=True)
class Voice:
    """One piece of active feedback, as trust sees it.

    Attributes:
        feedback_id: Its row.
        person_id: Who gave it.
        face: Equal for the same face of the same photo, whoever sent it: `face_name`.
        kind: Whether it confirmed or corrected.
        shares: (7,), what was said; one-hot unless a mixture was named.
        crowd: (7,), what the bot had answered.
        ruling: The newest of admins; None where there is none or it was skipped.
        created_at: When it was given.
    """

    feedback_id: int
    person_id: int
    face: str
    kind: FeedbackKind
    shares: tuple[float, ...]
    crowd: tuple[float, ...]
    ruling: RulingVerdict | None
    created_at: datetime


@dataclass(frozen=True)
class TrustPolicy:
    """What trust is made of; docs/trust.md says where each number is from.

    Attributes:
        newcomer: Trust in somebody about whom nothing is known, 0 to 1.
        full: A person's pieces weigh 1 from this much trust on, and in proportion below.
        confident: A reading whose top emotion has at least this share is evidence.
        reading_people: How many people's votes a confident reading is worth as evidence.
        unsure_people: The same for the others ...
        unsure_against: ... which in all say this much against a person at most, nats.
        confirming: How much seldomer people say that a reading is right than that it is wrong.
        spread: How much people disagree about one face: pseudo-votes for the emotions' overall
            shares beside what is known of the face.
        credit: Most evidence for a person that is remembered, nats: weeks of honesty do not pay
            for a night of trolling.
        accepted: What an admin's acceptance says for a person, nats.
        rejected: What a rejection says against them, nats.
        distrusted: Below this much trust, a person's pieces wait for an admin.
        person_most: Weight of one person in one retrain, at most.
        day_most: Weight of one person's pieces of one UTC day, at most.
        burst_photos: More photos than this ...
        burst_seconds: ... spoken about within this time are a burst.
        streak: So many times the same emotion against confident readings of at least two others,
            and three times as often against as with them, is a streak.
        ring_people: A substitution is systematic if at least so many people make it ...
        ring_excess: ... so many times as often as confident readings let expect.
    """

    newcomer: float = 0.6
    full: float = 0.75
    confident: float = 0.8
    reading_people: float = 8.0
    unsure_people: float = 2.0
    unsure_against: float = 1.0
    confirming: float = 0.5
    spread: float = 1.0
    credit: float = 4.0
    accepted: float = 1.5
    rejected: float = 2.5
    distrusted: float = 0.1
    person_most: float = 40.0
    day_most: float = 20.0
    burst_photos: int = 12
    burst_seconds: float = 120.0
    streak: int = 4
    ring_people: int = 5
    ring_excess: float = 3.0


DEFAULT_TRUST: Final = TrustPolicy()


@dataclass(frozen=True)
class Trusted:
    """What every piece weighs.

    Attributes:
        weights: 0 to 1 by feedback id; 0 for what is quarantined, rejected or over a cap.
        quarantined: Why a piece waits for an admin, by feedback id.
        people: Trust 0 to 1 by person id.
    """

    weights: Mapping[int, float]
    quarantined: Mapping[int, Reason]
    people: Mapping[int, float]


async def voices(session: AsyncSession) -> tuple[Voice, ...]:
    """Return all that may be learnt from as trust sees it; by feedback id.

    The same pieces as `store.feedback.active_feedback_for_training`, without the crops.
    """
    verdicts = await session.execute(
        select(RulingRow.feedback_id, RulingRow.verdict).where(
            is_newest_ruling(), RulingRow.verdict != "skipped"
        )
    )
    ruled = dict(verdicts.all())
    rows = await session.execute(
        trainable(
            select(
                FeedbackRow.id,
                FeedbackRow.person_id,
                FeedbackRow.kind,
                FeedbackRow.emotion,
                FeedbackRow.shares,
                FeedbackRow.created_at,
                FaceRow.number,
                FaceRow.crowd,
                ReadingRow.file_unique_id,
            )
        ).order_by(FeedbackRow.id)
    )
    return tuple(
        Voice(
            feedback_id=row.id,
            person_id=row.person_id,
            face=face_name(row.file_unique_id, row.number),
            kind=cast(FeedbackKind, row.kind),
            shares=tuple(row.shares or one_hot(cast(str, row.emotion))),
            crowd=tuple(row.crowd),
            ruling=cast(RulingVerdict | None, ruled.get(row.id)),
            created_at=row.created_at,
        )
        for row in rows
    )


def one_hot(emotion: str) -> tuple[float, ...]:
    """Return the shares (7,) of somebody who named this emotion alone."""
    return tuple(float(emotion == name) for name in EMOTIONS)


def weigh(said: Sequence[Voice], policy: TrustPolicy = DEFAULT_TRUST) -> Trusted:
    """Return how much every piece counts; the order of `said` does not matter."""
    if not said:
        return Trusted({}, {}, {})
    ordered = sorted(said, key=lambda voice: (voice.created_at, voice.feedback_id))
    evidence = _Evidence(ordered, policy)
    trust, nats = evidence.settled()
    quarantined = _quarantined(ordered, evidence, trust, nats, policy)
    weights = {}
    for voice in ordered:
        weight = min(1.0, trust[voice.person_id] / policy.full)
        if voice.ruling == "accepted":
            weight = 1.0
        elif voice.ruling == "rejected" or voice.feedback_id in quarantined:
            weight = 0.0
        weights[voice.feedback_id] = weight
    return Trusted(_capped(ordered, weights, policy), quarantined, trust)


def information(voice: Voice) -> float:
    """Return how far the bot's answer is from what was said: total variation, 0 to 1."""
    return sum(abs(a - b) for a, b in zip(voice.shares, voice.crowd, strict=True)) / 2


def suspicion(voice: Voice, trusted: Trusted) -> float:
    """Return how suspicious a piece is, 0 to 1: quarantined is 1, else as its giver is trusted."""
    if voice.feedback_id in trusted.quarantined:
        return 1.0
    return 1.0 - trusted.people[voice.person_id]


def review_order(said: Sequence[Voice], trusted: Trusted) -> tuple[int, ...]:
    """Return the feedback ids that no admin has ruled on, most worth a look first.

    By suspicion and information together; a person's second piece counts half, the third a third,
    and so on, for a ruling on one says something about all.
    """
    by_person: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for voice in said:
        if voice.ruling is None:
            worth = suspicion(voice, trusted) + information(voice)
            by_person[voice.person_id].append((worth, voice.feedback_id))
    ranked = [
        (worth / place, feedback_id)
        for pieces in by_person.values()
        for place, (worth, feedback_id) in enumerate(
            sorted(pieces, key=lambda piece: (-piece[0], piece[1])), start=1
        )
    ]
    return tuple(piece[1] for piece in sorted(ranked, key=lambda piece: (-piece[0], piece[1])))


class _Evidence:
    """All pieces as arrays: what is expected of each face, and what that says about people."""

    def __init__(self, ordered: Sequence[Voice], policy: TrustPolicy) -> None:
        import numpy as np

        self._policy = policy
        self._face: Places = _numbered(voice.face for voice in ordered)
        self._person: Places = _numbered(voice.person_id for voice in ordered)
        self._own: Places = _numbered((voice.person_id, voice.face) for voice in ordered)
        self._accepted = np.array([voice.ruling == "accepted" for voice in ordered])
        self._rejected = np.array([voice.ruling == "rejected" for voice in ordered])
        self.shares: Array = np.array([voice.shares for voice in ordered], dtype=np.float64)
        self.said: Places = self.shares.argmax(axis=1)
        crowd: Array = np.array([voice.crowd for voice in ordered], dtype=np.float64)
        self.read: Places = crowd.argmax(axis=1)
        self.confident: NDArray[np.bool_] = crowd.max(axis=1) >= policy.confident
        # What people who speak at all would say: that a reading is right goes without saying.
        crowd[np.arange(len(crowd)), self.read] *= policy.confirming
        self.spoken: Array = crowd / crowd.sum(axis=1, keepdims=True)
        self.ordered = ordered
        self.pieces: dict[int, list[int]] = defaultdict(list)
        for place, voice in enumerate(ordered):
            self.pieces[voice.person_id].append(place)
        # How often honest people name each emotion: by the readings, which trolls do not choose.
        self.usual: Array = 0.8 * self.spoken.mean(axis=0) + 0.2 / len(EMOTIONS)
        self.usual /= self.usual.sum()

    def expected(self, weights: "Array | None" = None) -> "Array":
        """What the next honest person would say of each piece's face, (N, 7), without its giver.

        Mean of a Dirichlet: usual shares, a confident reading's votes, and others' votes by weight.
        """
        import numpy as np

        policy = self._policy
        counts = policy.spread * self.usual + self.spoken * (
            policy.reading_people * self.confident[:, None]
        )
        if weights is not None:
            votes = self.shares * weights[:, None]
            counts = counts + _together(votes, self._face) - _together(votes, self._own)
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))

    def nats(self, weights: "Array | None" = None) -> "Array":
        """What each piece says for its giver (N,): above 0, it knows something of the face."""
        import numpy as np

        expected = self.expected(weights)
        likelihood = (self.shares * expected).sum(axis=1) / (self.shares * self.usual).sum(axis=1)
        found: Array = np.log(likelihood)
        found[self._accepted] = self._policy.accepted
        found[self._rejected] = -self._policy.rejected
        return found

    def settled(self) -> tuple[dict[int, float], "Array"]:
        """Everybody's trust, and what each piece says for its giver."""
        import numpy as np

        nats = self.nats()
        favours = self._favours()
        for _ in range(_ROUNDS):
            said = nats.tolist()
            trust = {
                person: self._trust([said[place] for place in places], favours[person])
                for person, places in self.pieces.items()
            }
            nats = self.nats(np.array(list(trust.values()))[self._person])
        return trust, nats

    def _favours(self) -> dict[int, float]:
        """What unsure readings say for each person in all, nats: little against anybody."""
        import numpy as np

        usual = self._policy.spread * self.usual
        expected = usual + self._policy.unsure_people * self.spoken
        expected /= expected.sum(axis=1, keepdims=True)
        ratio = (self.shares * expected).sum(axis=1) / (self.shares * self.usual).sum(axis=1)
        nats = np.where(self.confident, 0.0, np.log(ratio))
        return {
            person: max(-self._policy.unsure_against, float(nats[places].sum()))
            for person, places in self.pieces.items()
        }

    def _trust(self, nats: Sequence[float], favour: float) -> float:
        """Trust in a person whose pieces say these, oldest first, beside what unsure readings say.

        The lower of both directions in time: credit is bounded, so what came before cannot pay
        for what came later, nor the other way round.
        """
        start = favour + math.log(self._policy.newcomer / (1 - self._policy.newcomer))
        ends = []
        for direction in (nats, nats[::-1]):
            score = min(start, self._policy.credit)
            for piece in direction:
                score = min(score + piece, self._policy.credit)
            ends.append(score)
        return 1 / (1 + math.exp(min(50.0, -min(ends))))


def _numbered(things: Iterable[Hashable]) -> "Places":
    """A number for each, equal for equal ones, from 0 in the order in which they first come."""
    import numpy as np

    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(thing, len(numbers)) for thing in things])


def _together(votes: "Array", of: "Places") -> "Array":
    """For each of (N, 7) votes the sum of all that have its number, (N, 7)."""
    import numpy as np

    sums = np.zeros((of.max() + 1, votes.shape[1]))
    np.add.at(sums, of, votes)
    return np.asarray(sums[of])


def _quarantined(
    ordered: Sequence[Voice],
    evidence: _Evidence,
    trust: Mapping[int, float],
    nats: "Array",
    policy: TrustPolicy,
) -> dict[int, Reason]:
    """Why pieces wait for an admin, those that no admin has ruled on."""
    found: dict[int, Reason] = {}
    for reason, places in (
        ("ring", _ring(evidence, nats, policy)),
        ("streak", _streaks(evidence, nats, policy)),
        ("burst", _bursts(evidence, policy)),
        (
            "distrusted",
            [i for i, v in enumerate(ordered) if trust[v.person_id] < policy.distrusted],
        ),
    ):
        for place in places:
            if ordered[place].ruling is None:
                found.setdefault(ordered[place].feedback_id, cast(Reason, reason))
    return found


def _contradicts(evidence: _Evidence, nats: "Array") -> "NDArray[np.bool_]":
    """Whether each piece contradicts a confident reading, and other people do not bear it out."""
    return cast(
        "NDArray[np.bool_]", evidence.confident & (evidence.said != evidence.read) & (nats < 0)
    )


def _ring(evidence: _Evidence, nats: "Array", policy: TrustPolicy) -> list[int]:
    """Pieces of a substitution that many people make far more often than is to be expected."""
    contradicts = _contradicts(evidence, nats)
    expected = evidence.expected()
    found = []
    for read in range(len(EMOTIONS)):
        shown = evidence.confident & (evidence.read == read)
        for said in range(len(EMOTIONS)):
            places = (contradicts & shown & (evidence.said == said)).nonzero()[0]
            people = {evidence.ordered[place].person_id for place in places}
            usual = float(expected[shown, said].sum())
            if len(people) >= policy.ring_people and len(places) > policy.ring_excess * usual:
                found += places.tolist()
    return found


def _streaks(evidence: _Evidence, nats: "Array", policy: TrustPolicy) -> list[int]:
    """What a person says again and again against confident readings of different emotions."""
    contradicts = _contradicts(evidence, nats)
    found = []
    for places in evidence.pieces.values():
        by_said: dict[int, list[int]] = defaultdict(list)
        for place in places:
            by_said[int(evidence.said[place])].append(place)
        for mine in by_said.values():
            against = [place for place in mine if contradicts[place]]
            borne_out = [place for place in mine if nats[place] > 0]
            against_what = {int(evidence.read[place]) for place in against}
            if (
                len(against) >= policy.streak
                and len(against_what) >= 2
                and len(against) >= 3 * len(borne_out)
            ):
                found += [place for place in mine if nats[place] <= 0]
    return found


def _bursts(evidence: _Evidence, policy: TrustPolicy) -> list[int]:
    """Pieces about more photos than a person looks at in so short a time."""
    found: set[int] = set()
    within = timedelta(seconds=policy.burst_seconds)
    for places in evidence.pieces.values():
        first = 0
        photos: Counter[str] = Counter()
        for last, place in enumerate(places):
            photos[_photo(evidence.ordered[place])] += 1
            earliest = evidence.ordered[place].created_at - within
            while evidence.ordered[places[first]].created_at < earliest:
                gone = _photo(evidence.ordered[places[first]])
                photos[gone] -= 1
                if not photos[gone]:
                    del photos[gone]
                first += 1
            if len(photos) > policy.burst_photos:
                found.update(places[first : last + 1])
    return sorted(found)


def _photo(voice: Voice) -> str:
    return voice.face.rpartition("#")[0] or voice.face


def _capped(
    ordered: Sequence[Voice], weights: Mapping[int, float], policy: TrustPolicy
) -> dict[int, float]:
    """The weights with what is over a cap at 0: accepted pieces first, then the oldest.

    Of what one person says about the same face again and again, the newest counts.
    """
    newest = {(voice.person_id, voice.face): voice.feedback_id for voice in ordered}
    spent: defaultdict[object, float] = defaultdict(float)
    capped = dict.fromkeys((voice.feedback_id for voice in ordered), 0.0)
    for voice in _accepted_first(ordered):
        weight = weights[voice.feedback_id]
        day = (voice.person_id, voice.created_at.date())
        if newest[voice.person_id, voice.face] != voice.feedback_id:
            continue
        if (
            spent[voice.person_id] + weight > policy.person_most
            or spent[day] + weight > policy.day_most
        ):
            continue
        spent[voice.person_id] += weight
        spent[day] += weight
        capped[voice.feedback_id] = weight
    return capped


def _accepted_first(ordered: Iterable[Voice]) -> list[Voice]:
    return sorted(ordered, key=lambda voice: voice.ruling != "accepted")
