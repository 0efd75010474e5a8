"""What people write, and what it means: the corpus, and the rules behind it."""

import sys

import pytest

from bot.meanings import (
    Confirmation,
    Correction,
    FaceNamed,
    FacesNamed,
    Meaning,
    Mixture,
    NotFeedback,
    Rejection,
    Several,
    Unclear,
    UnknownEmotion,
)
from bot.understanding import _agreed, understand
from bot.vocabulary.lexicon import LANGUAGES, Role, lexicon
from store.emotions import EMOTIONS

MOST_CALLS = 2_000_000  # and returns, for one text; three times what the longest story takes
FACES = 3  # of the reading that the corpus speaks about

YES = Confirmation()
NO = Rejection()

FEEDBACK: tuple[tuple[str, Meaning], ...] = (
    # One emotion, in a word
    ("sad", Correction("sad")),
    ("Sad.", Correction("sad")),
    ("HAPPY!!", Correction("happy")),
    ("anger", Correction("angry")),
    ("scared", Correction("fear")),
    ("fear", Correction("fear")),
    ("disgusted", Correction("disgust")),
    ("delighted", Correction("happy")),
    ("very surprised", Correction("surprise")),
    ("calm", Correction("neutral")),
    ("a bit sad", Correction("sad")),
    ("no emotion", Correction("neutral")),
    ("poker face", Correction("neutral")),
    # In a sentence
    ("wrong, it's sad", Correction("sad")),
    ("you're wrong, it's sad", Correction("sad")),
    ("Wrong, it’s sad", Correction("sad")),
    ("Wrong! It's sad.", Correction("sad")),
    ("wrong its sad", Correction("sad")),
    ("no, she looks angry", Correction("angry")),
    ("No she looks angry", Correction("angry")),
    ("nope, sad", Correction("sad")),
    ("no, sad", Correction("sad")),
    ("she is happy", Correction("happy")),
    ("he's really furious", Correction("angry")),
    ("I think it's fear", Correction("fear")),
    ("I'd say surprised", Correction("surprise")),
    ("looks more like fear", Correction("fear")),
    ("actually, neutral", Correction("neutral")),
    ("this person looks scared", Correction("fear")),
    ("the girl is sad", Correction("sad")),
    ("no, I'm sad", Correction("sad")),
    ("I look sad here", Correction("sad")),
    ("it should be disgust", Correction("disgust")),
    ("sorry, but it's anger", Correction("angry")),
    # Agreement
    ("yes", YES),
    ("Yes!", YES),
    ("correct", YES),
    ("exactly", YES),
    ("that's right", YES),
    ("you're right", YES),
    ("spot on", YES),
    ("true", YES),
    ("I agree", YES),
    ("yes, exactly", YES),
    ("yes, thanks", YES),
    ("yep lol", YES),
    ("네 고마워요 ㅋㅋ", YES),
    ("👍", YES),
    ("👍🏽", YES),
    ("yes 😊", YES),
    ("👍😊", YES),
    ("2 is right", Confirmation(2)),
    ("yes, the first one is correct", Confirmation(1)),
    # Rejection
    ("no", NO),
    ("wrong", NO),
    ("that's wrong", NO),
    ("you are wrong", NO),
    ("not right", NO),
    ("that's not correct", NO),
    ("no, it isn't", NO),
    ("not really", NO),
    ("i don't think so", NO),
    ("beg to differ", NO),
    ("missed the mark, mate", NO),
    ("👎", NO),
    ("👎🏿", NO),
    ("1 is wrong", Rejection(1)),
    ("not angry", Rejection(None, "angry")),
    ("she's not happy", Rejection(None, "happy")),
    ("it doesn't look sad", Rejection(None, "sad")),
    ("2 is not sad", Rejection(2, "sad")),
    ("neither happy nor sad", Rejection()),
    # Asides and reasons that judge nothing
    ("Wrong, she is sad. Her cat ran away.", Correction("sad")),
    ("she looks sad because of the smell", Correction("sad")),
    ("2 is scared, there was a wasp", Correction("fear", 2)),
    ("wrong, I was sad", Correction("sad")),
    ("that's rage", Correction("angry")),
    ("you should have said angry", Correction("angry")),
    ("you said happy but she's sad", Correction("sad")),
    # The rest, exceptions and lists
    (
        "2 is sad, the rest is right",
        Several((Correction("sad", 2), Confirmation(1), Confirmation(3))),
    ),
    ("all are right except 2", Several((Confirmation(1), Confirmation(3), Rejection(2)))),
    ("1 is sad, 2 the same", Several((Correction("sad", 1), Correction("sad", 2)))),
    (
        "sad on the left, happy on the right",
        Several((Correction("sad", 1), Correction("happy", 3))),
    ),
    ("yes to 1, no to 2", Several((Confirmation(1), Rejection(2)))),
    (
        "happy, happy and sad, in that order",
        Several(tuple(Correction(one, at) for at, one in enumerate(("happy", "happy", "sad"), 1))),
    ),
    ("2 is fine", Confirmation(2)),
    # Shares in other forms
    ("sad 0.8, angry 0.2", Mixture(("sad", "angry"), (0.8, 0.2))),
    ("1 happy,2 sad", Several((Correction("happy", 1), Correction("sad", 2)))),
    ("sad .8, angry .2", Mixture(("sad", "angry"), (0.8, 0.2))),
    ("three quarters sad and a quarter angry", Mixture(("sad", "angry"), (0.75, 0.25))),
    ("two parts sad, one part angry", Mixture(("sad", "angry"), (2 / 3, 1 / 3))),
    ("sixty percent sad, the rest fear", Mixture(("sad", "fear"), (0.6, 0.4))),
    ("equal parts happy and sad", Mixture(("happy", "sad"), (0.5, 0.5))),
    ("slightly angry, otherwise neutral", Mixture(("neutral", "angry"))),
    ("sadness and fear. more sadness", Mixture(("sad", "fear"))),
    ("neutral, leaning sad", Mixture(("neutral", "sad"))),
    # Denied and named
    ("not angry, sad", Correction("sad")),
    ("not angry but sad", Correction("sad")),
    ("sad, not angry", Correction("sad")),
    ("not angry, more disgusted", Correction("disgust")),
    ("she isn't happy, she's sad", Correction("sad")),
    ("not sad or angry, just neutral", Correction("neutral")),
    # Several emotions in one face
    ("half sad half angry", Mixture(("sad", "angry"), (0.5, 0.5))),
    ("60% sad 40% fear", Mixture(("sad", "fear"), (0.6, 0.4))),
    ("70 happy 30 surprised", Mixture(("happy", "surprise"), (0.7, 0.3))),
    ("sad and angry", Mixture(("sad", "angry"), (0.5, 0.5))),
    ("mostly sad, a bit scared", Mixture(("sad", "fear"))),
    ("face 2: 60 sad 40 angry", Mixture(("sad", "angry"), (0.6, 0.4), 2)),
    ("주로 슬픔 약간 공포", Mixture(("sad", "fear"))),
    # Misspelt, held down, in another width, with what cannot be seen
    ("agnry", Correction("angry")),
    ("srprised", Correction("surprise")),
    ("saaaaad", Correction("sad")),
    ("ｓａｄ", Correction("sad")),
    ("s\u200bad", Correction("sad")),
    ("\u200fحزين\u200f", Correction("sad")),
    ("überascht", Correction("surprise")),
    ("UEBERRASCHT", Correction("surprise")),
    # Endings, prefixes, and scripts without spaces
    ("역겨워하는 것 같습니다", Correction("disgust")),
    ("грустная", Correction("sad")),
    ("الحزينة", Correction("sad")),
    ("悲しい顔です", Correction("sad")),
    ("驚訝", Correction("surprise")),
    ("怒りじゃなくて嫌悪", Correction("disgust")),
    # Two languages at once
    ("happy 아니고 sad", Correction("sad")),
    ("glaub eher happy", Correction("happy")),
    # More of this than of that
    ("more angry than sad", Correction("angry")),
    ("슬픔보다는 분노", Correction("angry")),
    # Which face
    ("2 is surprised", Correction("surprise", 2)),
    ("face 2: fear", Correction("fear", 2)),
    ("Face #2 is afraid", Correction("fear", 2)),
    ("no. 2 is sad", Correction("sad", 2)),
    ("the second one is happy", Correction("happy", 2)),
    ("the 2nd face is happy", Correction("happy", 2)),
    ("number 3 sad", Correction("sad", 3)),
    ("2️⃣ happy", Correction("happy", 2)),
    ("2 😢", Correction("sad", 2)),
    ("no, 3 is sad", Correction("sad", 3)),
    ("face one is angry", Correction("angry", 1)),
    ("sad for face 2", Correction("sad", 2)),
    ("the left one is sad", Correction("sad", 1)),
    ("the person on the right is angry", Correction("angry", 3)),
    ("the last one is happy", Correction("happy", 3)),
    ("the middle one looks scared", Correction("fear", 2)),
    ("9 is sad", Correction("sad", 9)),
    ("2", FaceNamed(2)),
    ("the second one", FaceNamed(2)),
    ("face 3", FaceNamed(3)),
    # Several faces
    ("1 is sad, 3 is happy", Several((Correction("sad", 1), Correction("happy", 3)))),
    ("1 sad 3 happy", Several((Correction("sad", 1), Correction("happy", 3)))),
    ("1: sad\n2: angry", Several((Correction("sad", 1), Correction("angry", 2)))),
    ("1 and 3 are sad", Several((Correction("sad", 1), Correction("sad", 3)))),
    ("1 is right, 2 is sad", Several((Confirmation(1), Correction("sad", 2)))),
    ("1 is wrong, 2 is right", Several((Rejection(1), Confirmation(2)))),
    (
        "the first is happy and the second is sad",
        Several((Correction("happy", 1), Correction("sad", 2))),
    ),
    ("all of them are happy", Several(tuple(Correction("happy", n) for n in (1, 2, 3)))),
    ("all correct", Several(tuple(Confirmation(n) for n in (1, 2, 3)))),
    # Emoji
    ("😢", Correction("sad")),
    ("😡", Correction("angry")),
    ("😄", Correction("happy")),
    ("sad 😂", Correction("sad")),
    ("wrong 😂", NO),
    ("😱", Correction("fear")),
    ("🤢", Correction("disgust")),
    ("😮", Correction("surprise")),
    ("😐", Correction("neutral")),
    ("sad 😢", Correction("sad")),
    ("😢😢", Correction("sad")),
    # None of the seven
    ("wrong, it's bored", UnknownEmotion("bored")),
    ("no, she is hangry", UnknownEmotion("hangry")),
    ("she looks tired", UnknownEmotion("tired")),
    ("2 is confused", UnknownEmotion("confused", 2)),
    ("contempt", UnknownEmotion("contempt")),
    ("that's disgusting", UnknownEmotion("disgusting")),
    # Korean
    ("아니, 슬퍼", Correction("sad")),
    ("아니 슬퍼요", Correction("sad")),
    ("틀렸어 화난 거야", Correction("angry")),
    ("틀렸어요, 화난 거예요", Correction("angry")),
    ("화난 것 같아요", Correction("angry")),
    ("슬퍼 보여", Correction("sad")),
    ("행복해 보여요", Correction("happy")),
    ("놀람", Correction("surprise")),
    ("무서워하는 표정이야", Correction("fear")),
    ("좀 역겨워하는 것 같아", Correction("disgust")),
    ("무표정인데", Correction("neutral")),
    ("아니야, 이 사람은 기뻐하고 있어", Correction("happy")),
    ("내 생각엔 슬픔", Correction("sad")),
    ("맞아", YES),
    ("맞아요!", YES),
    ("네", YES),
    ("ㅇㅇ", YES),
    ("정확해요", YES),
    ("아니", NO),
    ("아니에요", NO),
    ("틀렸어", NO),
    ("그게 아니야", NO),
    ("맞지 않아", NO),
    ("안 슬퍼", Rejection(None, "sad")),
    ("슬프지 않아", Rejection(None, "sad")),
    ("화난 거 아니야", Rejection(None, "angry")),
    ("화난 게 아니라 슬픈 거야", Correction("sad")),
    ("행복해 보이지 않아", Rejection(None, "happy")),
    ("2번은 놀람", Correction("surprise", 2)),
    ("2번은 놀란 것 같아", Correction("surprise", 2)),
    ("2번 얼굴은 화났어", Correction("angry", 2)),
    ("두 번째는 슬퍼", Correction("sad", 2)),
    ("왼쪽 사람은 화났어", Correction("angry", 1)),
    ("마지막 사람은 무표정", Correction("neutral", 3)),
    ("1번은 슬픔, 3번은 기쁨", Several((Correction("sad", 1), Correction("happy", 3)))),
    ("1번은 맞아, 2번은 틀렸어", Several((Confirmation(1), Rejection(2)))),
    ("모두 행복해", Several(tuple(Correction("happy", n) for n in (1, 2, 3)))),
    ("2번", FaceNamed(2)),
    ("두 번째", FaceNamed(2)),
    ("아니, 지루해 보여", UnknownEmotion("지루해")),
)

