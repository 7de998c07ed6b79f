"""A clip and what is said about it as one JSON file, schema ``semtrack/1``: written whole or not at all, read strictly.

Numbers in the file follow data sets: frames count from 1 (``index``), boxes are left, top, width, height in pixels
counted from 0, rounded to 1/10000. In the records frames count from 0. The same records always give the same bytes, and
reading a file and writing it again gives the file.

::

    {"schema": "semtrack/1", "clip": "kitchen/a_0", "frame_rate": 2.0,
     "frames": [{"index": 1, "stem": "000001", "h": 720, "w": 1280}, ...],
     "tracks": [{"id": 1, "idx": [1, 2], "xywh": [[..], [..]], "conf": [..], "filled": [2], "caption": "A man ...",
                 "sentences": [{"text": "A man ...", "tracks": [1], "frames": [1, 2]}], "request": "9f.."}, ...],
     "interactions": [{"a": 1, "b": 2, "labels": [{"name": "talk.v.01", "p": 0.83, "raw": ""}], "source": "mllm",
                       "frames": [1, 2], "request": "77.."}, ...],
     "summary": "Two people ...", "summary_sentences": [...], "summary_request": "c4..",
     "counts": {"repaired: case": 1}, "provenance": {"describer": "rules"}}

``filled`` are frames whose boxes nobody detected; ``caption`` is null where nothing was said about a track;
``sentences`` says whom and which frames (first and last) each sentence is about.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from semantic.structures import Caption, Clip, Interaction, Semantics, Sentence, Track
from sushi_lg.data.files import atomic_path
from sushi_lg.errors import DataError

SCHEMA = "semtrack/1"
SOURCES = ("annotation", "rules", "mllm", "scores", "symmetry")

_DECIMALS = 4  # of pixels: finer than any box is known
_LARGEST = 1e12  # nothing that is measured here comes near; beyond it sums overflow
_SLOWEST, _FASTEST = 1e-6, 1e6  # frames per second
_LONGEST_NAME = 240  # bytes; file systems take 255
_REMEDY = "run `sushi-lg describe` again, or remove the file"
T = TypeVar("T")


def result_path(folder: str | Path, clip: str) -> Path:
    """Return where the result of a clip is kept: ``<folder>/semantics/<clip>.json``, with ``__`` for slashes.

    Raises:
        DataError: a name that is no name of a file.
    """
    name = clip.replace("/", "__")
    # a name that begins with a dot is hidden: nobody would find the result again
    is_odd = name.strip() in ("", ".") or name.startswith(".") or not name.isprintable() or "\\" in name
    if is_odd or len(name.encode()) > _LONGEST_NAME:
        raise DataError(f"{clip!r}: not the name of a clip", "rename the clip: letters, digits, dots, dashes, slashes")
    return Path(folder) / "semantics" / f"{name}.json"


def write_semantics(path: str | Path, clip: Clip, semantics: Semantics) -> None:
    """Write a clip and what is said about it.

    Raises:
        ValueError: ``semantics`` is about another clip, or about tracks or frames that the clip does not have.
    """
    fault = _disagreement(clip, semantics)
    if fault:
        raise ValueError(f"{clip.name}: {fault}")
    with atomic_path(path) as staged:
        staged.write_text(_dump(clip, semantics), encoding="utf-8")


def read_semantics(path: str | Path) -> tuple[Clip, Semantics]:
    """Read what ``write_semantics`` wrote.

    Raises:
        DataError: no such file, no JSON, or a value that is missing, unknown or cannot be; names file and key.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant, object_pairs_hook=_object)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", "run `sushi-lg describe` first") from None
    except (OSError, ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise DataError(f"{path}: not a result of `sushi-lg describe` ({error})", _REMEDY) from error
    return _Reader(path).read(content)


def dump_sentences(sentences: Iterable[Sentence]) -> list[dict[str, Any]]:
    """Return sentences as JSON values."""
    return [
        {"text": s.text, "tracks": list(s.track_ids), "frames": [s.first_frame + 1, s.last_frame + 1]}
        for s in sentences
    ]


# ---------------------------------------------------------------------------------------------------------- writing


def _dump(clip: Clip, semantics: Semantics) -> str:
    """Return the text of the file: one line a track, a frame or an interaction, so that two files can be compared."""
    stems = clip.stems or ("",) * clip.length
    captions = {caption.track_id: caption for caption in semantics.captions}
    frames = [
        {"index": index, "stem": stem, "h": int(height), "w": int(width)}
        for index, (stem, (width, height)) in enumerate(zip(stems, clip.sizes, strict=True), start=1)
    ]
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "clip": clip.name,
        "frame_rate": float(clip.frame_rate),
        "frames": frames,
        "tracks": [_dump_track(track, captions.get(track.track_id)) for track in clip.tracks],
        "interactions": list(_dump_interactions(semantics.interactions)),
        "summary": semantics.summary_text,
        "summary_sentences": dump_sentences(semantics.summary),
        "summary_request": semantics.summary_request,
        "counts": dict(sorted(semantics.counts.items())),
        "provenance": dict(sorted(semantics.provenance.items())),
    }
    lines = ",\n".join(f"{_json(key)}: {_dump_value(value)}" for key, value in content.items())
    return f"{{\n{lines}\n}}\n"


