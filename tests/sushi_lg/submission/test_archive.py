"""Archives are written the same every time, and bad ones are not opened."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from sushi_lg.errors import DataError
from sushi_lg.submission.archive import read_archive, write_archive

FILES = {"b.txt": b"two\n", "a.txt": b"one\n", "tracker/c.txt": b""}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_archive(tmp_path / "x.zip", FILES)
    assert read_archive(tmp_path / "x.zip") == FILES
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.namelist() == sorted(FILES)


def test_equal_files_give_equal_bytes(tmp_path: Path) -> None:
    write_archive(tmp_path / "x.zip", FILES)
    write_archive(tmp_path / "y.zip", dict(reversed(FILES.items())))
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../a.txt", "leads out"),
        ("x/../../a.txt", "leads out"),
        ("/etc/a.txt", "leads out"),
        ("..\\a.txt", "leads out"),
        ("C:a.txt", "leads out"),
        ("a\x1b[2J.txt", "leads out"),
        ("__MACOSX/._a.txt", "file manager"),
        (".DS_Store", "file manager"),
    ],
)
def test_a_bad_name_is_refused(tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.txt", "x")
        archive.writestr(zipfile.ZipInfo(name), "x")
    with pytest.raises(DataError, match=said):
        read_archive(path)
    assert sorted(tmp_path.iterdir()) == [path], "nothing is unpacked"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_a_device_is_refused(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        entry = zipfile.ZipInfo("a.txt")
        entry.external_attr = (kind | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError, match="is a link or a device"):
        read_archive(tmp_path / "x.zip")


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"0" * (64 << 20))
    with pytest.raises(DataError, match="would grow from"):
        read_archive(tmp_path / "x.zip")


def test_a_lie_about_the_size_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"0" * 5000)
    data = path.read_bytes()
    path.write_bytes(data.replace((5000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"damaged|larger"):
        read_archive(path)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.txt", "x")
        archive.writestr("a.txt", "y")
    with pytest.raises(DataError, match="twice"):
        read_archive(tmp_path / "x.zip")


@pytest.mark.parametrize("change", ["cut", "flipped", "text", "empty"])
def test_a_damaged_archive_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "x.zip"
    write_archive(path, {"a.txt": b"some rows\n" * 100})
    data = bytearray(path.read_bytes())
    data[45] ^= change == "flipped" and 0xFF
    path.write_bytes({"cut": bytes(data[:60]), "text": b"no zip", "empty": b""}.get(change, bytes(data)))
    with pytest.raises(DataError, match="damaged"):
        read_archive(path)


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_archive(tmp_path / "x.zip")


def test_more_than_any_submission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(tmp_path / "x.zip", {f"{number}.txt": b"" for number in range(2001)})
    with pytest.raises(DataError, match="2001 entries"):
        read_archive(tmp_path / "x.zip")
    write_archive(tmp_path / "y.zip", FILES)
    monkeypatch.setattr("sushi_lg.submission.archive._MOST_TOTAL", 7)
    with pytest.raises(DataError, match="8 bytes unpacked"):
        read_archive(tmp_path / "y.zip")


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    write_archive(path, {"a.txt": b"rows"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the list of entries
    path.write_bytes(data)
    with pytest.raises(DataError, match="is encrypted"):
        read_archive(path)
