"""Where simulated people meet a version: faces, what the version's lower layers say of them, parts.

A world has faces that people speak about, faces of the same kind that nobody ever speaks about,
base faces for the gate, base faces that the gate never sees, and faces to replay; no picture is in
two of them. Lower layers never learn, so all of them are run once and kept on disk.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.corruptions import exposed, noisy, turned
from fer_model.alignment import lit
from fer_model.blend import Calibrations
from fer_model.emotions import EMOTIONS
from fer_model.versions import Member, load_members, read_version, shipped_version
from train_cli.learning import CachedFaces, LearningSettings, LowerLayers, upper_answers
from train_cli.splits import FaceSet, load_split

Array = NDArray[np.float64]
Name = Literal["dark_and_turned", "hard_sad", "nothing_new"]

Change = Callable[[Tensor], Tensor]
"""What happens to the crops of a population."""

CPU: Final = torch.device("cpu")

LIGHT: Final = 0.12
NOISE: Final = 3.0
TURNED: Final = (20.0, 40.0)
"""Dark and turned faces: an eighth of the light, the noise of a small sensor (levels at middle
grey, before it is brightened), and a head turned by this many degrees to either side that the
alignment did not notice; then lit as the bot lights a crop."""

COPIES: Final = 3
"""Augmented copies of each face that are kept; learning takes the first few of them."""

_GATE_BASE: Final = 1500
"""As many validation faces as a retrain compares."""

_FEEDBACK: Final = 3400
_REPLAY: Final = 4096
_GUARD: Final = 2000
_SAD_UNSEEN: Final = 300


@dataclass(frozen=True)
class AskedFaces:
    """Faces that versions are compared on.

    Attributes:
        votes: (N, 7), how many of ten people named each emotion.
        crops: Grey uint8 (N, 1, 48, 48), as the engine is given them.
        views: Activations of the faces and of their mirror images, per member.
        at_start: What the version that the world starts with says of them, crowd and label.
    """

    votes: Array
    crops: Tensor
    views: tuple[tuple[Tensor, ...], ...]
    at_start: tuple[Array, Array]

    def __len__(self) -> int:
        return len(self.votes)

    @property
    def said(self) -> Array:
        """Shares (N, 7)."""
        return np.asarray(self.votes / self.votes.sum(axis=1, keepdims=True))

    def at(self, places: NDArray[np.int64]) -> "AskedFaces":
        """The faces at `places`, in that order."""
        index = torch.from_numpy(places)
        views = tuple(tuple(member[index] for member in view) for view in self.views)
        crowd, label = self.at_start
        answers = (crowd[places], label[places])
        return AskedFaces(self.votes[places], self.crops[index], views, answers)


def joined(one: AskedFaces, other: AskedFaces) -> AskedFaces:
    """The faces of both, `one`'s first."""
    views = tuple(
        tuple(torch.cat(pair) for pair in zip(mine, its, strict=True))
        for mine, its in zip(one.views, other.views, strict=True)
    )
    crowd, label = (np.concatenate(pair) for pair in zip(one.at_start, other.at_start, strict=True))
    votes = np.concatenate((one.votes, other.votes))
    return AskedFaces(votes, torch.cat((one.crops, other.crops)), views, (crowd, label))


@dataclass(frozen=True)
class SpokenOfFaces:
    """Faces that people speak about.

    Attributes:
        asked: As the bot reads them.
        copies: Per member, activations (K, N, C, H, W) of augmented copies.
    """

    asked: AskedFaces
    copies: tuple[Tensor, ...]

    def lesson(
        self, places: NDArray[np.int64], crowd: Array, label: Array, copies: int
    ) -> CachedFaces:
        """The first `copies` copies of the faces at `places` with these targets."""
        index = torch.from_numpy(places)
        activations = tuple(m[:copies][:, index].flatten(0, 1) for m in self.copies)
        return CachedFaces(activations, _tensor(crowd, copies), _tensor(label, copies))


