"""A worker without a network or a library: it answers what the faces' first pixels say."""

import sys
from pathlib import Path

from benchmarks.peers_worker import Worker

LOOP = """
import base64, json, os, sys, time

def say(message):
    print(message if isinstance(message, str) else json.dumps(message), flush=True)

CLASSES = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]
say({"ready": {"classes": CLASSES, "versions": {"fake": "1.0"}}})
for line in sys.stdin:
    request = json.loads(line)
    faces = [base64.b64decode(face) for face in request["faces"]]
"""

ANSWERS = """
    if request["op"] == "time":
        say({"milliseconds": [float(face[0]) for face in faces]})
        continue
    answers = []
    for face in faces:
        row = [0.05] * 7
        row[face[0] % 7] += 0.65
        answers.append(None if face[0] == 255 else {"label": row})
    say({"answers": answers})
"""


def fake(
    folder: Path, answering: str = ANSWERS, loop: str = LOOP, name: str = "fake", **limits: float
) -> Worker:
    """A running worker whose loop does `answering` with `request` and its `faces`."""
    script = folder / f"{name}.py"
    script.write_text(loop + answering, encoding="utf-8")
    return Worker(name, [sys.executable, "-S", str(script)], folder / f"{name}.log", **limits)
