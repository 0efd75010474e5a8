from dataclasses import replace

import numpy as np
import pytest
import torch

from fer_model.emotions import EMOTIONS
from tests.train_cli.generated import face_set
from train_cli.splits import FaceSet
from train_cli.suspects import (
    Suspect,
    drawnness,
    find_suspects,
    near_copies,
    two_greys,
)
from train_cli.votes import VOTE_COLUMNS


def voted(faces: FaceSet, place: int, **votes: int) -> FaceSet:
    """The faces, with other votes on one of them."""
    changed = faces.votes.clone()
    changed[place] = torch.tensor([float(votes.get(name, 0)) for name in VOTE_COLUMNS])
    return replace(faces, votes=changed)


def shown(faces: FaceSet, place: int, crop: np.ndarray) -> FaceSet:
    """The faces, with another picture at one place."""
    changed = faces.crops.clone()
    changed[place, 0] = torch.from_numpy(crop)
    return replace(faces, crops=changed)


def sure(faces: FaceSet) -> np.ndarray:
    """A classifier that agrees with every label."""
    probabilities = np.full((len(faces), 7), 0.02)
    probabilities[np.arange(len(faces)), faces.labels] = 0.88
    return probabilities


def only(suspects: list[Suspect]) -> Suspect:
    assert len(suspects) == 1
    return suspects[0]


def icon() -> np.ndarray:
    crop = np.full((48, 48), 250, np.uint8)
    crop[10:20, 10:30] = 0
    return crop


def photograph(number: int) -> np.ndarray:
    """Smooth enough to have a shape that survives shrinking."""
    random = np.random.default_rng(number)
    coarse = torch.from_numpy(random.normal(size=(1, 1, 6, 6)))
    smooth = torch.nn.functional.interpolate(coarse, (48, 48), mode="bicubic")[0, 0].numpy()
    return np.clip(128 + 40 * smooth + random.normal(0, 4, (48, 48)), 0, 255).astype(np.uint8)


def test_faces_that_everybody_agrees_on_are_no_suspects() -> None:
    faces = face_set(4)
    assert find_suspects(faces, sure(faces)) == []
    assert find_suspects(faces, None) == []


def test_what_half_the_people_call_no_face_goes() -> None:
    suspect = only(find_suspects(voted(face_set(2), 5, not_a_face=5, sad=5), None))
    assert (suspect.place, suspect.kind, suspect.decision) == (5, "not a face", "drop")
    assert suspect.reason == "5 of 10 people say: not a face"


def test_what_one_of_ten_calls_no_face_is_shown_and_stays() -> None:
    suspect = only(find_suspects(voted(face_set(2), 5, not_a_face=1, surprise=9), None))
    assert (suspect.kind, suspect.suggestion, suspect.decision) == ("drawing", "drop", "keep")


def test_an_icon_that_nobody_voted_on_goes() -> None:
    suspect = only(find_suspects(shown(voted(face_set(2), 3), 3, icon()), None))
    assert (suspect.place, suspect.kind, suspect.decision) == (3, "placeholder", "drop")


def test_two_greys_in_which_people_saw_a_face_are_no_placeholder() -> None:
    assert "placeholder" not in {s.kind for s in find_suspects(shown(face_set(2), 3, icon()), None)}


def test_the_same_picture_again_and_again_is_a_placeholder_where_nobody_voted() -> None:
    faces = face_set(3, votes=False)
    for place in (1, 4, 8, 15):
        faces = shown(faces, place, photograph(0))
    suspects = find_suspects(faces, None)
    assert {(s.place, s.kind) for s in suspects} == {(p, "placeholder") for p in (1, 4, 8, 15)}


def test_near_copies_of_different_labels_name_the_other_file() -> None:
    faces = face_set(3)
    noise = np.random.default_rng(1).integers(0, 5, (48, 48), dtype=np.uint8)
    faces = shown(shown(faces, 0, photograph(0)), 8, photograph(0) // 2 + 40 + noise)
    suspect = only(find_suspects(faces, None))
    assert suspect.kind == "copy"
    assert suspect.reason.endswith(faces.files[8 if suspect.place == 0 else 0])
    assert suspect.decision == "keep"


def test_near_copies_are_found_and_other_pictures_are_not() -> None:
    crops = np.stack([photograph(n) for n in (1, 2, 3, 1, 2)])
    crops[3] = np.clip(crops[3].astype(int) + 6, 0, 255).astype(np.uint8)
    assert near_copies(crops).tolist() == [[0, 3], [1, 4]]


def test_line_art_is_drawn_and_a_photograph_is_not() -> None:
    lines = np.full((48, 48), 255, np.uint8)
    lines[::5] = 0
    drawn, photo = drawnness(np.stack([lines, photograph(0)]))
    assert drawn > 1.05 > photo + 0.5


def test_two_greys_counts_the_pixels_near_either() -> None:
    assert two_greys(icon()) == pytest.approx(1)
    assert two_greys(np.arange(2304, dtype=np.int64).reshape(48, 48).astype(np.uint8)) < 0.1


def test_a_face_that_most_cannot_tell_is_shown_and_stays() -> None:
    suspect = only(find_suspects(voted(face_set(2), 5, unknown=4, sad=3, fear=3), None))
    assert (suspect.kind, suspect.decision) == ("cannot be told", "keep")


@pytest.mark.parametrize(
    ("happy", "sad", "network", "kind", "suggestion"),
    [
        (8, 1, "happy", "label", "happy"),
        (5, 4, "happy", "label", "happy"),
        (8, 1, "sad", "label (people)", "happy"),
        (8, 1, "fear", "label (people)", "happy"),
        (3, 7, "happy", "label (network)", "happy"),
        (6, 3, "sad", None, None),
    ],
)
def test_who_contradicts_a_label_decides_its_kind(
    happy: int, sad: int, network: str, kind: str | None, suggestion: str | None
) -> None:
    place = EMOTIONS.index("sad")
    faces = voted(face_set(4), place, happy=happy, sad=sad, neutral=10 - happy - sad)
    probabilities = sure(faces)
    probabilities[place] = 0.02
    probabilities[place, EMOTIONS.index(network)] = 0.88
    suspects = find_suspects(faces, probabilities)
    found = [(s.place, s.kind, s.suggestion, s.decision) for s in suspects]
    assert found == ([(place, kind, suggestion, "keep")] if kind else [])


def test_the_reason_says_what_people_and_the_network_said() -> None:
    place = EMOTIONS.index("sad")
    faces = voted(face_set(4), place, happy=9, sad=1)
    probabilities = sure(faces)
    probabilities[place, [EMOTIONS.index("happy"), place]] = 0.88, 0.02
    suspect = only(find_suspects(faces, probabilities))
    assert suspect.reason == "9 of 10 people say happy; the network gives sad 2%"


def test_the_most_doubtful_of_a_kind_come_first() -> None:
    faces = voted(face_set(4), 4, happy=7, sad=1, neutral=2)
    faces = voted(faces, 11, happy=10)
    assert [s.place for s in find_suspects(faces, None)] == [11, 4]