def _dump_value(value: object) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(_json(item) for item in value) + "\n]"
    return _json(value)


def _json(value: object) -> str:
    # escapes keep any text, even half a surrogate pair, and cannot be taken for control characters by a terminal
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def _dump_track(track: Track, caption: Caption | None) -> dict[str, Any]:
    left_top, right_bottom = track.boxes_xyxy[:, :2], track.boxes_xyxy[:, 2:]
    xywh = np.round(np.concatenate([left_top, right_bottom - left_top], axis=1), _DECIMALS) + 0.0  # no minus zero
    return {
        "id": int(track.track_id),
        "idx": (track.frame + 1).tolist(),
        "xywh": xywh.tolist(),
        "conf": track.confidence.tolist(),
        "filled": (track.frame[track.is_interpolated] + 1).tolist(),
        "caption": None if caption is None else caption.text,
        "sentences": [] if caption is None else dump_sentences(caption.sentences),
        "request": "" if caption is None else caption.request_id,
    }


def _dump_interactions(interactions: Sequence[Interaction]) -> Iterable[dict[str, Any]]:
    """Yield one row for neighbours that differ in nothing but their label."""

    def common(one: Interaction) -> tuple[int, int, str, int, int, str]:
        return one.active, one.passive, one.source, one.first_frame, one.last_frame, one.request_id

    for (active, passive, source, first, last, request), rows in itertools.groupby(interactions, common):
        yield {
            "a": active,
            "b": passive,
            "labels": [{"name": row.label, "p": float(row.probability), "raw": row.raw} for row in rows],
            "source": source,
            "frames": [first + 1, last + 1],
            "request": request,
        }


def _disagreement(clip: Clip, semantics: Semantics) -> str:
    """Return what does not fit together, or nothing."""
    known = {track.track_id for track in clip.tracks}
    if semantics.clip != clip.name:
        return f"the semantics are about {semantics.clip}"
    if clip.stems and len(clip.stems) != clip.length:
        return f"{len(clip.stems)} stems, {clip.length} frames"
    captioned = [caption.track_id for caption in semantics.captions]
    if sorted(set(captioned)) != captioned:
        return "captions do not rise by track, or one is there twice"
    triples = [(one.active, one.passive, one.label) for one in semantics.interactions]
    if sorted(set(triples)) != triples:
        return "interactions are not sorted by (active, passive, label), or one is there twice"
    for one in semantics.interactions:
        if one.active == one.passive:
            return f"track {one.active} and {one.label}: with itself"
        if one.source not in SOURCES:
            return f"interaction of source {one.source!r}; there are {', '.join(SOURCES)}"
    sentences = [s for caption in semantics.captions for s in caption.sentences] + list(semantics.summary)
    named = {*captioned, *(t for s in sentences for t in s.track_ids)} | {t for a, b, _ in triples for t in (a, b)}
    if named - known:
        return f"tracks {sorted(named - known)} are spoken of but not there"
    spans = [(s.first_frame, s.last_frame) for s in sentences]
    spans += [(one.first_frame, one.last_frame) for one in semantics.interactions]
    wrong = next((span for span in spans if not 0 <= span[0] <= span[1] < clip.length), None)
    return "" if wrong is None else f"frames {wrong} of a clip of {clip.length} frames are spoken of"


# ---------------------------------------------------------------------------------------------------------- reading