@dataclass(frozen=True)
class ReplayedFaces:
    """Base training faces: copies, and what is known of them.

    Attributes:
        known: Copies (K·N) with people's shares and the label.
        first: The faces themselves, one view: what a version says of them.
    """

    known: CachedFaces
    first: AskedFaces

    def cut_down(self, count: int) -> "ReplayedFaces":
        """The first so many of them."""
        copies = len(self.known) // len(self.first)
        kept = torch.arange(len(self.known)).view(copies, -1)[:, :count].flatten()
        known = CachedFaces(
            tuple(member[kept] for member in self.known.activations),
            self.known.crowd[kept],
            self.known.label[kept],
        )
        return ReplayedFaces(known, self.first.at(np.arange(min(count, len(self.first)))))

    def lesson(self, crowd: Array, label: Array) -> CachedFaces:
        """Half what the ensemble says of them, (N, 7) each, half what is known: as in a retrain."""
        copies = len(self.known) // len(self.first)
        return CachedFaces(
            self.known.activations,
            (self.known.crowd + _tensor(crowd, copies)) / 2,
            (self.known.label + _tensor(label, copies)) / 2,
        )


@dataclass(frozen=True)
class World:
    """One population and the version that it meets."""

    name: Name
    members: tuple[Member, ...]
    calibrations: Calibrations
    spoken_of: SpokenOfFaces
    replay: ReplayedFaces
    guard: AskedFaces
    gate_base: AskedFaces
    unseen: AskedFaces
    unseen_base: AskedFaces

    def answers(self, faces: AskedFaces, members: Sequence[Member]) -> tuple[Array, Array]:
        """What an ensemble says of faces, crowd and label, each (N, 7)."""
        if members is self.members:
            return faces.at_start
        return upper_answers(members, self.calibrations, faces.views, CPU)


@dataclass(frozen=True)
class Sources:
    """Folders.

    Attributes:
        split: What `train_cli prepare` wrote.
        without: The same without one emotion's hardest third, by `benchmarks.populations`.
        without_version: The version that was trained on that.
        work: Where activations are kept.
    """

    split: Path
    without: Path
    without_version: Path
    work: Path


def dark_and_turned(crops: Tensor, seed: int) -> Tensor:
    """The crops, uint8 (N, 1, 48, 48), as the bot would cut them out of bad pictures."""
    changed = []
    for place, crop in enumerate(crops[:, 0].numpy()):
        random = np.random.default_rng((seed, place))
        degrees = random.uniform(*TURNED) * random.choice([-1, 1])
        dark = noisy(exposed(crop, LIGHT), NOISE, random)
        changed.append(lit(turned(dark, float(degrees))))
    return torch.from_numpy(np.stack(changed))[:, None]


