import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from fer_model import versions
from fer_model.blend import Calibrations
from fer_model.emotions import EMOTIONS
from fer_model.errors import (
    LabelOrderMismatch,
    VersionDamaged,
    VersionFormatUnknown,
    VersionMissing,
    VersionRefused,
)
from fer_model.networks import ARCHITECTURES, FaceNetwork
from fer_model.versions import (
    DOCUMENT,
    Member,
    ModelVersion,
    load_members,
    packed,
    read_version,
    remove_unfinished,
    unpacked,
    write_version,
)
from tests.versions import random_members, random_metadata, random_network


@pytest.fixture(scope="module")
def member() -> Member:
    return random_members()[1]


@pytest.fixture
def copy(version: ModelVersion, tmp_path: Path) -> Path:
    """The version in a directory that a test may damage."""
    return Path(shutil.copytree(version.path, tmp_path / version.digest))


def renamed(path: Path) -> Path:
    """The directory under the name that its content now has."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return path.rename(path.with_name(digest.hexdigest()))


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    document = json.loads((path / DOCUMENT).read_text())
    change(document)
    (path / DOCUMENT).write_text(json.dumps(document))
    return renamed(path)


def test_version_comes_back_as_it_was_written(version: ModelVersion) -> None:
    found = read_version(version.path)
    assert found == version
    assert found.metadata == random_metadata()
    assert [record.architecture for record in found.members] == list(ARCHITECTURES)
    assert {record.side for record in found.members} == {32}
    assert found.path.name == found.digest
    assert found.digest.startswith(found.short)


def test_a_finer_stem_comes_back_as_such(tmp_path: Path) -> None:
    finer = FaceNetwork("resnet50", stem="finer")
    written = write_version(tmp_path, [Member(finer, 32)], random_metadata(1), "fp16")
    (loaded,) = load_members(read_version(written.path))
    assert loaded.network.stem == "finer"
    assert loaded.network.backbone.conv1.stride == (1, 1)  # type: ignore[union-attr]


def test_a_document_from_before_there_were_stems_means_the_original(copy: Path) -> None:
    def forget(document: dict[str, Any]) -> None:
        for member in document["members"]:
            del member["stem"]

    found = read_version(rewritten(copy, forget))
    assert {record.stem for record in found.members} == {"original"}


def test_what_format_2_added_comes_back_as_it_was_written(member: Member, tmp_path: Path) -> None:
    metadata = random_metadata(1)
    rows = tuple(tuple(float(i == j) / 3 for j in range(7)) for i in range(7))
    label = replace(metadata.calibrations.label, exchange=rows)
    calibrations = replace(metadata.calibrations, label=label, differ_from=0.0421)
    exchanging = replace(metadata, calibrations=calibrations)
    written = write_version(tmp_path, [member], exchanging)
    assert read_version(written.path).metadata.calibrations == calibrations
    assert calibrations.crowd.exchange == ()


def test_a_version_of_format_1_is_read_with_what_it_lacks(copy: Path) -> None:
    def as_it_was(document: dict[str, Any]) -> None:
        document["format"] = 1
        del document["calibrations"]["differ_from"]
        for calibration in (document["calibrations"]["crowd"], document["calibrations"]["label"]):
            del calibration["exchange"]

    assert read_version(rewritten(copy, as_it_was)).metadata == random_metadata()


def test_weights_come_back_in_sixteen_bits(version: ModelVersion) -> None:
    for loaded, written in zip(load_members(version), random_members(), strict=True):
        assert loaded.side == written.side
        state = loaded.network.state_dict()
        for key, value in written.network.state_dict().items():
            expected = value.half().float() if value.ndim > 1 else value
            assert torch.equal(state[key], expected), key


def test_same_content_is_the_same_version(member: Member, tmp_path: Path) -> None:
    metadata = random_metadata(1)
    first = write_version(tmp_path, [member], metadata)
    second = write_version(tmp_path, [member], metadata)
    assert first == second
    assert [path.name for path in tmp_path.iterdir()] == [first.digest]


def test_other_metadata_or_weights_are_another_version(member: Member, tmp_path: Path) -> None:
    metadata = random_metadata(1)
    other = replace(metadata, parent="ab" * 32, feedback=(3, 5), flip_average=False)
    network = random_network("resnet50", seed=1)
    written = [
        write_version(tmp_path, [member], metadata),
        write_version(tmp_path, [member], other),
        write_version(tmp_path, [Member(network, 32)], metadata),
        write_version(tmp_path, [member], metadata, "fp32"),
    ]
    assert len({version.digest for version in written}) == 4
    assert read_version(written[1].path).metadata == other


def test_nothing_is_left_behind_when_writing_fails(
    member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(versions, "_sync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_version(tmp_path, [member], random_metadata(1))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_written_goes_after_an_hour(
    member: Member, tmp_path: Path
) -> None:
    whole = write_version(tmp_path, [member], random_metadata(1))
    left, fresh = tmp_path / ".partial-left", tmp_path / ".partial-fresh"
    for folder in (left, fresh):
        folder.mkdir()
        (folder / DOCUMENT).write_text("{")
    hours_ago = time.time() - 2 * 3600
    for folder in (left, whole.path):
        os.utime(folder, (hours_ago, hours_ago))
    remove_unfinished(tmp_path)
    assert set(tmp_path.iterdir()) == {fresh, whole.path}
    remove_unfinished(tmp_path / "never written to")


def test_int8_is_a_quarter_of_the_size_and_close_to_the_weights(member: Member) -> None:
    state = member.network.state_dict()
    small = packed(state, "int8")
    bytes_before = sum(v.nbytes for v in state.values())
    assert sum(v.nbytes for v in small.values()) < 0.27 * bytes_before
    back = unpacked(small)
    assert back.keys() == state.keys()
    for key, value in state.items():
        if value.ndim < 2:
            assert torch.equal(back[key], value), key
        else:
            error = (back[key] - value).norm() / value.norm()
            assert error < 0.01, key


def test_int8_scales_are_per_output_channel() -> None:
    weight = torch.tensor([[1.0, -0.5], [1000.0, 3.0], [0.0, 0.0]])
    back = unpacked(packed({"head.weight": weight}, "int8"))["head.weight"]
    assert back[0].tolist() == pytest.approx([1.0, -0.5], rel=0.01)
    assert back[1, 0] == pytest.approx(1000, rel=0.01)
    assert back[2].tolist() == [0, 0]


@pytest.mark.parametrize("precision", ["int8", "fp16", "fp32"])
def test_weights_that_are_not_finite_are_refused(precision: versions.Precision) -> None:
    with pytest.raises(ValueError, match="not finite"):
        packed({"weight": torch.tensor([[float("nan")]])}, precision)


def test_weights_beyond_sixteen_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="float16"):
        packed({"weight": torch.tensor([[1e6]])}, "fp16")


def test_version_without_members_or_with_twins_is_refused(member: Member, tmp_path: Path) -> None:
    for members in ([], [member, member]):
        with pytest.raises(ValueError, match="one member per architecture"):
            write_version(tmp_path, members, random_metadata(len(members) or 1))


def test_metadata_that_does_not_fit_is_refused(member: Member, tmp_path: Path) -> None:
    good = random_metadata(1)
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  the point of the test
    for wrong in (
        random_metadata(2),
        replace(good, created_at=naive),
        replace(good, figures={"loss": float("nan")}),
        replace(good, calibrations=Calibrations.neutral(3)),
    ):
        with pytest.raises(ValueError):
            write_version(tmp_path, [member], wrong)
    assert list(tmp_path.iterdir()) == []


def test_missing_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(VersionMissing, match="reinstall") as refused:
        read_version(tmp_path / "nowhere")
    assert refused.value.path.name == "nowhere"


def test_directory_without_document_is_missing(copy: Path) -> None:
    (copy / DOCUMENT).unlink()
    with pytest.raises(VersionMissing, match=DOCUMENT):
        read_version(copy)


@pytest.mark.parametrize("name", ["vgg19.safetensors", "resnet50.safetensors", DOCUMENT])
def test_one_flipped_bit_anywhere_is_damage(name: str, copy: Path) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(VersionDamaged, match="restore it"):
        read_version(copy)


def test_truncated_weights_are_damage(copy: Path) -> None:
    with (copy / "vgg19.safetensors").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(VersionDamaged):
        read_version(copy)


def test_missing_weights_are_damage(copy: Path) -> None:
    (copy / "vgg19.safetensors").unlink()
    with pytest.raises(VersionDamaged):
        read_version(copy)


def test_weights_missing_from_a_directory_that_was_renamed_to_match_are_damage(copy: Path) -> None:
    (copy / "vgg19.safetensors").unlink()
    with pytest.raises(VersionRefused):
        read_version(renamed(copy))


def test_directory_under_another_name_is_damage(copy: Path) -> None:
    with pytest.raises(VersionDamaged, match="name"):
        read_version(copy.rename(copy.with_name("latest")))


def test_other_label_order_is_named(copy: Path) -> None:
    order = [*EMOTIONS[1:], EMOTIONS[0]]
    with pytest.raises(LabelOrderMismatch) as refused:
        read_version(rewritten(copy, lambda document: document.update(labels=order)))
    assert refused.value.found == tuple(order)
    assert "\n" not in str(refused.value)


def test_other_format_is_named(copy: Path) -> None:
    with pytest.raises(VersionFormatUnknown, match="format 3") as refused:
        read_version(rewritten(copy, lambda document: document.update(format=3)))
    assert refused.value.known == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("members"),
        lambda d: d.pop("calibrations"),
        lambda d: d.update(members=[]),
        lambda d: d.update(created_at="yesterday"),
        lambda d: d["members"][0].update(architecture="alexnet"),
        lambda d: d["members"][0].update(side=0),
        lambda d: d["members"][0].update(precision="fp8"),
        lambda d: d["members"][0].update(stem="coarser"),
        lambda d: d["calibrations"]["crowd"].update(temperatures=[1.0]),
        lambda d: d["calibrations"]["label"].update(weights=[0.9, 0.9]),
        lambda d: d["calibrations"]["crowd"].update(biases="none"),
    ],
)
def test_document_that_makes_no_sense_is_damage(
    change: Callable[[dict[str, Any]], object], copy: Path
) -> None:
    with pytest.raises(VersionDamaged):
        read_version(rewritten(copy, change))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe"])
def test_document_that_is_no_json_object_is_damage(content: bytes, copy: Path) -> None:
    (copy / DOCUMENT).write_bytes(content)
    with pytest.raises(VersionDamaged):
        read_version(renamed(copy))


def test_weights_of_another_architecture_are_damage(copy: Path) -> None:
    shutil.copy(copy / "resnet50.safetensors", copy / "vgg19.safetensors")
    with pytest.raises(VersionDamaged, match="vgg19"):
        read_version(renamed(copy))


def test_file_that_changes_after_reading_is_refused_on_loading(copy: Path) -> None:
    found = read_version(copy)
    (copy / "resnet50.safetensors").write_bytes(b"not any more")
    with pytest.raises(VersionRefused):
        load_members(found)
