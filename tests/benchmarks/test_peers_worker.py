import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers_worker import (
    AnswerMalformed,
    FacesRefused,
    PeerFailed,
    Worker,
    WorkerDied,
    WorkerSilent,
    columns_of,
)
from fer_model.emotions import EMOTIONS
from tests.benchmarks.peers_fakes import LOOP, fake

FACE_API = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]
SHORT = {"request_seconds": 0.2, "face_seconds": 0.0}


def crops(*first_pixels: int) -> np.ndarray:
    faces = np.zeros((len(first_pixels), 48, 48), np.uint8)
    faces[:, 0, 0] = first_pixels
    return faces


def test_another_order_and_other_names_are_brought_into_ours() -> None:
    assert [FACE_API[place] for place in columns_of(FACE_API)] == [
        "angry",
        "disgusted",
        "fearful",
        "happy",
        "sad",
        "surprised",
        "neutral",
    ]
    assert columns_of(EMOTIONS) == list(range(7))


@pytest.mark.parametrize("classes", [FACE_API[:6], [*FACE_API[:6], "contempt"], ["happy"] * 7])
def test_classes_that_are_not_the_seven_are_refused(classes: list[str]) -> None:
    with pytest.raises(ValueError, match="classes"):
        columns_of(classes)


def test_a_worker_answers_in_our_order_and_with_rows_that_sum_to_one(tmp_path: Path) -> None:
    with fake(tmp_path) as worker:
        answers = worker.answers(crops(*range(7)))
        assert worker.versions == {"fake": "1.0"}
        assert worker.load_seconds > 0
        assert worker.resident_mib_loaded > 0
    named = [EMOTIONS[place] for place in answers.label.argmax(1)]
    assert named == ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"]
    np.testing.assert_allclose(answers.label.sum(1), 1)
    np.testing.assert_array_equal(answers.crowd, answers.label)


def test_a_face_without_an_answer_is_known_as_such(tmp_path: Path) -> None:
    with fake(tmp_path) as worker:
        answers = worker.answers(crops(1, 255, 2))
    assert answers.answered.tolist() == [True, False, True]
    assert not answers.label[1].any()


def test_a_second_head_is_kept_apart(tmp_path: Path) -> None:
    both = '    say({"answers": [{"label": [1,0,0,0,0,0,0], "crowd": [0,1,0,0,0,0,0]}]})\n'
    with fake(tmp_path, both) as worker:
        answers = worker.answers(crops(0))
    assert EMOTIONS[answers.label[0].argmax()] == "neutral"
    assert EMOTIONS[answers.crowd[0].argmax()] == "happy"


def test_times_are_the_workers_own(tmp_path: Path) -> None:
    with fake(tmp_path) as worker:
        assert worker.milliseconds(crops(3, 40)) == [3.0, 40.0]


def test_a_worker_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    dying = '    print("no memory left", file=sys.stderr)\n    sys.exit(3)\n'
    with (
        fake(tmp_path, dying) as worker,
        pytest.raises(WorkerDied, match=r"fake ended with exit code 3: no memory left"),
    ):
        worker.answers(crops(0))


def test_a_worker_that_died_before_its_request_is_told_too(tmp_path: Path) -> None:
    with fake(tmp_path, "    pass\n", loop=LOOP.split("for line", 1)[0] + "if True:\n") as worker:
        for _ in range(2):  # the second request must not wait for its time to run out
            with pytest.raises(WorkerDied, match="exit code 0"):
                worker.answers(crops(*[0] * 200))


def test_a_worker_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    started = time.monotonic()
    with (
        fake(tmp_path, "    time.sleep(60)\n", **SHORT) as worker,
        pytest.raises(WorkerSilent, match="did not answer within"),
    ):
        worker.answers(crops(0))
    assert time.monotonic() - started < 20


def test_a_worker_that_does_not_read_is_given_up(tmp_path: Path) -> None:
    deaf = LOOP.split("for line", 1)[0] + "if True:\n"
    with (
        fake(tmp_path, "    time.sleep(60)\n", loop=deaf, **SHORT) as worker,
        pytest.raises(WorkerSilent),
    ):
        worker.answers(crops(*[0] * 200))  # more than a pipe holds


def test_a_worker_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(WorkerSilent, match="within 0 s"):
        fake(tmp_path, "", loop="import time; time.sleep(60)\n", start_seconds=0.2)


def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WorkerDied, match="absent does not start"):
        Worker("absent", [str(tmp_path / "nothing")], tmp_path / "log")


@pytest.mark.parametrize(
    "line",
    [
        "a warning on stdout",
        "[1, 2]",
        '{"answers": 7}',
        '{"answers": []}',
        '{"answers": [[0.5]]}',
        '{"answers": [{"crowd": [1, 0, 0, 0, 0, 0, 0]}]}',
        '{"answers": [{"label": [1, 0]}]}',
        '{"answers": [{"label": ["a", 0, 0, 0, 0, 0, 0]}]}',
        '{"answers": [{"label": [NaN, 0, 0, 0, 0, 0, 0]}]}',
        '{"answers": [{"label": [0, 0, 0, 0, 0, 0, 0]}]}',
        '{"answers": [{"label": [2, -1, 0, 0, 0, 0, 0]}]}',
    ],
)
def test_what_is_no_answer_is_refused(tmp_path: Path, line: str) -> None:
    with (
        fake(tmp_path, f"    say({line!r})\n") as worker,
        pytest.raises(AnswerMalformed, match="fake "),
    ):
        worker.answers(crops(0))


@pytest.mark.parametrize("times", ["[]", '["soon"]', "[-1]", "null"])
def test_what_are_no_times_are_refused(tmp_path: Path, times: str) -> None:
    line = f'{{"milliseconds": {times}}}'
    with fake(tmp_path, f"    say({line!r})\n") as worker, pytest.raises(AnswerMalformed):
        worker.milliseconds(crops(0))


@pytest.mark.parametrize(
    "ready",
    [
        "hello",
        "{}",
        '{"ready": {"classes": ["happy"], "versions": {}}}',
        '{"ready": {"versions": {}}}',
    ],
)
def test_a_worker_that_starts_otherwise_is_refused(tmp_path: Path, ready: str) -> None:
    with pytest.raises(AnswerMalformed):
        fake(tmp_path, "", loop=f"import time\nprint({ready!r}, flush=True)\ntime.sleep(60)\n")


def test_a_workers_own_error_is_told(tmp_path: Path) -> None:
    with (
        fake(tmp_path, '    say({"error": "ValueError: too small"})\n') as worker,
        pytest.raises(FacesRefused, match="too small"),
    ):
        worker.answers(crops(0))


def test_every_failure_is_one_line(tmp_path: Path) -> None:
    for answering in ("    sys.exit(1)\n", '    say("x")\n', '    say({"error": "why"})\n'):
        with fake(tmp_path, answering) as worker, pytest.raises(PeerFailed) as caught:
            worker.answers(crops(0))
        assert "\n" not in str(caught.value)