class _Reader:
    """Turns JSON values into records, and complains with the file and the key."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, content: object) -> tuple[Clip, Semantics]:
        keys = (
            "schema clip frame_rate frames tracks interactions summary summary_sentences summary_request counts "
            "provenance"
        )
        if isinstance(content, dict) and content.get("schema") != SCHEMA:
            self._refuse("schema", f"is {content.get('schema')!r}, not {SCHEMA!r}")
        top = self._mapping(content, "", keys)
        frames = [self._mapping(row, f"frames[{i}]", "index stem h w") for i, row in self._rows(top, "frames")]
        for i, row in enumerate(frames):
            if self._integer(row, "index", f"frames[{i}]") != i + 1:
                self._refuse(f"frames[{i}].index", f"is {row['index']}, not {i + 1}")
        sizes = [[self._integer(row, key, f"frames[{i}]", 1) for key in ("w", "h")] for i, row in enumerate(frames)]
        stems = [self._text(row, "stem", f"frames[{i}]") for i, row in enumerate(frames)]
        tracks, captions = [], []
        for i, value in self._rows(top, "tracks"):
            track, caption = self._track(value, f"tracks[{i}]")
            tracks.append(track)
            captions += [] if caption is None else [caption]
        summary = self._sentences(top, "summary_sentences", "")
        if self._text(top, "summary", "") != " ".join(s.text for s in summary):
            self._refuse("summary", "is not what summary_sentences say")
        interactions = [one for i, v in self._rows(top, "interactions") for one in self._interactions(v, i)]
        rate = self._number(top, "frame_rate", "")
        if not _SLOWEST <= rate <= _FASTEST:
            self._refuse("frame_rate", f"is {rate}, not in {_SLOWEST:g} .. {_FASTEST:g}")
        name = self._text(top, "clip", "")
        clip = self._built(
            lambda: Clip(
                name=name,
                length=len(frames),
                frame_rate=rate,
                sizes=np.asarray(sizes, dtype=np.int64).reshape(-1, 2),
                tracks=tuple(tracks),
                stems=tuple(stems) if any(stems) else (),
            ),
            "tracks",
        )
        semantics = Semantics(
            clip=name,
            captions=tuple(captions),
            interactions=tuple(sorted(interactions, key=lambda one: (one.active, one.passive, one.label))),
            summary=summary,
            summary_request=self._text(top, "summary_request", ""),
            counts={key: self._integer(top["counts"], key, "counts") for key in self._free(top, "counts")},
            provenance={key: self._text(top["provenance"], key, "provenance") for key in self._free(top, "provenance")},
        )
        fault = _disagreement(clip, semantics)
        if fault:
            raise DataError(f"{self._path}: {fault}", _REMEDY)
        return clip, semantics

    def _track(self, value: object, key: str) -> tuple[Track, Caption | None]:
        row = self._mapping(value, key, "id idx xywh conf filled caption sentences request")
        frames = self._integers(row, "idx", key)
        boxes = [self._numbers(box, f"{key}.xywh[{i}]", 4) for i, box in self._rows(row, "xywh", key)]
        filled = self._integers(row, "filled", key)
        if not set(filled) <= set(frames):
            self._refuse(f"{key}.filled", "has frames that idx does not have")
        xywh = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        track_id = self._integer(row, "id", key)
        confidence = self._numbers(row["conf"], f"{key}.conf", None)
        track = self._built(
            lambda: Track(
                track_id=track_id,
                frame=np.asarray(frames, dtype=np.int64) - 1,
                boxes_xyxy=np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1),
                confidence=np.asarray(confidence, dtype=np.float64),
                is_interpolated=np.isin(np.asarray(frames, dtype=np.int64), filled),
            ),
            key,
        )
        if frames[0] < 1:
            self._refuse(f"{key}.idx", f"begins with {frames[0]}; frames count from 1")
        sentences, request = self._sentences(row, "sentences", key), self._text(row, "request", key)
        if row["caption"] is None:
            if sentences or request:
                self._refuse(f"{key}.caption", "is null, but there are sentences or a request")
            return track, None
        if self._text(row, "caption", key) != " ".join(s.text for s in sentences):
            self._refuse(f"{key}.caption", "is not what the sentences say")
        return track, Caption(track_id, sentences, request)

    def _sentences(self, row: Mapping[str, Any], name: str, key: str) -> tuple[Sentence, ...]:
        found = []
        for i, value in self._rows(row, name, key):
            place = f"{self._join(key, name)}[{i}]"
            one = self._mapping(value, place, "text tracks frames")
            first, last = self._span(one, place)
            tracks = tuple(self._integers(one, "tracks", place))
            found.append(Sentence(self._text(one, "text", place), tracks, first, last))
        return tuple(found)

    def _interactions(self, value: object, number: int) -> Iterable[Interaction]:
        key = f"interactions[{number}]"
        row = self._mapping(value, key, "a b labels source frames request")
        first, last = self._span(row, key)
        for i, item in self._rows(row, "labels", key):
            label = self._mapping(item, f"{key}.labels[{i}]", "name p raw")
            probability = self._number(label, "p", f"{key}.labels[{i}]")
            if not 0 <= probability <= 1:
                self._refuse(f"{key}.labels[{i}].p", f"is {probability}, not in 0 .. 1")
            yield Interaction(
                active=self._integer(row, "a", key),
                passive=self._integer(row, "b", key),
                label=self._text(label, "name", f"{key}.labels[{i}]"),
                probability=probability,
                first_frame=first,
                last_frame=last,
                source=self._text(row, "source", key),
                request_id=self._text(row, "request", key),
                raw=self._text(label, "raw", f"{key}.labels[{i}]"),
            )

    def _span(self, row: Mapping[str, Any], key: str) -> tuple[int, int]:
        span = self._integers(row, "frames", key)
        if len(span) != 2:
            self._refuse(self._join(key, "frames"), f"has {len(span)} numbers, not the first and the last")
        return span[0] - 1, span[1] - 1

    # what a value has to be

    def _mapping(self, value: object, key: str, names: str) -> dict[str, Any]:
        expected = names.split()
        if not isinstance(value, dict):
            self._refuse(key or "the whole", f"is no object but {_kind(value)}")
        missing = [name for name in expected if name not in value]
        unknown = [name for name in value if name not in expected]
        if missing:
            self._refuse(self._join(key, missing[0]), "is missing")
        if unknown:
            self._refuse(self._join(key, unknown[0]), "is no key of the schema")
        return value

    def _free(self, row: Mapping[str, Any], name: str) -> list[str]:
        if not isinstance(row[name], dict):
            self._refuse(name, f"is no object but {_kind(row[name])}")
        return list(row[name])

    def _rows(self, row: Mapping[str, Any], name: str, key: str = "") -> list[tuple[int, Any]]:
        if not isinstance(row[name], list):
            self._refuse(self._join(key, name), f"is no list but {_kind(row[name])}")
        return list(enumerate(row[name]))

    def _integers(self, row: Mapping[str, Any], name: str, key: str) -> list[int]:
        return [
            self._integer({str(i): value}, str(i), self._join(key, name)) for i, value in self._rows(row, name, key)
        ]

    def _integer(self, row: Mapping[str, Any], name: str, key: str, least: int | None = None) -> int:
        value = row[name]
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**53:
            self._refuse(self._join(key, name), f"is no whole number but {_kind(value)}")
        if least is not None and value < least:
            self._refuse(self._join(key, name), f"is {value}, below {least}")
        return value

    def _number(self, row: Mapping[str, Any], name: str, key: str) -> float:
        return self._numbers([row[name]], self._join(key, name), 1)[0]

    def _numbers(self, value: object, key: str, count: int | None) -> list[float]:
        if not isinstance(value, list):
            self._refuse(key, f"is no list but {_kind(value)}")
        for item in value:
            # NaN is in no range; a whole number may be too large even to be made a float
            if not isinstance(item, int | float) or isinstance(item, bool) or not -_LARGEST <= item <= _LARGEST:
                self._refuse(key, f"has no number but {_kind(item)}")
        if count is not None and len(value) != count:
            self._refuse(key, f"has {len(value)} numbers, not {count}")
        return [float(item) for item in value]

    def _text(self, row: Mapping[str, Any], name: str, key: str) -> str:
        if not isinstance(row[name], str):
            self._refuse(self._join(key, name), f"is no text but {_kind(row[name])}")
        return row[name]

    def _built(self, build: Callable[[], T], key: str) -> T:
        try:
            return build()
        except ValueError as error:
            self._refuse(key, str(error))

    def _refuse(self, key: str, what: str) -> NoReturn:
        raise DataError(f"{self._path}: {key}: {what}", _REMEDY)

    @staticmethod
    def _join(key: str, name: str) -> str:
        return f"{key}.{name}" if key else name


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), repr(value)[:40])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} is there twice")
        found[key] = value
    return found
