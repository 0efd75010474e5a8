"""A blend in whole people, as both words and pictures tell it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fer_model import EMOTIONS, Blend
from store.emotions import top_emotion
from store.records import Face, Probabilities


@dataclass(frozen=True)
class Share:
    """How many name this emotion: people for one face, faces for a crowd."""

    emotion: str
    count: int


def of_ten_people(face: Face) -> tuple[Share, ...]:
    """What ten people would say of a face: those emotions that anybody names, most people first.

    The blend's top emotion comes first even where rounding gives another as many people.
    """
    return of_crowd(face.crowd)


def of_crowd(crowd: Probabilities) -> tuple[Share, ...]:
    """The same, of what the crowd head said alone."""
    people = Blend(crowd=crowd, label=crowd).of_ten()
    order = sorted(range(len(EMOTIONS)), key=lambda index: (-people[index], -crowd[index]))
    return tuple(Share(EMOTIONS[index], people[index]) for index in order if people[index])


def of_faces(faces: Sequence[Face]) -> tuple[Share, ...]:
    """How many of the faces would most often be called each emotion, most faces first."""
    tops = Counter(top_emotion(face.crowd) for face in faces)
    return tuple(
        Share(emotion, tops[emotion])
        for emotion in sorted(tops, key=lambda name: (-tops[name], EMOTIONS.index(name)))
    )