ASKED: tuple[str, ...] = (
    "I am sad",
    "I feel happy",
    "I'm scared",
    "sad or angry",
    "half sad",
    "60% sad",
    "60% sad 60% fear",
    "maybe sad",
    "happy, no, sad",
    "no fear",
    "no anger",
    "not sad and angry",
    "yes and no",
    "2 are happy",
    "left or right",
    "she is sad xyzzy",
    "yes 😡",
    "good job",
    "surprise!",
    "no es happy, she is triste",
    "both are happy",
    "the neutral one is happy",
    "yes man",
    "that is sad",
    "that's very sad",
    "this is sad",
    "2 or 3 is sad",
    "1 or 2",
    "sad or not",
    "sad?",
    "I'm afraid",
    "wrong, I'm afraid",
    "1 is sad, the other one is happy",
    "because she is sad",
    "무서워요",
    "저는 슬퍼요",
    "나 화났어",
    "슬픔 아니면 분노",
)

NOT_FEEDBACK: tuple[str, ...] = (
    "",
    " ",
    "...",
    "I was sad yesterday",
    "haha what",
    "haha",
    "maybe",
    "not",
    "and",
    "face",
    "the",
    "lol",
    "are you happy?",
    "are you happy",
    "is she sad",
    "is it angry?",
    "why is it angry?",
    "why angry",
    "send nudes",
    "no nudes",
    "hello",
    "hi there",
    "good morning",
    "thanks",
    "thank you!",
    "ok",
    "okay",
    "cool",
    "wow",
    "nice bot",
    "good bot",
    "bad bot",
    "you are happy",
    "you are sad",
    "I love you",
    "I hate this",
    "happy birthday",
    "happy birthday!!",
    "happy new year",
    "happy hour",
    "merry christmas",
    "sad story",
    "what a sad story",
    "so sad",
    "angry birds",
    "the angry bird is red",
    "no problem",
    "no face",
    "is it sad",
    "no, are you sad",
    "i'm not sad",
    "not face 2",
    "3 2 1",
    "fear of flying",
    "no more fear",
    "my dog is sad",
    "he is afraid of spiders",
    "nobody is happy",
    "correct me if i'm wrong",
    "no way",
    "no idea",
    "no thanks",
    "no one",
    "no more",
    "not sure",
    "not bad",
    "not now",
    "not you",
    "not only sad",
    "not just sad but angry",
    "wrong number",
    "wrong chat, sorry",
    "right now",
    "be happy",
    "don't be sad",
    "don't worry, be happy",
    "look happy!",
    "feel happy",
    "stay calm",
    "keep calm and carry on",
    "calm down",
    "she was happy",
    "he will be sad",
    "I was angry, now I am happy",
    "they used to be happy",
    "if she were happy",
    "this makes me happy",
    "you make me sad",
    "he scared me",
    "surprise me",
    "I'm angry at you",
    "I am bored",
    "I am hungry",
    "yes?",
    "wrong?",
    "2?",
    "really?",
    "is this right?",
    "yes or no",
    "what does 2 mean",
    "how does this work",
    "who are you",
    "what is your name",
    "can you read this one",
    "tell me a joke",
    "here is another photo",
    "that's my sister",
    "she is beautiful",
    "he is my brother",
    "it is raining",
    "it's fine",
    "1000000",
    "angel",
    "marsh",
    "sacred",
    "yeah right",
    "thanks 😊",
    "@angrybob did you see this",
    "hier j'étais triste",
    "na ja",
    "对不起发错了",
    "네이버에서 보고 왔어요",
    "2026",
    "10/10",
    "12:30",
    "call me at 5",
    "I have 2 dogs",
    "2 beers please",
    "see you at 3",
    "https://example.com/sad",
    "😂",
    "😂😂😂",
    "🤣😂",
    "❤️",
    "🎉",
    "😘",
    "haha 😂",
    "thanks 👍",
    "/start",
    "sadly, I must go",
    "happily ever after",
    "fearless",
    "a neutral country like switzerland",
    "disgusting food yesterday",
    "the movie was scary",
    "surprise party tonight",
    "my mother is angry with my father",
    "anger management classes",
    "a calm sea",
    "true happiness is rare",
    "yes but why",
    "no but seriously who made you",
    "sad " * 100,
    "안녕하세요",
    "안녕",
    "고마워요",
    "감사합니다",
    "ㅋㅋㅋ",
    "왜 화났어",
    "왜 화났어?",
    "어제 슬펐어",
    "슬퍼하지 마",
    "행복하세요",
    "생일 축하해",
    "너 화났어",
    "너는 행복해?",
    "슬픈 영화 봤어",
    "아니 왜 안 돼",
    "뭐라고",
    "이거 뭐야",
    "우리 언니야",
    "예뻐요",
    "배고파",
    "사진 보낼게",
    "행복한 하루 되세요",
    "네 이름이 뭐야",
    "다음에 봐",
)


