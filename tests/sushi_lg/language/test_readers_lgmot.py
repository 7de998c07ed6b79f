from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.errors import DataError
from sushi_lg.language.readers_lgmot import INSTANCE_FILE, SCENE_FOLDER, has_lgmot, read_lgmot


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    """Identities 1, 3 and 4, the last in the second half only."""
    root = tmp_path / "MOT17" / "train" / "MOT17-77"
    (root / "gt").mkdir(parents=True)
    (root / "gt" / "gt.txt").write_text("".join(f"{f},{i},1,1,9,9,1,1,1\n" for f, i in ((1, 3), (1, 1), (9, 4))))
    (root / "seqinfo.ini").write_text("[Sequence]\nname=x\nframeRate=25\nseqLength=9\nimWidth=20\nimHeight=20\n")
    return open_sequence(root)


def _save(sequence: Sequence, instance: object = None, scene: object = None) -> None:
    root = sequence.info.root
    for path, value in ((INSTANCE_FILE, instance), (SCENE_FOLDER / f"{sequence.name}_prompt_embedding_all.pt", scene)):
        if value is not None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            torch.save(value, root / path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("width", [128, 7])
def test_rows_are_identities(sequence: Sequence, dtype: torch.dtype, width: int) -> None:
    rows = torch.arange(5 * width).reshape(5, width).to(dtype)
    _save(sequence, rows, torch.ones(1, 512))
    taught = read_lgmot(sequence)
    assert taught.ids.tolist() == [1, 3, 4] and taught.dim == width
    assert taught.instance.dtype == torch.float32
    torch.testing.assert_close(taught.instance, rows[[1, 3, 4]].float())
    assert taught.scene is not None and taught.scene.shape == (512,)
    assert read_lgmot(sequence.first_half()).ids.tolist() == [1, 3]


def test_a_list_of_vectors_and_no_scene(sequence: Sequence) -> None:
    _save(sequence, [torch.full((1, 6), float(k)) for k in range(5)])
    taught = read_lgmot(sequence)
    assert taught.instance[:, 0].tolist() == [1, 3, 4] and taught.scene is None
    _save(sequence, scene=torch.ones(6))
    assert read_lgmot(sequence).scene is not None


@pytest.mark.parametrize(
    ("instance", "words"),
    [
        (torch.zeros(5), "expected numbers of shape (rows, width)"),
        (torch.zeros(5, 1, 6), "expected numbers of shape (rows, width)"),
        (torch.zeros(5, 6, dtype=torch.int64), "torch.int64"),
        (torch.zeros(4, 6), "4 rows, but the ground truth has identity 4"),
        (torch.full((5, 6), torch.nan), "NaN"),
        ({"a": torch.zeros(5, 6)}, "holds dict"),
        ([torch.zeros(6), torch.zeros(7)], "shapes (6,), (7,)"),
        ([], "holds list"),
    ],
)
def test_what_does_not_fit_names_the_file(sequence: Sequence, instance: object, words: str) -> None:
    _save(sequence, instance)
    with pytest.raises(DataError) as caught:
        read_lgmot(sequence)
    assert str(sequence.info.root / INSTANCE_FILE) in caught.value.message and words in caught.value.message


def test_a_bad_scene_names_its_file(sequence: Sequence) -> None:
    _save(sequence, torch.zeros(5, 6), torch.zeros(2, 6))
    with pytest.raises(DataError, match=r"MOT17-77_prompt_embedding_all.pt: .*\(2, 6\)"):
        read_lgmot(sequence)


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code of a data file ran')",))


def test_no_file_and_files_that_hold_code(sequence: Sequence) -> None:
    assert not has_lgmot(sequence)
    with pytest.raises(DataError, match="no such file"):
        read_lgmot(sequence)
    _save(sequence, [_Evil()])
    assert has_lgmot(sequence)
    with pytest.raises(DataError, match="cannot be read as tensors"):
        read_lgmot(sequence)
    (sequence.info.root / INSTANCE_FILE).write_bytes(b"no tensor")
    with pytest.raises(DataError, match="cannot be read as tensors"):
        read_lgmot(sequence)
