"""Faces in a photo, each with a blend of seven emotions.

    from fer_model import Engine

    engine = Engine.load()
    for face in engine.read("party.jpg").faces:
        print(face.number, face.blend.top, face.blend.of_ten())

Whatever needs torch is imported on first use, so that the names alone cost nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fer_model.emotions import EMOTION_COUNT, EMOTIONS
from fer_model.errors import FerModelError, PhotoRefused, VersionRefused
from fer_model.readings import Blend, Box, Face, Landmarks, Reading

if TYPE_CHECKING:
    from fer_model.alignment import face_crop, face_of_kept, kept_crop
    from fer_model.annotation import annotate
    from fer_model.blend import Calibration, Calibrations, fit_calibration
    from fer_model.decoding import Photo, decode_photo
    from fer_model.engine import Engine
    from fer_model.recognizer import InProcessRecognizer, Recognizer
    from fer_model.versions import (
        Member,
        ModelVersion,
        VersionMetadata,
        load_members,
        read_version,
        shipped_version,
        write_version,
    )

_HOMES = {
    "alignment": ("face_crop", "face_of_kept", "kept_crop"),
    "annotation": ("annotate",),
    "blend": ("Calibration", "Calibrations", "fit_calibration"),
    "decoding": ("Photo", "decode_photo"),
    "engine": ("Engine",),
    "recognizer": ("InProcessRecognizer", "Recognizer"),
    "versions": (
        "Member",
        "ModelVersion",
        "VersionMetadata",
        "load_members",
        "read_version",
        "shipped_version",
        "write_version",
    ),
}

__all__ = [
    "EMOTIONS",
    "EMOTION_COUNT",
    "Blend",
    "Box",
    "Calibration",
    "Calibrations",
    "Engine",
    "Face",
    "FerModelError",
    "InProcessRecognizer",
    "Landmarks",
    "Member",
    "ModelVersion",
    "Photo",
    "PhotoRefused",
    "Reading",
    "Recognizer",
    "VersionMetadata",
    "VersionRefused",
    "annotate",
    "decode_photo",
    "face_crop",
    "face_of_kept",
    "fit_calibration",
    "kept_crop",
    "load_members",
    "read_version",
    "shipped_version",
    "write_version",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
