"""MOTChallenge text, in and out, exact and strict.

A row is ``frame,id,left,top,width,height[,confidence[,...]]``; frame, left and top are 1-based. ``read_table`` keeps
the numbers of the file; callers convert. Nothing is repaired silently: a bad row stops the reading with ``file:line``
and a remedy, or, on request, is left out, counted and listed. A fast columnar parser handles clean files; whenever it
meets anything unusual the careful parser, which alone knows the rules, reads the file again.

Shapes: R rows of the file that hold a box.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import ArrayLike, NDArray

from sushi_lg.data.files import atomic_path, warn_once
from sushi_lg.errors import DataError

logger = logging.getLogger(__name__)

Kind = Literal["detections", "ground_truth", "results"]
OnBadRow = Literal["error", "skip"]

MIN_COLUMNS = 6
MAX_COLUMNS = 10
_GROUND_TRUTH_CLASS_COLUMNS = (8, 9)  # with 10 columns (MOT15) the last three are world coordinates, not a class
_LARGEST_COORDINATE = 1e9  # beyond it a number is not a pixel, and float32 geometry would overflow
_INT64_MAX = 2**63 - 1
_ROWS_AT_ONCE = 10_000  # formatted together when results are written
_REMEDY_SKIP = "correct the line, or pass on_bad_row=skip to leave such rows out, counted and listed"


@dataclass(frozen=True)
class MotTable:
    """Rows of one MOT text file as columns, in file order, with the numbers of the file.

    Attributes:
        path: The file.
        frame: (R,) int64, 1-based.
        track_id: (R,) int64, second column; detections often hold -1 or a counter here.
        left: (R,) float64, 1-based pixels.
        top: (R,) float64, 1-based pixels.
        width: (R,) float64, > 0.
        height: (R,) float64, > 0.
        confidence: (R,) float64; in ground truth the flag (0 = not scored); 1 where the file has no such column.
        category: (R,) int64, class of a ground-truth row; -1 where the file has none.
        visibility: (R,) float64 in ground truth; 1 where the file has none.
        line: (R,) int64, line number in the file, from 1.
        notes: What was odd about the file as a whole and accepted: header line, byte order mark, tabs.
        skipped: ``file:line: reason`` of each row left out with ``on_bad_row='skip'``.
    """

    path: Path
    frame: NDArray[np.int64]
    track_id: NDArray[np.int64]
    left: NDArray[np.float64]
    top: NDArray[np.float64]
    width: NDArray[np.float64]
    height: NDArray[np.float64]
    confidence: NDArray[np.float64]
    category: NDArray[np.int64]
    visibility: NDArray[np.float64]
    line: NDArray[np.int64]
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in _COLUMNS}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"columns of different length: {lengths}")

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def boxes_ltwh(self) -> NDArray[np.float64]:
        """(R, 4) left, top, width, height as in the file (1-based)."""
        return np.stack([self.left, self.top, self.width, self.height], axis=1)

    @property
    def pixels_ltwh(self) -> NDArray[np.float64]:
        """(R, 4) left, top, width, height, 0-based, as trajectories have them."""
        return np.stack([self.left - 1.0, self.top - 1.0, self.width, self.height], axis=1)

    @property
    def boxes_xyxy(self) -> NDArray[np.float64]:
        """(R, 4) left, top, right, bottom, 0-based; the convention inside the package."""
        left, top = self.left - 1.0, self.top - 1.0
        return np.stack([left, top, left + self.width, top + self.height], axis=1)

    def select(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> MotTable:
        """Return the rows at ``index`` ((R,) bool or (K,) int64) in that order."""
        return replace(self, **{name: getattr(self, name)[index] for name in _COLUMNS})


_COLUMNS = tuple(f.name for f in fields(MotTable) if f.name not in ("path", "notes", "skipped"))


@dataclass(frozen=True)
class RowFault:
    """A row that breaks a rule: its line number, what is wrong, and what to do."""

    line: int
    fault: str
    remedy: str


def read_table(
    path: str | Path,
    kind: Kind = "detections",
    *,
    on_bad_row: OnBadRow = "error",
    sequence_length: int | None = None,
) -> MotTable:
    """Read a MOT text file: comma, blank or tab separated, with or without a header line, BOM or CRLF.

    Args:
        path: The file.
        kind: What it holds. In ground truth and results an id may occur only once in a frame and is not negative.
        on_bad_row: 'error' stops at the first bad row; 'skip' leaves bad rows out and lists them in ``skipped``.
        sequence_length: Last valid frame number, when known.

    Returns:
        The rows in file order. An empty file is a valid table of no rows.

    Raises:
        DataError: no such file, not text, or (with 'error') a row that breaks a rule, named by ``file:line``.
    """
    if on_bad_row not in ("error", "skip"):
        raise ValueError(f"on_bad_row is {on_bad_row!r}; choose error or skip")
    path = Path(path)
    table, faults = examine_table(path, kind, sequence_length=sequence_length)
    if faults and on_bad_row == "error":
        first = faults[0]
        others = len(faults) - 1
        more = f" ({others} more bad row{'s follow' if others > 1 else ' follows'})" if others else ""
        raise DataError(f"{path}:{first.line}: {first.fault}{more}", first.remedy)
    for note in table.notes:
        warn_once(logger, f"{path}: {note}")
    if table.skipped:
        logger.warning("%s: %d bad rows left out, the first: %s", path, len(table.skipped), table.skipped[0])
    return table


def examine_table(
    path: str | Path, kind: Kind = "detections", *, sequence_length: int | None = None
) -> tuple[MotTable, list[RowFault]]:
    """Return the good rows of a MOT text file and what is wrong with the others; the arguments of ``read_table``.

    Raises:
        DataError: no such file, or not text.
    """
    if kind not in ("detections", "ground_truth", "results"):
        raise ValueError(f"kind is {kind!r}; choose detections, ground_truth or results")
    path = Path(path)
    text = _load_text(path)
    rules = _Rules(path, kind, sequence_length)
    table = _read_fast(text, rules)
    return (table, []) if table is not None else _read_carefully(text, rules)


def write_results(
    path: str | Path,
    frame: ArrayLike,
    track_id: ArrayLike,
    boxes_ltwh: ArrayLike,
    confidence: ArrayLike,
    *,
    decimals: int | None = 2,
) -> None:
    """Write trajectories as MOT text: ``frame,id,left,top,width,height,confidence,-1,-1,-1``.

    The caller passes the 0-based numbers used inside the package; this function **adds 1 to frame, left and top**,
    because files are 1-based. Ids are written as given. Rows are sorted by frame, then id; boxes are not clipped to
    the picture. UTF-8, line feeds on every system, written beside the target and renamed, so never half a file.

    Args:
        path: Target; parent folders are made.
        frame: (R,) integers >= 0, 0-based.
        track_id: (R,) integers >= 1, each at most once in a frame.
        boxes_ltwh: (R, 4) left, top (0-based), width, height.
        confidence: (R,); written with six significant digits, or in full when ``decimals`` is None.
        decimals: Digits after the point of the box; None writes the shortest text that reads back to the same float64.

    Raises:
        DataError: an id below 1 or twice in a frame, a negative frame, NaN or infinity, or a size that is not positive
            (as written: 0.001 at two decimals is 0.00).
    """
    frames, ids, boxes, scores = _checked_results(Path(path), frame, track_id, boxes_ltwh, confidence, decimals)
    order = np.lexsort((ids, frames))
    boxes[:, :2] += 1.0

    columns = [frames[order] + 1, ids[order], *boxes[order].T, scores[order]]
    with atomic_path(path) as staged, staged.open("wb") as file:
        for begin in range(0, len(order), _ROWS_AT_ONCE):
            rows = zip(*(column[begin : begin + _ROWS_AT_ONCE].tolist() for column in columns), strict=True)
            file.write(_format_rows(list(rows), decimals).encode("utf-8"))


def write_detections(
    path: str | Path, frame: ArrayLike, boxes_ltwh: ArrayLike, confidence: ArrayLike, *, decimals: int = 3
) -> None:
    """Write detections as MOT text: ``frame,-1,left,top,width,height,confidence,-1,-1,-1``, in the order given.

    As ``write_results`` does, this **adds 1 to frame, left and top**. ``rounded_boxes`` tells what reading gives back.

    Args:
        path: Target; parent folders are made.
        frame: (R,) integers >= 0, 0-based.
        boxes_ltwh: (R, 4) left, top (0-based), width, height.
        confidence: (R,); written with six significant digits.
        decimals: Digits after the point of the box.

    Raises:
        DataError: a negative frame, NaN or infinity, or a size that is not positive as written.
    """
    count = len(_as_int64(frame, "frame"))
    # numbered, because nothing says that two detections of a frame are not one object
    frames, ids, boxes, scores = _checked_results(
        Path(path), frame, np.arange(1, count + 1), boxes_ltwh, confidence, decimals
    )
    boxes[:, :2] += 1.0
    columns = [frames + 1, np.full_like(ids, -1), *boxes.T, scores]
    with atomic_path(path) as staged, staged.open("wb") as file:
        for begin in range(0, count, _ROWS_AT_ONCE):
            rows = zip(*(column[begin : begin + _ROWS_AT_ONCE].tolist() for column in columns), strict=True)
            file.write(_format_rows(list(rows), decimals).encode("utf-8"))


def rounded_boxes(boxes_ltwh: ArrayLike, *, decimals: int = 3) -> NDArray[np.float64]:
    """Return (R, 4) 0-based boxes as they come back after ``write_detections`` and ``read_table``, to the last bit."""
    boxes = np.array(boxes_ltwh, dtype=np.float64).reshape(-1, 4)
    boxes[:, :2] += 1.0
    boxes = np.round(boxes, decimals)
    boxes[:, :2] -= 1.0
    return boxes


def _format_rows(rows: list[tuple[int | float, ...]], decimals: int | None) -> str:
    """Return the text of rows (frame, id, left, top, width, height, confidence)."""
    if decimals is None:
        return "".join(",".join([*map(str, row[:2]), *map(_shortest, row[2:])]) + ",-1,-1,-1\n" for row in rows)
    # One format for many rows is half the work of one a row.
    number = f"%.{decimals}f"
    line = f"%d,%d,{number},{number},{number},{number},%.6g,-1,-1,-1\n"
    return (line * len(rows)) % tuple(chain.from_iterable(rows))


def _checked_results(
    path: Path,
    frame: ArrayLike,
    track_id: ArrayLike,
    boxes_ltwh: ArrayLike,
    confidence: ArrayLike,
    decimals: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    frames, ids = _as_int64(frame, "frame"), _as_int64(track_id, "track_id")
    boxes = np.array(boxes_ltwh, dtype=np.float64).reshape(-1, 4)
    scores = np.asarray(confidence, dtype=np.float64).reshape(-1)
    if not len(frames) == len(ids) == len(boxes) == len(scores):
        raise ValueError(
            f"frame {len(frames)}, track_id {len(ids)}, boxes {len(boxes)}, confidence {len(scores)} rows; must agree"
        )

    def stop_at(bad: NDArray[np.bool_], what: str, remedy: str) -> None:
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            where = f"frame {frames[at] + 1}, id {ids[at]}, box {boxes[at].tolist()}, confidence {scores[at]}"
            raise DataError(f"{path}: cannot write: {what} ({where}; {int(bad.sum())} such rows)", remedy)

    stop_at(frames < 0, "frame before the first one", "pass 0-based frames, the first is 0")
    stop_at(ids < 1, "id below 1", "number the trajectories from 1; detections without a track are not results")
    stop_at(~(np.isfinite(boxes).all(axis=1) & np.isfinite(scores)), "not a finite number", "drop or repair the box")
    written = boxes[:, 2:] if decimals is None else np.round(boxes[:, 2:], decimals)
    stop_at(
        np.any(written <= 0, axis=1), "width or height not positive as written", "drop the box or use more decimals"
    )
    order = np.lexsort((ids, frames))
    same = (np.diff(frames[order]) == 0) & (np.diff(ids[order]) == 0)
    twice = np.zeros(len(frames), dtype=bool)
    twice[order[1:][same]] = True
    stop_at(twice, "same id twice in a frame", "keep one box an id and frame (an interpolated one gives way)")
    return frames, ids, boxes, scores


def _as_int64(values: ArrayLike, name: str) -> NDArray[np.int64]:
    array = np.asarray(values).reshape(-1)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.dtype.kind not in "iu":  # floats lose ids above 2^24 (float32) or 2^53 (float64) before they get here
        raise TypeError(f"{name} must be integers, got {array.dtype}")
    return array.astype(np.int64)


def _shortest(value: float) -> str:
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


# --------------------------------------------------------------------------------------------------------- the rules


@dataclass(frozen=True)
class _Rules:
    """What makes a row of this file acceptable; the one place that knows."""

    path: Path
    kind: Kind
    sequence_length: int | None

    @property
    def ids_are_identities(self) -> bool:
        return self.kind != "detections"

    def parse_row(self, fields_: list[str]) -> tuple[str, str] | tuple[int, int, list[float]]:
        """Return (fault, remedy), or (frame, id, all numbers) of an acceptable row."""
        numbers: list[float] = []
        for column, text in enumerate(fields_, start=1):
            try:
                value = float(text) if "_" not in text else None  # float('1_0') is 10: not in a data file
            except ValueError:
                value = None
            if value is None:
                return f"column {column} is {text!r}, not a number", _REMEDY_SKIP
            if not np.isfinite(value):
                return f"column {column} is {text}", _REMEDY_SKIP
            numbers.append(value)
        frame, fault = _exact_integer(fields_[0])
        if frame is None:
            return f"frame {fault}", "frames are whole numbers counted from 1"
        track_id, fault = _exact_integer(fields_[1])
        if track_id is None:
            return f"id {fault}", "ids are whole numbers that fit 64 bits; renumber them"
        if frame < 1:
            return (
                f"frame {frame}; frames of MOT files start at 1",
                "this file probably counts from 0: add 1 to the whole first column; it is never shifted here",
            )
        if self.sequence_length is not None and frame > self.sequence_length:
            return (
                f"frame {frame} is beyond the end of the sequence ({self.sequence_length} frames)",
                "check seqLength in seqinfo.ini and that the file belongs to this sequence",
            )
        if self.ids_are_identities and track_id < 0:
            return f"id {track_id} is negative", "give every box of ground truth or results its id, from 1"
        width, height = numbers[4], numbers[5]
        if width <= 0 or height <= 0:
            return f"width {width:g}, height {height:g}: a box needs a positive size", _REMEDY_SKIP
        if max(map(abs, numbers[2:6])) > _LARGEST_COORDINATE:
            return f"box {numbers[2:6]} is not in pixels", _REMEDY_SKIP
        if self.has_class(len(numbers)) and not float(numbers[7]).is_integer():
            return f"class {numbers[7]:g} is not a whole number", _REMEDY_SKIP
        return frame, track_id, numbers

    def has_class(self, num_columns: int) -> bool:
        return self.kind == "ground_truth" and num_columns in _GROUND_TRUTH_CLASS_COLUMNS

    def columns_pass(self, frame: NDArray[np.int64], track_id: NDArray[np.int64], values: NDArray[np.float64]) -> bool:
        """Tell whether every row would pass ``parse_row`` and no identity occurs twice in a frame.

        Args:
            frame: (R,) int64.
            track_id: (R,) int64.
            values: (columns - 2, R) float64, from left on.
        """
        if len(frame) == 0:
            return True
        box = values[:4]
        fine = (
            np.isfinite(values).all()
            and frame.min() >= 1
            and (self.sequence_length is None or frame.max() <= self.sequence_length)
            and box[2:].min() > 0
            and np.abs(box).max() <= _LARGEST_COORDINATE
            and (not self.has_class(len(values) + 2) or bool((values[5] == np.floor(values[5])).all()))
        )
        if not fine or not self.ids_are_identities:
            return bool(fine)
        order = np.lexsort((track_id, frame))
        twice = (np.diff(frame[order]) == 0) & (np.diff(track_id[order]) == 0)
        return bool(track_id.min() >= 0 and not twice.any())


def _exact_integer(text: str) -> tuple[int | None, str]:
    """Parse '7', '7.0' or '7e0' exactly, never through a float; return (None, fault) otherwise."""
    try:
        value = int(text)
    except ValueError:
        try:
            decimal = Decimal(text)
        except InvalidOperation:
            return None, f"{text} is not a number"
        if decimal.adjusted() > 19 or decimal != decimal.to_integral_value():
            return None, f"{text} is not a whole number of 64 bits"
        value = int(decimal)
    return (value, "") if abs(value) <= _INT64_MAX else (None, f"{text} does not fit 64 bits")


# ------------------------------------------------------------------------------------------------------- the readers


@dataclass(frozen=True)
class _Text:
    """Raw file content after the first line was understood."""

    raw: bytes  # without byte order mark
    header_lines: int  # lines before the first row: blank ones and one header
    header_bytes: int  # their length
    separator: Literal["comma", "blank"]
    num_columns: int  # of the first row; 0 in an empty file
    notes: list[str]


def _load_text(path: Path) -> _Text:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", "check the path and the name of the file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", "check the path and its permissions") from error
    notes: list[str] = []
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in raw[:4096]:
        raise DataError(f"{path}: not plain text (UTF-16 or binary)", "save it as UTF-8 text, one box a line")
    if raw.startswith(b"\xef\xbb\xbf"):
        raw = raw[3:]
        notes.append("starts with a byte order mark, ignored")
    if b"\r" in raw:
        notes.append("lines end with CR LF, accepted")
    header_lines, header_bytes, separator, num_columns = 0, 0, "comma", 0
    has_header = False
    for number, line in enumerate(_first_lines(raw), start=1):
        text = line.decode("utf-8", errors="replace")
        if not text.strip():
            header_lines, header_bytes = number, header_bytes + len(line)
            continue
        cells = _split(text, "comma" if "," in text else "blank")
        if ";" in text and _looks_numeric(text.split(";")[0]):
            raise DataError(f"{path}:{number}: cells are separated by ';'", "separate them by commas")
        if not has_header and not any(_looks_numeric(cell) for cell in cells):
            has_header, header_lines, header_bytes = True, number, header_bytes + len(line)
            notes.append(f"line {number} is a header ({text.strip()[:60]!r}), skipped")
            continue
        separator, num_columns = ("comma" if "," in text else "blank"), len(cells)
        if separator == "blank":
            notes.append("separated by tabs, accepted" if "\t" in text else "separated by blanks, accepted")
        break
    if num_columns == MIN_COLUMNS:
        notes.append("has no confidence column, 1 taken")
    return _Text(raw, header_lines, header_bytes, separator, num_columns, notes)  # type: ignore[arg-type]


def _first_lines(raw: bytes) -> Iterator[bytes]:
    """Yield lines with their ends, without splitting a whole large file: the first row is among the first lines."""
    head = raw[:65536].splitlines(keepends=True)
    if len(raw) <= 65536:
        yield from head
        return
    complete = head[:-2]  # the last line may be cut, and the cut may part a CR from its LF
    yield from complete
    yield from raw.splitlines(keepends=True)[len(complete) :]


def _looks_numeric(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _split(line: str, separator: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")] if separator == "comma" else line.split()


def _read_fast(text: _Text, rules: _Rules) -> MotTable | None:
    """Parse a clean file column by column; None whenever anything asks for the careful reader."""
    if not MIN_COLUMNS <= text.num_columns <= MAX_COLUMNS:
        return None
    raw = text.raw[text.header_bytes :]
    if b"x" in raw or b"X" in raw:  # pyarrow takes hexadecimal numbers, the rules do not
        return None
    if text.separator == "blank":
        raw = re.sub(rb"[ \t]+", b",", re.sub(rb"[ \t]*(\r\n|\n|\r)[ \t]*", rb"\n", raw.strip(b" \t")))
    names = [f"c{i}" for i in range(text.num_columns)]
    types = {name: pa.int64() if i < 2 else pa.float64() for i, name in enumerate(names)}
    try:
        columns = pa_csv.read_csv(
            pa.BufferReader(raw),
            read_options=pa_csv.ReadOptions(column_names=names, use_threads=False),
            parse_options=pa_csv.ParseOptions(delimiter=",", quote_char=False, ignore_empty_lines=True),
            convert_options=pa_csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    arrays = [columns.column(name).to_numpy() for name in names]
    values = np.stack(arrays[2:]) if len(columns) else np.zeros((text.num_columns - 2, 0))
    if not rules.columns_pass(arrays[0], arrays[1], values):
        return None
    line = np.arange(len(columns), dtype=np.int64) + text.header_lines + 1
    if raw.count(b"\n") + raw.count(b"\r") > len(columns):  # blank lines, or CRLF: count them out
        lines = text.raw.splitlines()
        filled = [n for n, content in enumerate(lines, start=1) if content.strip() and n > text.header_lines]
        if len(filled) != len(columns):
            return None
        line = np.array(filled, dtype=np.int64)
    return _table(text, rules, arrays[0], arrays[1], values, line, [])


def _read_carefully(text: _Text, rules: _Rules) -> tuple[MotTable, list[RowFault]]:
    """Parse row by row; every rule has its message here."""
    frames: list[int] = []
    ids: list[int] = []
    rows: list[list[float]] = []
    line_numbers: list[int] = []
    first_line_of: dict[tuple[int, int], int] = {}
    faults: list[RowFault] = []
    expected = text.num_columns if MIN_COLUMNS <= text.num_columns <= MAX_COLUMNS else None
    for number, raw_line in enumerate(text.raw.splitlines(), start=1):
        if number <= text.header_lines or not raw_line.strip():
            continue
        cells = _split(raw_line.decode("utf-8", errors="replace"), text.separator)
        parsed = _column_fault(len(cells), expected) or rules.parse_row(cells)
        if len(parsed) == 3 and rules.ids_are_identities:
            earlier = first_line_of.setdefault(parsed[:2], number)
            if earlier != number:
                parsed = (
                    f"id {parsed[1]} occurs twice in frame {parsed[0]} (first on line {earlier})",
                    "keep one box an id and frame",
                )
        if len(parsed) == 2:
            faults.append(RowFault(number, *parsed))
            continue
        expected = len(cells)
        frames.append(parsed[0])
        ids.append(parsed[1])
        rows.append(parsed[2][2:])
        line_numbers.append(number)
    values = np.array(rows, dtype=np.float64).T if rows else np.zeros(((expected or MIN_COLUMNS) - 2, 0))
    frame, track_id, line = (np.array(column, dtype=np.int64) for column in (frames, ids, line_numbers))
    return _table(text, rules, frame, track_id, values, line, faults), faults


def _column_fault(found: int, expected: int | None) -> tuple[str, str] | None:
    if not MIN_COLUMNS <= found <= MAX_COLUMNS:
        return (
            f"{found} columns; a row has {MIN_COLUMNS} to {MAX_COLUMNS}",
            "write frame,id,left,top,width,height,confidence,-1,-1,-1",
        )
    if expected is not None and found != expected:
        return f"{found} columns, the rows before have {expected}", _REMEDY_SKIP
    return None


def _table(
    text: _Text,
    rules: _Rules,
    frame: NDArray[np.int64],
    track_id: NDArray[np.int64],
    values: NDArray[np.float64],
    line: NDArray[np.int64],
    faults: list[RowFault],
) -> MotTable:
    """Build the table from ``values`` (columns - 2, R): left, top, width, height, confidence, class, visibility ..."""
    count = len(frame)
    has_class = rules.has_class(len(values) + 2)
    return MotTable(
        path=rules.path,
        frame=frame,
        track_id=track_id,
        left=values[0],
        top=values[1],
        width=values[2],
        height=values[3],
        confidence=values[4] if len(values) > 4 else np.ones(count),
        category=values[5].astype(np.int64) if has_class else np.full(count, -1, dtype=np.int64),
        visibility=values[6] if has_class and len(values) > 6 else np.ones(count),
        line=line,
        notes=list(text.notes),
        skipped=[f"{rules.path}:{fault.line}: {fault.fault}" for fault in faults],
    )
