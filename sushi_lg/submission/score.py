"""What an archive would score on the sequences whose ground truth is at hand, from the bytes of the archive itself.

Test sets come without ground truth, but some servers take the training sequences too. Their scores show what no check
of rows shows: frames that count from another number, boxes of another picture size, results of another run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sushi_lg.data.mot_format import MotTable, read_table
from sushi_lg.data.sequence import Sequence, open_sequence
from sushi_lg.evaluation.mot import EvaluationResult, combine, evaluate_in_memory, evaluate_sequences
from sushi_lg.submission.archive import read_archive
from sushi_lg.submission.pack import sequence_folder
from sushi_lg.submission.profile import load_profile

_STRIKING_HOTA = 25.0  # percent; below it something is wrong with numbers rather than with a tracker
_SHIFT_FRAMES = 120  # so many frames tell whether another numbering fits better
_BETTER_BY = 3.0  # percent of HOTA


@dataclass(frozen=True)
class ArchiveScore:
    """Scores of an archive.

    Attributes:
        result: Per sequence and combined; ``combined`` is None where no file could be scored.
        remarks: What looks wrong in the numbers.
    """

    result: EvaluationResult
    remarks: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, dict[str, float]]:
        """Return HOTA, IDF1 and MOTA in percent by name, two decimals; all together under the name of ``combine``."""
        scores = [*self.result.sequences, *([self.result.combined] if self.result.combined else [])]
        return {
            score.name: {key: round(float(score.values()[key]), 2) for key in ("HOTA", "IDF1", "MOTA")}
            for score in scores
        }


def score_archive(path: str | Path, profile_name: str, data: str | Path) -> ArchiveScore:
    """Score the files of an archive whose sequences have ground truth under ``data``.

    Files that are one video under several names are scored once where they are equal. Empty files are not scored.

    Args:
        path: The archive, from ``pack`` or checked by ``validate``.
        profile_name: What it is for.
        data: Folder of the data sets.

    Raises:
        ConfigError: no such profile.
        DataError: the archive cannot be opened, or a row of it or of the ground truth is malformed.
    """
    profile = load_profile(profile_name)
    files = {PurePosixPath(name).name: content for name, content in read_archive(path).items()}
    pairs: list[tuple[Sequence, str, bytes]] = []
    for sequence_name in profile.sequences(Path(data)):
        folder = sequence_folder(profile, sequence_name, Path(data))
        contents = {name: files[name] for name in profile.file_names(sequence_name) if files.get(name)}
        if folder is None or not contents or not (folder / "gt" / "gt.txt").is_file():
            continue
        sequence = open_sequence(folder)
        if sequence.has_ground_truth:
            pairs += [(sequence, name, content) for name, content in _different(sequence_name, contents)]
    scores, remarks = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for sequence, name, content in pairs:
            file = Path(scratch) / f"{name}.txt"
            file.write_bytes(content)
            [score] = evaluate_sequences([(sequence, file)]).sequences
            score = type(score)(name, score.raw, score.ignored_truth, score.removed_results)
            scores.append(score)
            shift = _fitting_shift(sequence, read_table(file, "results", sequence_length=sequence.length))
            if shift:
                remarks.append(
                    f"{name}: fits the ground truth better {shift:+d} frame: does its first frame have number 1?"
                )
            elif score.hota < _STRIKING_HOTA:
                remarks.append(
                    f"{name}: HOTA {score.hota:.1f} is strikingly low: are frames numbered from 1, as in the whole "
                    "sequence, and boxes in pixels of its pictures?"
                )
    return ArchiveScore(combine(scores), remarks)


def _different(sequence: str, contents: Mapping[str, bytes]) -> Iterable[tuple[str, bytes]]:
    """Yield each content once: under the name of the sequence where there is only one."""
    if len(set(contents.values())) == 1:
        yield sequence, next(iter(contents.values()))
        return
    for name, content in contents.items():
        yield name.removesuffix(".txt"), content


def _fitting_shift(sequence: Sequence, table: MotTable) -> int:
    """Return by how many frames results have to be moved to fit, -1 or 1; 0 = they lie best where they are."""
    length = min(sequence.length, _SHIFT_FRAMES)
    view = sequence.view(1, length)
    truth = view.load_ground_truth()
    if not len(truth):
        return 0
    boxes = table.pixels_ltwh
    hota = {}
    for shift in (0, -1, 1):
        frame = table.frame - 1 + shift
        there = (frame >= 0) & (frame < length)
        columns = frame[there], table.track_id[there], boxes[there]
        hota[shift] = evaluate_in_memory(truth, sequence.info.layout, *columns, length).hota
    best = max(hota, key=lambda shift: hota[shift])
    return best if hota[best] > hota[0] + _BETTER_BY else 0
