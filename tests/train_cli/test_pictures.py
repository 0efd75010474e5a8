import io

import numpy as np
from PIL import Image

from train_cli.evaluating import label_figures
from train_cli.pictures import confusion_picture, history_picture
from train_cli.training import EpochResult


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_the_confusion_matrix_is_a_picture_of_its_shares() -> None:
    labels = np.arange(70) % 7
    right = confusion_picture(label_figures(np.eye(7)[labels], labels), "all right")
    wrong = confusion_picture(label_figures(np.eye(7)[(labels + 1) % 7], labels), "all wrong")
    assert opened(right).format == "PNG"
    assert min(opened(right).size) > 600
    assert right != wrong


def test_the_curves_are_drawn_with_and_without_votes() -> None:
    voted = [EpochResult(n, 3 / n, 1 / n, 1.0, 0.5, 0.6, 9.0) for n in (1, 2, 3)]
    silent = [EpochResult(n, 3 / n, 1 / n, None, 0.5, None, 9.0) for n in (1, 2, 3)]
    assert opened(history_picture(voted, "run")).format == "PNG"
    assert history_picture(voted, "run") != history_picture(silent, "run")
