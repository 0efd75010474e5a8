"""`python -m fer_model PHOTO…`: reads photos from the shell."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_model.emotions import EMOTIONS
from fer_model.errors import FerModelError
from fer_model.readings import PEOPLE, Face, Reading


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 where a photo could not be read."""
    options = _parser().parse_args(arguments)
    if options.annotate and len(options.photos) > 1 and not options.annotate.is_dir():
        print("--annotate needs an existing folder for more than one photo", file=sys.stderr)
        return 1
    try:
        from fer_model.engine import Engine

        engine = Engine.load(options.model, options.device)
    except FerModelError as error:
        print(error, file=sys.stderr)
        return 1
    failed = False
    documents: list[dict[str, Any]] = []
    for photo in options.photos:
        try:
            reading = engine.read(photo)
            if options.annotate:
                _write_annotated(photo, reading, options.annotate)
        except FerModelError as error:
            print(f"{photo}: {error}", file=sys.stderr)
            documents.append({"photo": str(photo), "error": type(error).__name__})
            failed = True
            continue
        except (OSError, ValueError) as error:  # of the annotated copy: full disk, unknown suffix
            print(f"{options.annotate}: {error}", file=sys.stderr)
            failed = True
        documents.append({"photo": str(photo), **_to_json(reading)})
        if not options.json:
            print(_table(photo, reading))
    if options.json:
        print(json.dumps(documents, indent=1, ensure_ascii=False))
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fer_model",
        description="Reads the emotions in the faces of photos: of ten people, how many would "
        "name which.",
    )
    parser.add_argument("photos", metavar="PHOTO", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument(
        "--annotate",
        metavar="OUT",
        type=Path,
        help="write a copy with numbered boxes: to this file, or into this existing folder",
    )
    parser.add_argument("--device", choices=("cpu", "cuda", "auto"), default="auto")
    parser.add_argument(
        "--model", metavar="DIR", type=Path, help="a model version; the shipped one by default"
    )
    return parser


def _write_annotated(photo: Path, reading: Reading, out: Path) -> None:
    from fer_model.annotation import annotate
    from fer_model.decoding import decode_photo

    target = out / f"{photo.stem}.faces.png" if out.is_dir() else out
    annotate(decode_photo(photo), reading).save(target)


def _table(photo: Path, reading: Reading) -> str:
    lines = [f"{photo}  {reading.width}x{reading.height}, model {reading.version[:12]}"]
    lines += [f"  {_line(face)}" for face in reading.faces]
    if reading.too_small:
        lines.append(f"  faces too small to read: {len(reading.too_small)}")
    elif not reading.faces:
        lines.append("  no face found")
    return "\n".join(lines)


def _line(face: Face) -> str:
    people = zip(face.blend.of_ten(), EMOTIONS, strict=True)
    named = ", ".join(
        f"{count} {emotion}" for count, emotion in sorted(people, reverse=True) if count
    )
    left, top, right, bottom = face.box
    return f"face {face.number} at {left},{top} to {right},{bottom}: of {PEOPLE} people, {named}"


def _to_json(reading: Reading) -> dict[str, Any]:
    return {
        "width": reading.width,
        "height": reading.height,
        "version": reading.version,
        "faces": [
            {
                "number": face.number,
                "box": list(face.box),
                "landmarks": [list(point) for point in face.landmarks],
                "score": face.score,
                "crowd": dict(zip(EMOTIONS, face.blend.crowd, strict=True)),
                "label": dict(zip(EMOTIONS, face.blend.label, strict=True)),
                "of_ten": dict(zip(EMOTIONS, face.blend.of_ten(), strict=True)),
                "top": face.blend.top,
                "disagreement": face.blend.disagreement,
                "differing": list(face.blend.differing),
            }
            for face in reading.faces
        ],
        "too_small": [list(box) for box in reading.too_small],
    }


if __name__ == "__main__":
    sys.exit(main())