@pytest.mark.parametrize(("text", "meaning"), FEEDBACK, ids=[text for text, _ in FEEDBACK])
def test_feedback_is_understood_as_it_is_meant(text: str, meaning: Meaning) -> None:
    assert understand(text, FACES) == meaning


@pytest.mark.parametrize("text", ASKED)
def test_what_may_be_feedback_is_asked_about(text: str) -> None:
    assert isinstance(understand(text, FACES), Unclear)


@pytest.mark.parametrize("text", NOT_FEEDBACK)
def test_what_is_no_feedback_is_left_alone(text: str) -> None:
    assert understand(text, FACES) == NotFeedback()


def test_corpus_is_large_and_half_of_it_is_not_feedback() -> None:
    texts = [text for text, _ in FEEDBACK] + [*ASKED, *NOT_FEEDBACK]
    assert len(set(texts)) == len(texts)
    assert len(FEEDBACK) >= 120
    assert len(NOT_FEEDBACK) + len(ASKED) >= 0.48 * len(texts)


@pytest.mark.parametrize("language", ["en", "ko", "ko-KR", "de", ""])
def test_every_language_is_understood_whatever_the_person_set(language: str) -> None:
    assert understand("wrong, it's sad", 1, [language]) == Correction("sad")
    assert understand("아니, 슬퍼", 1, [language]) == Correction("sad")


