"""What teachers say is kept by content, for identities, scenes and edges."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from sushi_lg.errors import DataError
from sushi_lg.language.descriptions import Description
from sushi_lg.language.teaching import scene_sentences, teach, teach_edges


class Counting:
    """Says of a sentence how often each letter is in it, and how many sentences it was asked for."""

    name = "letters"
    dim = 26

    def __init__(self, version: str = "1") -> None:
        self.asked = 0
        self._version = version

    def fingerprint(self) -> str:
        return f"{self._version:0>64}"

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        assert all(sentence.strip() for sentence in sentences)
        self.asked += len(sentences)
        letters = [[sentence.lower().count(chr(97 + i)) for i in range(26)] for sentence in sentences]
        vectors = np.array(letters, np.float32).reshape(-1, 26)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


ROWS = [
    Description(seq="town/1", track_id=7, sentence="A person in red."),
    Description(seq="town/1", track_id=None, sentence="A street by night."),
    Description(seq="town/1", track_id=3, sentence=""),
    Description(seq="town/1", track_id=2, sentence="A person in blue."),
]


def test_known_identities_in_order_and_the_scene(tmp_path: Path) -> None:
    encoder = Counting()
    taught = teach(ROWS, encoder, tmp_path)
    assert taught.ids.tolist() == [2, 7]
    np.testing.assert_array_equal(taught.instance.numpy(), encoder.encode([ROWS[3].sentence, ROWS[0].sentence]))
    assert taught.scene is not None
    np.testing.assert_array_equal(taught.scene.numpy(), encoder.encode([ROWS[1].sentence])[0])
    assert not taught.instance.requires_grad
    assert not taught.scene.requires_grad


def test_what_was_said_is_not_asked_again(tmp_path: Path) -> None:
    encoder = Counting()
    first = teach(ROWS, encoder, tmp_path)
    assert encoder.asked == 3
    again = teach(list(reversed(ROWS)), encoder, tmp_path)
    assert encoder.asked == 3
    for name in ("instance", "ids", "scene"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    [path] = tmp_path.rglob("*.safetensors")
    assert path.parent == tmp_path / "letters@000000000000" / "town" and re.fullmatch(r"1-[0-9a-f]{12}", path.stem)
    assert {key: tuple(value.shape) for key, value in load_file(path).items()} == {
        "instance": (2, 26),
        "ids": (2,),
        "scene": (26,),
    }
    before = path.read_bytes()
    path.unlink()
    teach(ROWS, encoder, tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "changed",
    [
        [Description(seq="town/1", track_id=7, sentence="A person in pink."), *ROWS[1:]],
        [Description(seq="town/1", track_id=8, sentence=ROWS[0].sentence), *ROWS[1:]],
        [ROWS[0], Description(seq="town/1", track_id=None, sentence="A street by day."), *ROWS[2:]],
        [ROWS[0], *ROWS[2:]],
        ROWS[:2],
    ],
    ids=["sentence", "identity", "scene", "no scene", "fewer"],
)
def test_other_descriptions_are_asked_anew(tmp_path: Path, changed: list[Description]) -> None:
    encoder = Counting()
    teach(ROWS, encoder, tmp_path)
    fresh = teach(changed, encoder, None)
    kept = teach(changed, encoder, tmp_path)
    assert torch.equal(kept.ids, fresh.ids)
    assert torch.equal(kept.instance, fresh.instance)
    assert (kept.scene is None) == (fresh.scene is None)
    if fresh.scene is not None:
        assert torch.equal(kept.scene, fresh.scene)
    asked = encoder.asked
    for told in (changed, ROWS):  # neither takes the other's file away
        teach(told, encoder, tmp_path)
    assert encoder.asked == asked


def test_other_weights_have_a_folder_of_their_own(tmp_path: Path) -> None:
    other = Counting("2" + "0" * 63)
    teach(ROWS, Counting(), tmp_path)
    teach(ROWS, other, tmp_path)
    assert other.asked == 3
    assert len(list(tmp_path.iterdir())) == 2


def test_a_fingerprint_that_begins_alike_is_not_taken_for_the_same(tmp_path: Path) -> None:
    other = Counting("2")  # differs behind the part that names the folder
    teach(ROWS, Counting(), tmp_path)
    teach(ROWS, other, tmp_path)
    assert other.asked == 3


def test_broken_files_are_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = teach(ROWS, Counting(), tmp_path)
    [path] = tmp_path.rglob("*.safetensors")
    whole = path.read_bytes()
    save_file({"instance": torch.zeros(1, 26)}, path)
    strange = path.read_bytes()
    for broken in (whole[:40], b"", strange):
        path.write_bytes(broken)
        with caplog.at_level(logging.INFO, logger="sushi_lg"):
            caplog.clear()
            taught = teach(ROWS, Counting(), tmp_path)
        assert "made again" in caplog.text
        assert torch.equal(taught.instance, expected.instance)
        assert path.read_bytes() == whole


def test_nothing_known_is_no_rows(tmp_path: Path) -> None:
    encoder = Counting()
    for _ in range(2):
        taught = teach([ROWS[2]], encoder, tmp_path)
        assert len(taught) == 0
        assert taught.dim == 26
        assert taught.scene is None
    assert encoder.asked == 0


def test_edges_are_spoken_of_in_their_scene(tmp_path: Path) -> None:
    encoder = Counting()
    edges = teach_edges(ROWS, encoder, tmp_path)
    same, different = "A street by night. The same person.", "A street by night. Two different people."
    assert scene_sentences(ROWS[1].sentence) == (same, different)
    np.testing.assert_array_equal(edges.numpy(), encoder.encode([same, different]))
    asked = encoder.asked
    assert torch.equal(teach_edges(ROWS, encoder, tmp_path), edges)
    assert encoder.asked == asked
    teach(ROWS, encoder, tmp_path)  # takes nothing away from the edges
    assert torch.equal(teach_edges(ROWS, encoder, tmp_path), edges)
    assert encoder.asked == asked + 3
    bare = teach_edges(ROWS[2:], encoder, tmp_path)
    np.testing.assert_array_equal(bare.numpy(), encoder.encode(["The same person.", "Two different people."]))
    assert not bare.requires_grad


@pytest.mark.parametrize("ask", [teach, teach_edges])
def test_what_cannot_be_asked(ask: object, tmp_path: Path) -> None:
    assert callable(ask)
    with pytest.raises(ValueError, match="2 sequences"):
        ask([*ROWS, Description(seq="b", track_id=1, sentence="x")], Counting(), None)
    with pytest.raises(ValueError, match="0 sequences"):
        ask([], Counting(), None)
    with pytest.raises(ValueError, match="track 7 is described twice"):
        ask([*ROWS, ROWS[0]], Counting(), None)
    with pytest.raises(ValueError, match="scene is described twice"):
        ask([*ROWS, ROWS[1]], Counting(), None)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        ask(ROWS, Counting(), tmp_path / "file")
    with pytest.raises(DataError, match="no name of a file"):
        ask([Description(seq="../x", track_id=1, sentence="x")], Counting(), tmp_path)
