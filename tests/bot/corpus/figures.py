"""How well a parser does on the corpus: two figures that decide, others that tell how it got there.

The parser's outcome comes in the corpus's notation; README.md beside this file defines every
figure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bot.corpus import FaceMissing, Meaning, Phrase, Rejected, Vote, meaning_of

SHARE_TOLERANCE: Final = 0.05
"""Shares of a mixture that differ by no more are the same share."""


@dataclass(frozen=True)
class Verdict:
    """What became of one phrase.

    Attributes:
        as_meant: The outcome is what was meant, or as good.
        to_record: The first meaning has a vote that names its face.
        recorded: A vote would be written down.
        recorded_not_meant: One would that fits none of the phrase's meanings.
        asked: The bot would ask back, and record nothing.
    """

    phrase: Phrase
    outcome: Meaning
    as_meant: bool
    to_record: bool
    recorded: bool
    recorded_not_meant: bool
    asked: bool


@dataclass(frozen=True)
class Figures:
    """Counts of phrases; the shares are theirs.

    Attributes:
        phrases: All.
        as_meant: Of all, parsed as meant.
        recorded_not_meant: Of all, where something was recorded that was not meant.
        to_record: Those whose first meaning has something to record.
        recorded_as_meant: Of those, where it was, without asking.
        not_feedback: Those that mean "none".
        asked_needlessly: Of those, where the bot asked all the same, also where that is as good.
    """

    phrases: int
    as_meant: int
    recorded_not_meant: int
    to_record: int
    recorded_as_meant: int
    not_feedback: int
    asked_needlessly: int

    @property
    def parsed_as_meant_share(self) -> float:
        """Share of all phrases; at least 0.95 is wanted."""
        return self.as_meant / self.phrases

    @property
    def recorded_not_meant_share(self) -> float:
        """Share of all phrases; at most 0.005 is allowed."""
        return self.recorded_not_meant / self.phrases


def judge(phrase: Phrase, outcome: str) -> Verdict:
    """Return what became of a phrase of which a parser made `outcome`, in the corpus's notation.

    A face that the photo has not got makes the bot ask, whatever else was said.

    Raises:
        CorpusDamaged: the outcome is no notation.
    """
    try:
        return _verdict(phrase, meaning_of(outcome, phrase.read))
    except FaceMissing:
        return _verdict(phrase, Meaning("ask"))


def _verdict(phrase: Phrase, outcome: Meaning) -> Verdict:
    recorded = [vote for vote in outcome.votes if vote.face is not None]
    meant = [vote for meaning in phrase.meanings for vote in meaning.votes]
    return Verdict(
        phrase,
        outcome,
        as_meant=any(_same(outcome, meaning) for meaning in phrase.meanings),
        to_record=any(vote.face is not None for vote in phrase.meant.votes),
        recorded=bool(recorded),
        recorded_not_meant=any(not any(_fits(one, other) for other in meant) for one in recorded),
        asked=outcome.is_feedback and not recorded,
    )


def figures(verdicts: Iterable[Verdict]) -> Figures:
    """Return the counts.

    Raises:
        ValueError: there is no verdict.
    """
    every = list(verdicts)
    if not every:
        raise ValueError("no phrase was judged")
    to_record = [one for one in every if one.to_record]
    not_feedback = [one for one in every if not one.phrase.meant.is_feedback]
    return Figures(
        phrases=len(every),
        as_meant=sum(one.as_meant for one in every),
        recorded_not_meant=sum(one.recorded_not_meant for one in every),
        to_record=len(to_record),
        recorded_as_meant=sum(one.recorded and one.as_meant for one in to_record),
        not_feedback=len(not_feedback),
        asked_needlessly=sum(one.asked for one in not_feedback),
    )


def _same(outcome: Meaning, meaning: Meaning) -> bool:
    if meaning.votes:
        return (
            len(outcome.votes) == len(meaning.votes)
            and all(any(_fits(one, other) for other in meaning.votes) for one in outcome.votes)
            and {one.face for one in outcome.rejected} == {one.face for one in meaning.rejected}
        )
    if meaning.kind == "none":
        return outcome.kind == "none"
    return _asks_about(outcome, meaning)


def _asks_about(outcome: Meaning, meaning: Meaning) -> bool:
    """Return whether the outcome asks back, about no wrong face and with no wrong denial."""
    if outcome.kind == "none" or any(vote.face is not None for vote in outcome.votes):
        return False
    return _agree(_faces_named(outcome), _faces_named(meaning)) and _agree(
        _denied(outcome.rejected), _denied(meaning.rejected)
    )


def _faces_named(meaning: Meaning) -> frozenset[int]:
    named = (meaning.named, *(one.face for one in meaning.rejected))
    return frozenset(face for face in named if face is not None)


def _denied(rejected: Sequence[Rejected]) -> frozenset[str]:
    return frozenset(one.denied for one in rejected if one.denied is not None)


def _agree(one: frozenset[Any], other: frozenset[Any]) -> bool:
    return not one or not other or one == other


def _fits(one: Vote, meant: Vote) -> bool:
    if one.face != meant.face:
        return False
    if one.ordered and not meant.ordered:
        return False
    if meant.ordered:
        return _order(one) == [emotion for emotion, _ in meant.shares]
    mine, theirs = dict(one.shares), dict(meant.shares)
    return all(
        abs(mine.get(emotion, 0.0) - theirs.get(emotion, 0.0)) <= SHARE_TOLERANCE + 1e-9
        for emotion in mine.keys() | theirs.keys()
    ) and bool(mine) == bool(theirs)


def _order(vote: Vote) -> list[str] | None:
    """Return the emotions, the largest share first; None where two shares are equal."""
    if vote.ordered:
        return [emotion for emotion, _ in vote.shares]
    shares = sorted(vote.shares, key=lambda one: -one[1])
    if len({share for _, share in shares}) < len(shares):
        return None
    return [emotion for emotion, _ in shares]
