"""A gallery is used with the boxes it was made from, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sushi_lg.data.gallery import (
    GalleryAbout,
    detections_key,
    find_gallery,
    half_vectors,
    open_gallery,
    write_gallery,
)
from sushi_lg.data.mot_format import MotTable, read_table
from sushi_lg.errors import DataError

ROWS = ["1,-1,10,20,30,40,0.9", "3,-1,11,21,31,41,0.8", "2,-1,12.25,22,32,42,0.7"]


def table_of(path: Path, rows: list[str] = ROWS) -> MotTable:
    path.write_text("\n".join(rows) + "\n")
    return read_table(path)


def about(table: MotTable) -> GalleryAbout:
    return GalleryAbout("toy", "weights 1", detections_key(table), "pictures 1")


def vectors(count: int = 3, dim: int = 5, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32) * 100


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    table = table_of(tmp_path / "det.txt")
    raw = vectors()
    raw[1] = 0
    path = write_gallery(tmp_path / "g", "a.b", raw, about(table))
    assert path == tmp_path / "g" / "a.b.npy"
    gallery = open_gallery(tmp_path / "g", "a.b")
    gallery.check(table)
    assert isinstance(gallery.vectors, np.memmap) and gallery.vectors.dtype == np.float16
    assert (len(gallery), gallery.dim, gallery.about) == (3, 5, about(table))
    np.testing.assert_allclose(gallery.vectors[[0, 2]].astype(np.float32), raw[[0, 2]], rtol=1e-3)
    assert not gallery.vectors[1].any()
    with pytest.raises(ValueError, match="read-only"):
        gallery.vectors[0, 0] = 1
    assert sorted(file.name for file in (tmp_path / "g").iterdir()) == ["a.b.json", "a.b.npy"]


def test_blocks_give_the_same_bytes_as_one_array(tmp_path: Path) -> None:
    key = about(table_of(tmp_path / "det.txt"))
    whole = half_vectors(vectors(10))
    one = write_gallery(tmp_path / "one", "s", whole, key)
    many = write_gallery(tmp_path / "many", "s", [whole[:4], whole[4:4], whole[4:]], key)
    assert one.read_bytes() == many.read_bytes()
    assert write_gallery(tmp_path / "wide", "s", vectors(10), key).read_bytes() == one.read_bytes()
    with pytest.raises(ValueError, match=r"widths \[4, 5\]"):
        write_gallery(tmp_path / "w", "s", [whole, whole[:, :4]], key)


def test_no_rows(tmp_path: Path) -> None:
    table = table_of(tmp_path / "det.txt", [""])
    write_gallery(tmp_path, "empty", np.zeros((0, 7), np.float32), about(table))
    gallery = open_gallery(tmp_path, "empty")
    gallery.check(table)
    assert gallery.vectors.shape == (0, 7)


@pytest.mark.parametrize(("scale", "row"), [(1e4, 0), (1e-12, 0)])
def test_what_half_precision_cannot_hold_is_refused(scale: float, row: int) -> None:
    with pytest.raises(DataError, match=rf"vector {row}: too large or too small"):
        half_vectors(vectors() * np.float32(scale))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(tmp_path: Path, bad: float) -> None:
    raw = vectors()
    raw[2, 1] = bad
    key = about(table_of(tmp_path / "det.txt"))
    with pytest.raises(DataError, match="vector 2: not finite"):
        write_gallery(tmp_path / "g", "s", raw, key)
    assert not list((tmp_path / "g").iterdir())


def test_other_boxes_are_refused(tmp_path: Path) -> None:
    table = table_of(tmp_path / "det.txt")
    write_gallery(tmp_path, "s", vectors(), about(table))
    gallery = open_gallery(tmp_path, "s")
    for rows in (
        [ROWS[0], ROWS[2], ROWS[1]],  # another order
        [*ROWS[:2], "2,-1,12.26,22,32,42,0.7"],  # a box that moved
        [*ROWS[:2], "4,-1,12.25,22,32,42,0.7"],  # another frame
    ):
        other = table_of(tmp_path / "other.txt", rows)
        with pytest.raises(DataError, match=r"s\.npy: made from other boxes than those of .*other\.txt\n.*embed"):
            gallery.check(other)
    with pytest.raises(DataError, match=r"3 vectors, but .*other\.txt has 2 boxes"):
        gallery.check(table_of(tmp_path / "other.txt", ROWS[:2]))
    # Scores and the way numbers are written say nothing about where a box is.
    gallery.check(
        table_of(tmp_path / "same.txt", ["1 7 10.0 20 30 40 0.1", *(row.replace(",", " ") for row in ROWS[1:])])
    )


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    key = about(table_of(tmp_path / "det.txt"))

    def fresh() -> tuple[Path, Path]:
        path = write_gallery(tmp_path, "s", vectors(), key)
        assert find_gallery(tmp_path, "s", key) is not None
        return path, path.with_suffix(".json")

    with pytest.raises(DataError, match=r"s\.npy: no such file\n.*sushi-lg embed"):
        open_gallery(tmp_path, "s")
    path, manifest = fresh()
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"s\.npy: cannot be read"):
        open_gallery(tmp_path, "s")
    assert find_gallery(tmp_path, "s", key) is None
    path, manifest = fresh()
    np.save(path, vectors())
    with pytest.raises(DataError, match=r"s\.npy: float32 \(3, 5\), but s\.json says float16 \(3, 5\)"):
        open_gallery(tmp_path, "s")
    np.save(path, np.array([{}] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"s\.npy: cannot be read"):
        open_gallery(tmp_path, "s")
    path, manifest = fresh()
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"rows": 4}))
    with pytest.raises(DataError, match=r"says float16 \(4, 5\)"):
        open_gallery(tmp_path, "s")
    manifest.write_text(json.dumps(content | {"format": 99}))
    with pytest.raises(DataError, match="format 99"):
        open_gallery(tmp_path, "s")
    for text in ("", "[]", "{}", '{"format": 1}'):
        manifest.write_text(text)
        with pytest.raises(DataError, match=r"s\.json: not a manifest"):
            open_gallery(tmp_path, "s")
    manifest.unlink()
    with pytest.raises(DataError, match=r"s\.json: no such file"):
        open_gallery(tmp_path, "s")


def test_a_gallery_of_something_else_is_not_reused(tmp_path: Path) -> None:
    key = about(table_of(tmp_path / "det.txt"))
    assert find_gallery(tmp_path, "s", key) is None
    write_gallery(tmp_path, "s", vectors(), key)
    for field in ("embedder", "fingerprint", "boxes", "frames"):
        assert find_gallery(tmp_path, "s", replace(key, **{field: "other"})) is None


def test_a_job_that_dies_between_the_two_files_leaves_no_false_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = about(table_of(tmp_path / "det.txt"))
    write_gallery(tmp_path, "s", vectors(), key)
    with monkeypatch.context() as patch:

        def dies(*_: object, **__: object) -> str:
            raise KeyboardInterrupt

        patch.setattr(json, "dumps", dies)
        with pytest.raises(KeyboardInterrupt):
            write_gallery(tmp_path, "s", vectors(seed=1), replace(key, fingerprint="weights 2"))
    assert find_gallery(tmp_path, "s", key) is None
    with pytest.raises(DataError, match="unfinished"):
        open_gallery(tmp_path, "s")


def test_blocks_are_read_one_at_a_time(tmp_path: Path) -> None:
    key = about(table_of(tmp_path / "det.txt"))
    whole = half_vectors(vectors(10))
    path = write_gallery(tmp_path / "g", "s", (whole[at : at + 1] for at in range(10)), key)
    assert path.read_bytes() == write_gallery(tmp_path / "one", "s", whole, key).read_bytes()
    assert (np.load(path) == whole).all()
    with pytest.raises(ValueError, match="no block"):
        write_gallery(tmp_path / "g", "s", [], key)
    assert find_gallery(tmp_path / "g", "s", key) is not None