@pytest.mark.parametrize("text", ["1 and 3", "1, 3", "1 & 3", "1번 3번"])
def test_several_faces_may_be_named_by_themselves(text: str) -> None:
    assert understand(text, 3) == FacesNamed((1, 3))
    assert understand(text, 2) == NotFeedback()


def test_all_and_both_name_faces() -> None:
    assert understand("both", 2) == understand("all", 2) == FacesNamed((1, 2))
    assert understand("both") == NotFeedback()


def test_positions_need_the_number_of_faces() -> None:
    assert understand("the last one is sad", None) == Unclear(("sad",))
    assert understand("the last one is sad", 5) == Correction("sad", 5)
    assert understand("the middle one is sad", 4) == Unclear(("sad",))


def test_both_means_two_faces() -> None:
    both = Several((Correction("happy", 1), Correction("happy", 2)))
    assert understand("both are happy", 2) == both
    assert understand("둘 다 행복해", 2) == both
    assert isinstance(understand("both are happy", 3), Unclear)


def test_unclear_names_what_was_named() -> None:
    assert understand("sad or angry", 1) == Unclear(("sad", "angry"))
    assert understand("2 is sad or angry", 3) == Unclear(("sad", "angry"), 2)


def test_two_words_about_one_face_are_asked_about() -> None:
    assert isinstance(understand("1 is sad, 1 is happy", 2), Unclear)