def world(name: Name, sources: Sources, tuning: bool = False) -> World:
    """The world of this name.

    Args:
        name: Which.
        sources: Where everything is.
        tuning: Show the gate's base faces in the place of the unseen ones: to choose by.
    """
    path = sources.without_version if name == "hard_sad" else shipped_version()
    version = read_version(path)
    members = tuple(load_members(version))
    calibrations = version.metadata.calibrations
    keeper = _Keeper(sources.work / version.short, members, calibrations)
    validation = _voted(load_split(sources.split, "validation"))
    order = np.random.default_rng(2026).permutation(len(validation))
    gate, unseen = np.sort(order[:_GATE_BASE]), np.sort(order[_GATE_BASE:])
    base = keeper.asked("validation", validation)
    spoken_of: SpokenOfFaces
    if name == "hard_sad":
        left_out = _left_out(sources.without)
        places = np.random.default_rng(2026).permutation(len(left_out))
        learnt, apart = np.sort(places[_SAD_UNSEEN:]), np.sort(places[:_SAD_UNSEEN])
        spoken_of = keeper.spoken_of("sad", left_out.subset(learnt))
        if tuning:  # half of what may be learnt from
            half = np.arange(len(learnt)) % 2 == 0
            population = spoken_of.asked.at(np.flatnonzero(half))
            spoken_of = _part(spoken_of, np.flatnonzero(~half))
        else:
            population = keeper.asked("sad-unseen", left_out.subset(apart))
        faces = _sample(sources.without, _REPLAY + _FEEDBACK + _GUARD, 0)
        replay = keeper.replayed("replay", faces.subset(np.arange(_REPLAY)))
    else:
        faces = _sample(sources.split, _REPLAY + _FEEDBACK + _GUARD, 0)
        replay = keeper.replayed("replay", faces.subset(np.arange(_REPLAY)))
        if name == "dark_and_turned":
            feedback = faces.subset(np.arange(_REPLAY, _REPLAY + _FEEDBACK))
            spoken_of = keeper.spoken_of("dark", feedback, lambda c: dark_and_turned(c, 1))
            chosen = gate[::2] if tuning else unseen
            population = keeper.asked(
                "dark-gate" if tuning else "dark-unseen",
                validation.subset(chosen),
                lambda c: dark_and_turned(c, 3 if tuning else 2),
            )
        else:
            spoken_of = keeper.spoken_of("validation-copies", validation)
            population = base
    judged_on = base.at(gate)
    guard = keeper.asked_once("guard", faces.subset(np.arange(_REPLAY + _FEEDBACK, len(faces))))
    return World(
        name,
        members,
        calibrations,
        spoken_of,
        replay,
        guard,
        judged_on,
        population,
        judged_on if tuning else base.at(unseen),
    )


def third(whole: World, seed: int) -> World:
    """A world of nothing new, its faces dealt anew: to speak of, for the gate, unseen; no guard."""
    order = np.random.default_rng(seed).permutation(len(whole.unseen))
    first, second, last = (np.sort(part) for part in np.array_split(order, 3))
    apart = whole.unseen.at(last)
    return World(
        whole.name,
        whole.members,
        whole.calibrations,
        _part(whole.spoken_of, first),
        whole.replay,
        whole.guard.at(np.arange(0)),
        whole.unseen.at(second),
        apart,
        apart,
    )


def cut_down(whole: World, spoken_of: NDArray[np.int64], replayed: int, guarding: int) -> World:
    """The same world with these of its faces to speak about, and with fewer to replay and guard."""
    return replace(
        whole,
        spoken_of=_part(whole.spoken_of, spoken_of),
        replay=whole.replay.cut_down(replayed),
        guard=whole.guard.at(np.arange(guarding)),
    )


def starting_with(whole: World, members: tuple[Member, ...]) -> World:
    """The same world where another version serves by now."""

    def asked(faces: AskedFaces) -> AskedFaces:
        answers = upper_answers(members, whole.calibrations, faces.views, CPU)
        return replace(faces, at_start=answers)

    return replace(
        whole,
        members=members,
        spoken_of=replace(whole.spoken_of, asked=asked(whole.spoken_of.asked)),
        replay=replace(whole.replay, first=asked(whole.replay.first)),
        guard=asked(whole.guard),
        gate_base=asked(whole.gate_base),
    )


def _part(faces: SpokenOfFaces, places: NDArray[np.int64]) -> SpokenOfFaces:
    index = torch.from_numpy(places)
    return SpokenOfFaces(faces.asked.at(places), tuple(m[:, index] for m in faces.copies))


def _voted(faces: FaceSet) -> FaceSet:
    return faces.subset(np.flatnonzero(faces.has_crowd.numpy()))


def _sample(split: Path, count: int, seed: int) -> FaceSet:
    """So many training faces with votes, no two of them equal."""
    faces = _voted(load_split(split, "train"))
    _, first = np.unique([crop.tobytes() for crop in faces.crops.numpy()], return_index=True)
    chosen = np.random.default_rng(seed).permutation(np.sort(first))[:count]
    return faces.subset(chosen)


