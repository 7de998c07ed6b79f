"""Whether a file is what servers read: ``frame,id,left,top,width,height,conf,-1,-1,-1``, strictly.

Stricter than the reader of results, which understands what people write; a server answers the same with "failed" and a
used-up attempt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

COLUMNS: Final = 10
MOST_BYTES: Final = 256 << 20  # of one file; a million rows have about 60 MB
_MOST_SHOWN: Final = 3  # faults of one kind
_LARGEST: Final = 1e6  # pixels; nothing that is seen lies farther out


@dataclass(frozen=True)
class FileCheck:
    """What is in one file.

    Attributes:
        name: of the file.
        rows: boxes.
        tracks: different ids.
        last_frame: highest frame number; 0 without rows.
        faults: what a server would reject, each with its line.
        remarks: what is allowed and unusual.
    """

    name: str
    rows: int
    tracks: int
    last_frame: int
    faults: list[str]
    remarks: list[str]


def check_file(name: str, data: bytes, *, length: int | None = None, may_be_empty: bool = False) -> FileCheck:
    """Check the content of one result file.

    Args:
        name: for messages.
        data: its bytes.
        length: frames of the sequence; None = not known.
        may_be_empty: whether no row at all is right.
    """
    faults: list[str] = []
    if data.startswith(b"\xef\xbb\xbf"):
        faults.append(f"{name}:1: begins with a byte order mark")
    before, carriage_return, _ = data.partition(b"\r")
    if carriage_return:
        line = before.count(b"\n") + 1
        faults.append(f"{name}:{line}: lines end with CR; LF alone is wanted")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return FileCheck(name, 0, 0, 0, [*faults, f"{name}:{line}: is no UTF-8 text"], [])
    text = text.replace("\r\n", "\n")  # told once, not again with every row
    if not text:
        return FileCheck(name, 0, 0, 0, [] if may_be_empty else [f"{name}: is empty"], [])
    if not text.endswith("\n"):
        faults.append(f"{name}: the last line does not end; the file may have been cut off")
    seen: set[tuple[int, int]] = set()
    ids: set[int] = set()
    frames: set[int] = set()
    kinds: dict[str, int] = {}
    last = 0
    rows = text.removesuffix("\n").split("\n")
    for number, row in enumerate(rows, start=1):
        found = list(_row_faults(row, length))
        frame_id = None if found else _frame_and_id(row)
        if frame_id is not None:
            if frame_id in seen:
                found.append(f"id {frame_id[1]} is in frame {frame_id[0]} twice")
            if frame_id[0] < last:
                found.append(f"frame {frame_id[0]} comes after frame {last}")
            last = max(last, frame_id[0])
            seen.add(frame_id)
            frames.add(frame_id[0])
            ids.add(frame_id[1])
        for fault in found:
            kind = fault.split()[0]
            kinds[kind] = kinds.get(kind, 0) + 1
            if kinds[kind] <= _MOST_SHOWN:
                faults.append(f"{name}:{number}: {fault}")
    for kind, times in kinds.items():
        if times > _MOST_SHOWN:
            faults.append(f"{name}: {times - _MOST_SHOWN} more of the kind {kind!r}")
    remarks = []
    if length and frames and len(frames) < length / 2:
        remarks.append(f"{name}: boxes in {len(frames)} of {length} frames")
    return FileCheck(name, len(rows), len(ids), max(frames, default=0), faults, remarks)


def _row_faults(row: str, length: int | None) -> Iterator[str]:
    """Yield what is wrong with a row; each fault begins with a word for its kind."""
    parts = row.split(",")
    if len(parts) != COLUMNS:
        yield f"{len(parts)} columns, {COLUMNS} are wanted" if row.strip() else "blank line"
        return
    for value, what in zip(parts[:2], ("frame", "id"), strict=True):
        if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) >= 1):
            yield f"{what} {value[:20]!r} is no whole number from 1 on"
    if length is not None and parts[0].isascii() and parts[0].isdigit() and int(parts[0][:10]) > length:
        yield f"frame {parts[0][:20]} is behind the last one, {length}"
    for value, what in zip(parts[2:7], ("left", "top", "width", "height", "confidence"), strict=True):
        number = _number(value)
        if number is None or abs(number) > _LARGEST:
            yield f"{what} {value[:20]!r} is no number, or none of a picture"
        elif what in ("width", "height") and number <= 0:
            yield f"{what} {value[:20]} is not above 0"
    for value in parts[7:]:
        if _number(value) != -1:
            yield f"columns 8 to 10 are -1, not {value[:20]!r}"
            return


def _frame_and_id(row: str) -> tuple[int, int]:
    frame, track_id = row.split(",", 2)[:2]
    return int(frame), int(track_id)


def _number(text: str) -> float | None:
    if not text.isascii() or text != text.strip() or "_" in text:  # float reads more than servers do
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
