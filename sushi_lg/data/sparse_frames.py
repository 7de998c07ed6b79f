"""Pictures whose numbers may have gaps, and ground truth that counts by those numbers.

BenSMOT calls frames 1, 2, 4, 6 ...: the number in the name of a picture is the number in ``gt.txt``. Everything in this
package counts frames without gaps, so both are mapped to the rank of the picture, here and nowhere else. The rows of
such ground truth have faults besides; they are mended or left out one by one, and counted.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sushi_lg.data.files import visible_children
from sushi_lg.data.image_size import IMAGE_EXTENSIONS
from sushi_lg.data.mot_format import MotTable
from sushi_lg.errors import DataError

logger = logging.getLogger(__name__)

_LARGEST = 1e9  # beyond it a number is not a pixel
_LARGEST_NUMBER = 10**9


@dataclass(frozen=True)
class NumberedPictures:
    """The pictures of a folder in the order of their numbers.

    Attributes:
        paths: One a frame.
        numbers: (N,) int64, rising; the number each is called by.
        faults: How many files were left out, by reason.
    """

    paths: tuple[Path, ...]
    numbers: NDArray[np.int64]
    faults: Counter[str]


def numbered_pictures(folder: str | Path) -> NumberedPictures:
    """Return the JPEG and PNG files of a folder that are called by a number; none if there is no such folder."""
    folder = Path(folder)
    faults: Counter[str] = Counter()
    by_number: dict[int, Path] = {}
    for path in visible_children(folder, logger) if folder.is_dir() else []:
        if path.suffix.lower() not in IMAGE_EXTENSIONS:
            continue
        if re.fullmatch(r"[0-9]{1,9}", path.stem) is None:
            faults["pictures without a number, left out"] += 1
        elif int(path.stem) in by_number:
            faults["pictures with a number that another has, left out"] += 1
        else:
            by_number[int(path.stem)] = path
    numbers = sorted(by_number)
    return NumberedPictures(tuple(by_number[n] for n in numbers), np.array(numbers, dtype=np.int64), faults)


def read_sparse_ground_truth(
    path: str | Path, numbers: NDArray[np.int64] | None = None
) -> tuple[MotTable, Counter[str]]:
    """Read ``gt.txt``: rows ``frame,id,x,y,width,height[,...]``; columns behind the sixth are not looked at.

    Negative sizes are corners in the wrong order: the box is turned round. Left out are rows that cannot be read, rows
    of frames without a picture, boxes without area, and all but the first box of an id in a frame.

    Args:
        path: The file.
        numbers: (N,) rising numbers of the pictures; None = frames are numbered 1, 2, 3, ... without gaps.

    Returns:
        The rows by rank of their frame, counted from 1, in file order; and how often each fault was met.

    Raises:
        DataError: no such file, or one that cannot be read or is not UTF-8.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", "check the path of the clip") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text", "copy the file again") from error
    rank = None if numbers is None else {int(number): k for k, number in enumerate(numbers, start=1)}
    faults: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    rows: list[tuple[int, int, float, float, float, float, int]] = []
    skipped: list[str] = []
    for line_number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        fault = ""
        parsed = _row(line)
        if parsed is None:
            fault = "rows that cannot be read"
        else:
            number, track_id, left, top, width, height = parsed
            frame = number if rank is None else rank.get(number, 0)
            if width < 0 or height < 0:
                faults["boxes of negative size, turned round"] += 1
                left, top, width, height = left + min(width, 0), top + min(height, 0), abs(width), abs(height)
            if frame < 1:
                fault = "rows of frames without a picture, left out"
            elif width == 0 or height == 0:
                fault = "boxes without area, left out"
            elif (frame, track_id) in seen:
                fault = "second boxes of an id in a frame, left out"
            else:
                seen.add((frame, track_id))
                rows.append((frame, track_id, left, top, width, height, line_number))
        if fault:
            faults[fault] += 1
            skipped.append(f"{path}:{line_number}: {fault}")
    values = np.array([row[2:6] for row in rows], dtype=np.float64).reshape(-1, 4).T
    whole = np.array([(row[0], row[1], row[6]) for row in rows], dtype=np.int64).reshape(-1, 3).T
    count = len(rows)
    table = MotTable(
        path=path,
        frame=whole[0],
        track_id=whole[1],
        left=values[0],
        top=values[1],
        width=values[2],
        height=values[3],
        confidence=np.ones(count),
        category=np.full(count, -1, dtype=np.int64),
        visibility=np.ones(count),
        line=whole[2],
        skipped=skipped,
    )
    return table, faults


def _row(line: str) -> tuple[int, int, float, float, float, float] | None:
    cells = line.split(",") if "," in line else line.split()
    try:
        number, track_id, left, top, width, height = (float(cell) for cell in cells[:6])
    except ValueError:
        return None
    if not (number.is_integer() and track_id.is_integer()):  # also refuses NaN and infinity
        return None
    if not (0 <= number <= _LARGEST_NUMBER and 0 <= track_id <= _LARGEST_NUMBER):
        return None
    if not all(abs(value) <= _LARGEST for value in (left, top, width, height)):
        return None
    return int(number), int(track_id), left, top, width, height
