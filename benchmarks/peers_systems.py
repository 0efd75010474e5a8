"""The systems that are compared: what they are, how their environments are made and how they start.

Every peer's environment lies under a folder of its own, var/peers by default, which git ignores;
what is in it is pinned beside the workers, in benchmarks/peers_processes.
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks.peers_worker import PeerFailed, Worker

ENVIRONMENTS: Final = Path("var/peers")
WORKERS: Final = Path(__file__).parent / "peers_processes"
ROOT: Final = Path(__file__).parent.parent
INSTALL_SECONDS: Final = 1800


class NotInstalled(PeerFailed):
    """The peer's environment is not there, or was made for other versions."""


class InstallFailed(PeerFailed):
    """The peer's environment could not be made."""


@dataclass(frozen=True)
class Peer:
    """A library that others use.

    Attributes:
        name: As people know it.
        kind: What runs it.
        worker: File in `WORKERS`.
        licence: Its licence, the weights included, as the package states it.
        network: Its emotion network, in words.
        trained_on: What is known of its training data.
    """

    name: str
    kind: Literal["python", "node"]
    worker: str
    licence: str
    network: str
    trained_on: str

    @property
    def _sources(self) -> list[Path]:
        loop, *pins = {
            "python": ("worker_loop.py", "fer.txt"),
            "node": ("node_loop.mjs", "package.json", "package-lock.json"),
        }[self.kind]
        return [WORKERS / name for name in (self.worker, loop, *pins)]

    @property
    def pins(self) -> list[Path]:
        """The files that say what its environment consists of."""
        return self._sources[2:]

    @property
    def answers_digest(self) -> str:
        """Changes with everything of ours that its answers depend on."""
        return _digest(self._sources)

    def environment(self, environments: Path) -> Path:
        """Its folder; the systems in Node share one."""
        return environments / (self.name if self.kind == "python" else "node")


PEERS: Final = (
    Peer(
        "fer",
        "python",
        "fer_worker.py",
        "MIT; its weights are of oarriaga/face_classification, MIT",
        "mini-XCEPTION, 58,423 parameters, 64 px, int8 (TensorFlow Lite), its default",
        "FER2013's training part; the best epoch was chosen on its other two parts together, "
        "PublicTest among them (face_classification's train_emotion_classifier.py)",
    ),
    Peer(
        "face-api",
        "node",
        "face_api_worker.mjs",
        "MIT",
        "FaceExpressionNet, small and densely connected, 323,687 parameters, 112 px",
        "not published; its author's training scripts take 70 % at random of a cleaned data set of "
        "Kaggle's, by all appearance FER2013, so that test images may be among them",
    ),
    Peer(
        "human",
        "node",
        "human_worker.mjs",
        "MIT; its weights are of oarriaga/face_classification, MIT",
        "big_XCEPTION by its shape, 205,129 parameters, 64 px, float32",
        "as `fer`, as far as is known: the same repository, whose script names no other data",
    ),
)


def peers_named(names: list[str]) -> list[Peer]:
    """The peers of those names, all where there are none.

    Raises:
        ValueError: There is no such peer.
    """
    known = {peer.name: peer for peer in PEERS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"{unknown[0]}: no such peer; known are {', '.join(known)}")
    return [peer for peer in PEERS if not names or peer.name in names]


def started(peer: Peer, environments: Path, cores: int) -> Worker:
    """The peer's running worker, on as many cores as it takes, at most `cores`.

    Raises:
        PeerFailed: It is not installed or does not start.
    """
    folder = peer.environment(environments)
    if not is_installed(peer, environments):
        raise NotInstalled(
            f"{peer.name} is not installed: python -m benchmarks.peers --install --peer {peer.name}"
        )
    if peer.kind == "python":
        command = [str(_interpreter(folder)), str(WORKERS / peer.worker)]
    else:
        command = ["node", str(WORKERS / peer.worker), str(folder)]
    return Worker(peer.name, command, environments / f"{peer.name}.log", threads(cores))


def ours_started(version: Path | None, environments: Path, cores: int) -> Worker:
    """Our engine's running worker.

    Raises:
        PeerFailed: It does not start.
    """
    command = [sys.executable, str(WORKERS / "our_worker.py"), str(cores)]
    if version is not None:
        command.append(str(version))
    # The peers' workers lie beside ours, hence the path to our packages.
    return Worker(
        "ours", command, environments / "ours.log", {**threads(cores), "PYTHONPATH": str(ROOT)}
    )


def threads(cores: int) -> Mapping[str, str]:
    """What tells every library how many threads it may use, and to leave a GPU alone."""
    each = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    return {
        **dict.fromkeys(each, str(cores)),
        "TF_NUM_INTEROP_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def is_installed(peer: Peer, environments: Path) -> bool:
    """Whether its environment is there and as pinned now."""
    try:
        return _stamp(peer, environments).read_text(encoding="utf-8") == _digest(peer.pins)
    except OSError:
        return False


def install(peer: Peer, environments: Path, say: Callable[[str], object]) -> None:
    """Makes the peer's environment where it is missing; `say` hears what is being done.

    Raises:
        InstallFailed: It could not be made; the message says why.
    """
    if is_installed(peer, environments):
        return
    folder = peer.environment(environments)
    log = environments / f"{folder.name}-install.log"
    folder.mkdir(parents=True, exist_ok=True)
    say(f"installing {peer.name} into {folder} (log: {log}) ...")
    if peer.kind == "python":
        venv.EnvBuilder(clear=True, with_pip=False).create(folder)
        # Nothing but what is pinned: its own requirements include a face detector on torch, and
        # a video library, which nothing here uses.
        pip = [sys.executable, "-m", "pip", "--python", str(_interpreter(folder))]
        _run(peer, [*pip, "install", "--no-deps", "-r", str(peer.pins[0])], folder, log)
    else:
        for pin in peer.pins:
            shutil.copy(pin, folder)
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            raise InstallFailed(f"{peer.name} needs node and npm, which are not on the path")
        # No scripts: none of the packages needs one, and they would run with our rights.
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
        _run(peer, [npm, "ci", *quiet], folder, log)
    _stamp(peer, environments).write_text(_digest(peer.pins), encoding="utf-8")


def _run(peer: Peer, command: list[str], folder: Path, log: Path) -> None:
    try:
        with log.open("wb") as output:
            subprocess.run(
                command,
                cwd=None if peer.kind == "python" else folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=INSTALL_SECONDS,
            )
    except subprocess.CalledProcessError as error:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), str(error))
        raise InstallFailed(f"{peer.name}: not installed: {last[:200]} (log: {log})") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise InstallFailed(f"{peer.name}: not installed: {error} (log: {log})") from error


def _stamp(peer: Peer, environments: Path) -> Path:
    return peer.environment(environments) / ".installed"


def _interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"


def _digest(files: list[Path]) -> str:
    content = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()[:16]
