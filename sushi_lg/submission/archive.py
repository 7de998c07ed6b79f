"""Archives: written so that equal results give equal bytes, read without trusting them."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError
from sushi_lg.submission.rows import MOST_BYTES

_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can say
_MOST_FILES: Final = 2000
_MOST_TOTAL: Final = 2 << 30
_MOST_RATIO: Final = 100  # result files shrink to a quarter or a tenth
_SMALL: Final = 1 << 20  # bytes below which the ratio says nothing: a short file of equal rows shrinks a lot
_LITTER: Final = re.compile(r"(^|/)(__MACOSX|\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*)(/|$)")
_AGAIN: Final = "make the archive again with `sushi-lg pack`"


def write_archive(path: str | Path, files: Mapping[str, bytes]) -> None:
    """Write a zip file: entries by name, no time stamps, no owner; all at once or not at all.

    Args:
        path: Target.
        files: Content by name, ``/`` between folders.
    """
    with atomic_path(path) as staged, zipfile.ZipFile(staged, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, also when packed elsewhere
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, data)


def read_archive(path: str | Path) -> dict[str, bytes]:
    """Return the files of a zip archive by name; nothing is written anywhere.

    Raises:
        DataError: no zip file, damaged, encrypted, a name that leads out of the folder, a link or a device, a name
            twice, litter of a file manager, or more than results can be when unpacked.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file", "name the .zip file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(path, entries)
            return {entry.filename: _content(path, archive, entry) for entry in entries if not entry.is_dir()}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise DataError(f"{path}: no zip file, or damaged ({error})", _AGAIN) from error


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MOST_FILES:
        raise DataError(f"{path}: {len(entries)} entries; no submission has more than {_MOST_FILES}", _AGAIN)
    if (total := sum(entry.file_size for entry in entries)) > _MOST_TOTAL:
        raise DataError(f"{path}: {total} bytes unpacked; no submission has more than {_MOST_TOTAL}", _AGAIN)
    names: set[str] = set()
    for entry in entries:
        name = entry.filename
        parts = PurePosixPath(name).parts
        if name.startswith("/") or "\\" in name or ":" in name or ".." in parts or not name.isprintable():
            raise DataError(f"{path}: entry {name!r} leads out of the archive", f"do not unpack it; {_AGAIN}")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):  # 0: packed without a kind
            raise DataError(f"{path}: entry {name!r} is a link or a device", f"do not unpack it; {_AGAIN}")
        if entry.flag_bits & 1:
            raise DataError(f"{path}: entry {name!r} is encrypted", "pack without a password")
        if name in names:
            raise DataError(f"{path}: entry {name!r} is there twice", _AGAIN)
        if _LITTER.search(name):
            raise DataError(
                f"{path}: entry {name!r} was put there by a file manager", f"servers stumble on it; {_AGAIN}"
            )
        if entry.file_size > max(_SMALL, _MOST_RATIO * entry.compress_size) or entry.file_size > MOST_BYTES:
            packed = entry.compress_size
            raise DataError(f"{path}: entry {name!r} would grow from {packed} to {entry.file_size} bytes", _AGAIN)
        names.add(name)


def _content(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return the bytes of an entry, which may not be more than the entry says."""
    whole = io.BytesIO()
    try:
        with archive.open(entry) as stream:
            while block := stream.read(1 << 20):
                whole.write(block)
                if whole.tell() > entry.file_size:
                    raise DataError(f"{path}: entry {entry.filename!r} is larger than it says", _AGAIN)
    except RuntimeError as error:  # zipfile: encrypted in a way the flag does not tell
        raise DataError(f"{path}: entry {entry.filename!r}: {error}", _AGAIN) from error
    except Exception as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: entry {entry.filename!r} is damaged ({error})", _AGAIN) from error
    return whole.getvalue()
