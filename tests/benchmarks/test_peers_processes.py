"""The workers' side of the protocol, of Python's and of Node's loop, without any peer."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers_systems import WORKERS
from benchmarks.peers_worker import FacesRefused, Worker
from fer_model.emotions import EMOTIONS

PYTHON = """
import sys
sys.path.insert(0, {workers!r})
from worker_loop import claimed_stdout, serve
replies = claimed_stdout()
print("a library talks on stdout", flush=True)
def answer(faces):
    if faces.max() == 7: raise ValueError("seven")
    return [{{"label": [float(face[0, 0]), 1, 1, 1, 1, 1, 1]}} for face in faces]
serve(replies, {classes!r}, {{"loop": "1"}}, answer, lambda face: lambda: print("timed"))
"""

NODE = """
import {{ rgb, serve }} from '{workers}/node_loop.mjs';
console.log('a library talks on stdout');
await serve({classes}, {{ loop: '1' }}, async (pixels, side) => {{
  if (rgb(pixels).length !== side * side * 3) throw new Error('pixels');
  if (pixels[0] === 7) throw new Error('seven');
  return pixels[0] === 255 ? [NaN] : [pixels[0], 1, 1, 1, 1, 1, 1];
}});
"""


def check(worker: Worker) -> None:
    faces = np.zeros((2, 48, 48), np.uint8)
    faces[:, 0, 0] = 14, 44
    with worker:
        assert worker.versions == {"loop": "1"}
        answers = worker.answers(faces)
        np.testing.assert_allclose(answers.label[:, 0], [0.7, 0.88])
        assert len(worker.milliseconds(faces)) == 2
        with pytest.raises(FacesRefused, match="seven"):
            worker.answers(np.full((1, 48, 48), 7, np.uint8))
        np.testing.assert_allclose(worker.answers(faces).label[:, 0], [0.7, 0.88])


def test_pythons_loop_answers_times_and_survives_an_error(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(PYTHON.format(workers=str(WORKERS), classes=list(EMOTIONS)))
    check(Worker("python", [sys.executable, str(script)], tmp_path / "log"))
    assert "a library talks" in (tmp_path / "log").read_text()


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_nodes_loop_answers_times_and_survives_an_error(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    script = tmp_path / "worker.mjs"
    script.write_text(NODE.format(workers=WORKERS, classes=list(EMOTIONS)))
    command = ["node", str(script), str(tmp_path)]
    check(Worker("node", command, tmp_path / "log"))
    with Worker("node", command, tmp_path / "log") as worker:
        assert not worker.answers(np.full((1, 48, 48), 255, np.uint8)).answered[0]