def test_a_few_letters_decomposed_are_still_korean() -> None:
    assert understand("슬퍼", 1) == Correction("sad")


def test_any_text_has_a_meaning() -> None:
    for text in ("\0", "\ud83d", "1" * 250, "'", "''", "-" * 300, "no " * 90, "\u202e", "²", "١"):
        assert isinstance(understand(text, 2), NotFeedback | Unclear | FaceNamed | Rejection)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10_000,
        "ha" * 5_000 + "x",
        "sad " * 2_500,
        "슬" * 300,
        "\ufdfa" * 300,  # eighteen letters each, once it is written out
        "'" * 299 + "x",
        "aaab" * 74,
        "1%" * 149,
    ],
)
def test_a_hostile_text_costs_no_more_than_a_long_one(text: str) -> None:
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    understand("warm", 1)
    sys.setprofile(count)
    try:
        understand(text, 2)
    finally:
        sys.setprofile(None)
    assert steps < MOST_CALLS


@pytest.mark.parametrize(
    "word",
    [
        *["please", "client", "decade", "impossible", "started", "spider", "remote"],
        *["hasta", "pasado", "freunde", "pleine", "décidé", "caminho", "расстояние", "السيد"],
        *["tentang", "노란", "series"],
    ],
)
def test_a_word_that_is_nearly_an_emotion_is_none(word: str) -> None:
    assert understand(word, 1) == NotFeedback()


