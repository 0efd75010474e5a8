"""The forms of Korean predicates, and how pieces of Korean writing are cut into words."""

import pytest

from bot.meanings import Confirmation, Correction, Meaning, Mixture, NotFeedback, Rejection, Unclear
from bot.understanding import understand
from bot.vocabulary.korean import conjugated


@pytest.mark.parametrize(
    ("stem", "forms"),
    [
        ("슬프", "슬프 슬픈 슬픔 슬퍼 슬펐 슬픕"),
        ("나쁘", "나쁜 나쁨 나빠 나빴"),
        ("화나", "화나 화난 화남 화났 화난다"),
        ("역겹", "역겹 역겨운 역겨움 역겨워 역겨웠"),
        ("똥씹", "똥씹은 똥씹음 똥씹어 똥씹었"),
        ("우울하", "우울하 우울한 우울함 우울해 우울했 우울합"),
        ("약오르", "약오른 약올라 약올랐"),
        ("질리", "질린 질림 질려 질렸"),
        ("놀래", "놀랜 놀램 놀래 놀랬"),
        ("미소 짓", "미소 지은 미소 지어 미소 지었"),
        ("열받", "열받은 열받음 열받아 열받았"),
        ("울", "울고 우는 우네 운다 울어 울었"),
    ],
)
def test_a_predicate_has_its_forms(stem: str, forms: str) -> None:
    wanted = forms.split(" ") if " " not in stem else forms.replace("미소 ", "미소_").split(" ")
    assert {one.replace("_", " ") for one in wanted} <= conjugated(stem)


def test_a_form_of_one_syllable_never_stands_alone() -> None:
    assert min(map(len, conjugated("울") | conjugated("웃") | conjugated("쫄"))) == 2


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("화난거예여", Correction("angry")),
        ("슬픈기라예", Correction("sad")),
        ("역겨워하고있자나", Correction("disgust")),
        ("겁먹은듯싶은데", Correction("fear")),
        ("슬 픈 표 정", Correction("sad")),
        ("무표정 이에요", Correction("neutral")),
        ("공포로 정정해주세요", Correction("fear")),
        ("개빡침", Correction("angry")),
        ("울 것 같은 얼굴임", Correction("sad")),
        ("이게 뭐가 행복이야 슬픔이지", Correction("sad")),
        ("무표정이라뇨 웃고 있잖아요", Correction("happy")),
        ("행복은 무슨", Rejection(None, "happy")),
        ("화 안났는데", Rejection(None, "angry")),
        ("택도 없어", Rejection()),
        ("ㅇㅈ", Confirmation()),
        ("니말이 맞다", Confirmation()),
        ("슬픔 반 분노 반", Mixture(("sad", "angry"), (0.5, 0.5))),
        ("주로 혐오 쪼끔 놀람", Mixture(("disgust", "surprise"))),
        # A contradiction with a question mark
        ("우울한 표정인데요?", Correction("sad")),
        ("놀란거거든요?", Correction("surprise")),
        ("슬픔?", Unclear(("sad",))),
        # As often a mood of the writer's, unless something tells of the face
        ("짜증나", Unclear(("angry",))),
        ("짜증난 표정", Correction("angry")),
        ("아들 화났어", Unclear(("angry",))),
        ("아들 화난 얼굴이야", Correction("angry")),
    ],
)
def test_korean_is_understood_as_it_is_written(text: str, meaning: Meaning) -> None:
    assert understand(text, 1) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "예나",  # a name that begins with a yes
        "화제",  # a topic that begins with anger
        "울산 사는데",
        "화장 잘먹은 날",
        "겨울 는데",  # "울 는" within and across two pieces
        "슬프게 보정해줘",
        "여친이 화났대",
        "화나면 못생겨져",
        "좀 더 행복해지고 싶다",
    ],
)
def test_chance_and_other_moods_are_no_feedback(text: str) -> None:
    assert understand(text, 1) == NotFeedback()


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("놀람 무서움 7대3", Mixture(("surprise", "fear"), (0.7, 0.3))),
        ("분노 3분의2 슬픔 3분의1", Mixture(("angry", "sad"), (0.67, 0.33))),
        ("기쁨 80 나머지 놀람", Mixture(("happy", "surprise"), (0.8, 0.2))),
        ("약간 슬픔이 섞인 분노", Mixture(("angry", "sad"))),
        ("슬픔>분노", Mixture(("sad", "angry"))),
        ("슬픔->분노", Unclear(("sad", "angry"))),
        # A reason ends with the piece that nobody knows
        ("롤러코스터 타느라 겁먹은 표정임", Correction("fear")),
        ("롤러코스터 타느라 겁먹었어", Unclear(("fear",))),
        ("웃는 낯에 침 못뱉는다", NotFeedback()),
    ],
)
def test_korean_shares_and_reasons(text: str, meaning: Meaning) -> None:
    assert _rounded(understand(text, 1)) == meaning


def _rounded(meaning: Meaning) -> Meaning:
    if not isinstance(meaning, Mixture):
        return meaning
    return Mixture(meaning.emotions, tuple(round(share, 2) for share in meaning.shares))