def _left_out(folder: Path) -> FaceSet:
    return _voted(load_split(folder, "left_out"))


def _tensor(shares: Array, copies: int) -> Tensor:
    return torch.from_numpy(shares.astype(np.float32)).repeat(copies, 1)


class _Keeper:
    """Activations by name: computed once, then read from disk."""

    def __init__(self, folder: Path, members: Sequence[Member], calibrations: Calibrations) -> None:
        self._folder = folder
        self._members = members
        self._calibrations = calibrations
        self._lower: LowerLayers | None = None

    def asked(self, name: str, faces: FaceSet, change: Change | None = None) -> AskedFaces:
        return self._asked(name, faces, change, ("", "-mirrored"))

    def asked_once(self, name: str, faces: FaceSet) -> AskedFaces:
        """Without their mirror images, for what is many faces and need not be exact."""
        return self._asked(name, faces, None, ("",))

    def _asked(
        self, name: str, faces: FaceSet, change: Change | None, seen: Sequence[str]
    ) -> AskedFaces:
        crops = faces.crops if change is None else change(faces.crops)
        views = tuple(self._view(f"{name}{side}", crops, side != "") for side in seen)
        votes = faces.votes.numpy()[:, : len(EMOTIONS)].astype(np.float64)
        return AskedFaces(votes, crops, views, self._answers(name, views))

    def _view(self, name: str, crops: Tensor, mirrored: bool) -> tuple[Tensor, ...]:
        def computed(lower: LowerLayers) -> dict[str, Tensor]:
            seen = lower.of_faces(crops, mirrored=mirrored)
            return {str(m): one for m, one in enumerate(seen)}

        kept = self._kept(name, computed)
        return tuple(kept[str(m)] for m in range(len(self._members)))

    def _answers(self, name: str, views: Sequence[Sequence[Tensor]]) -> tuple[Array, Array]:
        def computed(_lower: LowerLayers) -> dict[str, Tensor]:
            found = upper_answers(self._members, self._calibrations, views, CPU)
            return dict(zip(("crowd", "label"), map(torch.from_numpy, found), strict=True))

        kept = self._kept(f"{name}-answers-{len(views)}", computed)
        return kept["crowd"].numpy(), kept["label"].numpy()

    def spoken_of(self, name: str, faces: FaceSet, change: Change | None = None) -> SpokenOfFaces:
        asked = self.asked(name, faces, change)
        return SpokenOfFaces(asked, self._copies(name, faces, change, COPIES))

    def replayed(self, name: str, faces: FaceSet) -> ReplayedFaces:
        copies = self._copies(name, faces, None, 2)
        label = np.eye(len(EMOTIONS))[faces.labels.numpy()]
        known = CachedFaces(
            tuple(one.flatten(0, 1) for one in copies),
            _tensor(faces.crowd.numpy().astype(np.float64), 2),
            _tensor(label, 2),
        )
        return ReplayedFaces(known, self.asked_once(name, faces))

    def _copies(
        self,
        name: str,
        faces: FaceSet,
        change: Change | None,
        copies: int,
    ) -> tuple[Tensor, ...]:
        def computed(lower: LowerLayers) -> dict[str, Tensor]:
            crops = faces.crops if change is None else change(faces.crops)
            random = torch.Generator().manual_seed(0)
            strength = LearningSettings().augmentation
            seen = lower.of_copies(crops, copies, strength, random)
            return {str(m): one.view(copies, -1, *one.shape[1:]) for m, one in enumerate(seen)}

        kept = self._kept(f"{name}-copies", computed)
        return tuple(kept[str(m)] for m in range(len(self._members)))

    def _kept(
        self, name: str, computed: Callable[[LowerLayers], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        path = self._folder / f"{name}.safetensors"
        if not path.is_file():
            self._lower = self._lower or LowerLayers(self._members, CPU)
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            save_file({k: v.contiguous() for k, v in computed(self._lower).items()}, partial)
            partial.rename(path)
        return load_file(path)