@pytest.mark.parametrize("word", ["ah", "bravo", "bad", "brave", "hai", "simon"])
def test_what_says_yes_or_names_an_emotion_in_some_languages_only_is_asked_about(word: str) -> None:
    assert isinstance(understand(word, 1), Unclear)


@pytest.mark.parametrize(
    ("text", "emotion"),
    [("angrey", "angry"), ("surpised", "surprise"), ("dissgusted", "disgust"), ("anrgy", "angry")],
)
def test_a_slip_inside_a_word_is_let_go(text: str, emotion: str) -> None:
    assert understand(text, 1) == Correction(emotion)


@pytest.mark.parametrize("text", ["1-3 are sad", "1 to 3 sad", "1~3번 슬픔", "1-2-3 sad"])
def test_a_range_is_every_face_in_it(text: str) -> None:
    faces = tuple(Correction("sad", face) for face in (1, 2, 3))
    assert understand(text, 4) == Several(faces)


def test_a_range_that_is_none_stays_as_it_is() -> None:
    assert understand("60-40 sad angry") == Mixture(("sad", "angry"), (0.6, 0.4))
    assert understand("1-sad 2-happy", 2) == Several((Correction("sad", 1), Correction("happy", 2)))


@pytest.mark.parametrize(
    "text",
    [
        *["the three on the left are sad", "two on the right are sad"],
        *["yes, but a bit sad", "yes, but sad", "correct, but also a bit sad", "맞는데 조금 슬퍼"],
    ],
)
def test_what_can_be_taken_in_two_ways_is_asked_about(text: str) -> None:
    assert understand(text, 4) == Unclear(("sad",))


def test_two_people_are_no_mixture() -> None:
    assert understand("he's sad and she's happy", 1) == Unclear(("sad", "happy"))
    assert understand("the man is sad and the woman is happy", 2) == Unclear(("sad", "happy"))
    assert understand("he is sad and he is angry", 1) == Mixture(("sad", "angry"), (0.5, 0.5))


def test_where_languages_differ_about_one_face_that_face_is_asked_about() -> None:
    assert understand("2 no", 3) == Unclear((), 2)


@pytest.mark.parametrize("text", ["left sad, right happy", "left is sad and right is happy"])
def test_right_is_a_place_where_another_is_named(text: str) -> None:
    assert understand(text, 2) == Several((Correction("sad", 1), Correction("happy", 2)))
    assert understand("right, sad", 2) == Correction("sad")


def test_at_all_is_no_target() -> None:
    assert understand("she's not angry at all") == Rejection(denied="angry")


def test_what_two_languages_take_differently_is_asked_about() -> None:
    assert _agreed([Correction("sad"), Correction("angry")]) == Unclear(("sad", "angry"))
    assert _agreed([Correction("sad"), NotFeedback()]) == Correction("sad")
    assert _agreed([Confirmation(), Rejection()]) == Unclear()


def test_the_text_is_read_alike_whatever_the_chat_is_set_to() -> None:
    for text in ("ja", "si", "no", "triste", "슬퍼", "悲しい", "content"):
        heard = {understand(text, 1, [code]) for code in ("", *LANGUAGES)}
        assert len(heard) == 1, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_vocabulary_says_yes_and_no(language: str) -> None:
    words = lexicon(language).words.values()
    for role in (Role.CONFIRM, Role.REJECT):
        assert sum(word.can_be(role) for word in words) >= 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_vocabulary_knows_every_emotion_by_several_words(language: str) -> None:
    words = lexicon(language).words.values()
    for emotion in EMOTIONS:
        known = [w for w in words if w.value == emotion and w.can_be(Role.EMOTION)]
        assert len(known) >= 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_the_vocabulary_means_two_emotions(language: str) -> None:
    for word in lexicon(language).words.values():
        assert not (word.can_be(Role.EMOTION) and word.can_be(Role.OTHER_EMOTION)), word
        assert not (word.can_be(Role.CONFIRM) and word.can_be(Role.REJECT)), word
