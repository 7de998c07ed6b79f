"""From trajectories and pictures to files of what is said about them: resumable clip by clip and answer by answer.

Clips go through in groups. Summaries of a group are asked for first; then all people and pairs, with the summary of
their clip as background. Answers are written to ``OUT/jobs.jsonl`` as they come, results to ``OUT/semantics`` when a
clip is complete. A killed run started again asks only what was not answered, and ends with the same bytes.

A clip that cannot be read is reported and left out; the others go on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semantic import templates
from semantic.bensmot import vocabulary
from semantic.config import DescribeConfig
from semantic.describers.protocol import Describer, Job
from semantic.job_log import JobLog
from semantic.parsing import Parsed, parse, propagate
from semantic.pictures import ClipPictures, Reader
from semantic.records_io import read_semantics, result_path, write_semantics
from semantic.requests import Origin, Plan, make_plan, origin_of, subject_requests, summary_request
from semantic.shortlist import Shortlist, load_shortlist
from semantic.structures import Answer, Caption, Clip, Interaction, Request, Semantics, Sentence
from sushi_lg import __version__
from sushi_lg.data.files import atomic_path, visible_files
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.perception.lock import locked

logger = logging.getLogger(__name__)

ATTEMPTS = 2  # a request that failed is asked once more
MANIFEST = "describe.json"

_BUDGET = 2**30  # bytes of frames in memory, of all clips of a group
_ROUNDS = 5  # of finding frames that cannot be read; each plan may show others


@dataclass(frozen=True)
class ClipSource:
    """A clip that has not been opened.

    Attributes:
        name: Of the clip; results are called so.
        open: Returns the trajectories and what reads the frames (None without pictures); may raise ``DataError``.
    """

    name: str
    open: Callable[[], tuple[Clip, Reader | None]]


@dataclass(frozen=True)
class ClipReport:
    """What became of one clip.

    Attributes:
        name: Of the clip.
        path: Of the result.
        status: ``described``, ``kept`` (a finished result was there) or ``failed``.
        captions: Number of them.
        interactions: Number of them.
        counts: See ``Semantics.counts``.
        seconds: Time since its group began.
        error: Why it failed, empty otherwise.
        remedy: What to do about that, where it is known.
    """

    name: str
    path: Path
    status: str
    captions: int = 0
    interactions: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    remedy: str = ""


@dataclass
class _Work:
    """A clip on its way."""

    clip: Clip
    pictures: ClipPictures | None
    plan: Plan
    origin: Origin
    path: Path
    key: str
    requests: list[Request] = field(default_factory=list)
    unseen: Counter[str] = field(default_factory=Counter)
    error: DataError | None = None


def describe_clips(
    sources: Sequence[ClipSource],
    describer: Describer,
    out: str | Path,
    config: DescribeConfig | None = None,
    *,
    group: int = 8,
    retry: bool = False,
    skip_bad_images: bool = False,
    part: tuple[int, int] = (1, 1),
) -> Iterator[ClipReport]:
    """Describe clips; yield a report of each as soon as it is finished, in the order given.

    Args:
        sources: The clips, each with a name of its own.
        describer: Who answers.
        out: Folder of the results; it keeps to one describer and one set of settings.
        config: Settings.
        group: Clips whose requests are asked together.
        retry: Ask again what failed in an earlier run; results that lack something are made anew.
        skip_bad_images: Show other frames instead of those that cannot be read.
        part: (k, n): only every n-th clip, from the k-th on; n runs, on one machine or on several, do all of them.

    Raises:
        ConfigError: no such part, or the folder holds results of another describer or other settings.
        DataError: two clips of one name, or another run is writing into the folder: one of the same part, or one that
            counts parts otherwise, so that both would do the same clips.
        WeightsError: from the describer.
    """
    config = config or DescribeConfig()
    config.validate()
    shortlist = Shortlist() if config.shortlist is None else load_shortlist(config.shortlist)
    out = Path(out)
    paths = [result_path(out, source.name) for source in sources]
    twice = [path for path, count in Counter(path.name for path in paths).items() if count > 1]
    if twice:
        raise DataError(f"two clips have one result, {twice[0]}", "describe them into folders of their own")
    maker = _Maker(describer, config, shortlist, skip_bad_images, _BUDGET // max(group, 1))
    number, parts = part
    if not 1 <= number <= parts:
        raise ConfigError(f"part: {number}/{parts}", "1/2 and 2/2 are the parts of two runs")
    todo = list(zip(sources, paths, strict=True))[number - 1 :: parts]
    name = "" if parts == 1 else f"-{number}of{parts}"
    with locked(out, f"describe{name}"):
        for lock in sorted(out.glob(".lock-describe*")):
            if parts == 1 or not lock.name.endswith(f"of{parts}"):
                _check_free(out, lock.name, f".lock-describe{name}")
        maker.claim(out)
        jobs = out / f"jobs{name}.jsonl"
        with JobLog(jobs, sorted(set(out.glob("jobs*.jsonl")) - {jobs})) as log:
            if retry:
                log.forget_failures()
            for first in range(0, len(todo), max(group, 1)):
                yield from maker.describe(todo[first : first + max(group, 1)], log, retry)


def _check_free(out: Path, lock: str, mine: str) -> None:
    """Raise ``DataError`` if a run of other parts is under way; a lock that one left behind is removed."""
    if lock != mine:
        with locked(out, lock.removeprefix(".lock-")):
            pass


class _Maker:
    """What is the same for all clips of a run."""

    def __init__(
        self, describer: Describer, config: DescribeConfig, shortlist: Shortlist, skip_bad_images: bool, budget: int
    ) -> None:
        self._describer, self._config, self._shortlist = describer, config, shortlist
        self._skip_bad_images, self._budget = skip_bad_images, budget
        settings = dataclasses.asdict(config) | {"shortlist": dataclasses.asdict(shortlist)}
        self._about = {
            "describer": describer.name,
            "describer_fingerprint": describer.fingerprint,
            "settings": _digest(settings),
            "templates": templates.fingerprint(),
            "vocabulary": vocabulary.fingerprint(),
        }
        self._settings = settings

    def claim(self, out: Path) -> None:
        """Write what the folder is made with, or refuse one that is made with something else."""
        path = out / MANIFEST
        now: dict[str, Any] = {"schema": "describe/1", **self._about, "settings": self._settings}
        now = json.loads(json.dumps(now))
        if path.is_file() and visible_files(out / "semantics", "*.json"):
            try:
                before = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise DataError(f"{path}: cannot be read ({error})", "choose another --out") from error
            differ = sorted(_differing(before, now))
            if differ:
                raise ConfigError(
                    f"{out}: holds results made otherwise ({path}; {', '.join(differ)} differ)",
                    f"choose another --out, or remove {out / 'semantics'}; answers that still fit are used again",
                )
        with atomic_path(path) as staged:
            staged.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")

    def describe(self, some: Iterable[tuple[ClipSource, Path]], log: JobLog, retry: bool) -> Iterator[ClipReport]:
        """Describe a group of clips."""
        began = time.monotonic()
        works: list[_Work | ClipReport] = [self._open(source, path, retry) for source, path in some]
        ready = [work for work in works if isinstance(work, _Work)]
        try:
            for work in ready:
                work.requests = [summary_request(work.plan, work.origin, self._config)]
            self._ask(ready, log)
            for work in ready:
                if not work.error:
                    summary = self._parsed(work, work.requests[0], log).sentences
                    text = " ".join(sentence.text for sentence in summary)
                    self._add_requests(work, subject_requests(work.plan, work.origin, self._config, text))
            self._ask(ready, log)
            for each in works:
                if isinstance(each, ClipReport):
                    yield each
                elif each.error:
                    yield _failed(each.clip.name, each.path, each.error)
                else:
                    yield self._finish(each, log, began)
        finally:
            for work in ready:
                if work.pictures is not None:
                    work.pictures.close()

    def _add_requests(self, work: _Work, requests: Iterable[Request]) -> None:
        """Ask these, too; who looks is not asked about those of whom nothing can be shown, such as people outside."""
        for request in requests:
            if request.views or not self._describer.needs_pictures:
                work.requests.append(request)
            else:
                work.unseen[f"nothing to see: {request.kind}"] += 1
                work.unseen["tracks without caption"] += request.kind == "instance"

    def _open(self, source: ClipSource, path: Path, retry: bool) -> _Work | ClipReport:
        """Return a clip ready to be asked about, or the report of one that is finished or cannot be opened."""
        try:
            clip, reader = source.open()
            if clip.length == 0:
                raise DataError(f"{clip.name}: no frames", "leave the clip out")
            if reader is None and self._describer.needs_pictures:
                raise DataError(f"{clip.name}: no pictures", f"say with --frames where they are: {self._name} looks")
            pictures = None if reader is None else ClipPictures(clip, reader, budget=self._budget)
            origin = origin_of(
                self._describer.fingerprint, clip, "" if pictures is None else pictures.content_key(), self._config
            )
            key = _digest({**self._about, **dataclasses.asdict(origin), "name": clip.name})
            found = self._finished(path, key, retry)
            if found is not None:
                return found
            plan = self._plan(clip, pictures)
        except (DataError, OSError) as error:  # such as a folder that nobody may read
            return _failed(source.name, path, error)
        if pictures is not None:
            pictures.outlines, pictures.config = plan.outlines, self._config.views
            if self._describer.needs_pictures:  # others may look at some, but not at views
                pictures.expect(plan.frames)
        return _Work(clip, pictures, plan, origin, path, key)

    @property
    def _name(self) -> str:
        return f"describer {self._describer.name}"

    def _plan(self, clip: Clip, pictures: ClipPictures | None) -> Plan:
        plan = make_plan(clip, self._config, self._shortlist)
        if pictures is None or not (self._skip_bad_images and self._describer.needs_pictures):
            return plan
        bad: frozenset[int] = frozenset()
        for _ in range(_ROUNDS):
            more = pictures.missing(plan.frames)
            if not more:
                return plan
            bad |= more
            plan = make_plan(clip, self._config, self._shortlist, excluded=bad)
            if not plan.frames:
                raise DataError(f"{clip.name}: no picture can be read", "copy it again")
        raise DataError(f"{clip.name}: too many frames cannot be read ({len(bad)} of those looked at)", "copy it again")

    def _finished(self, path: Path, key: str, retry: bool) -> ClipReport | None:
        """Return the report of a result that is there; None where it has to be made.

        Raises:
            DataError: a result of other tracks or pictures.
        """
        if not path.is_file():
            return None
        try:
            clip, semantics = read_semantics(path)
        except DataError as error:
            logger.warning("%s; made anew", error.message)
            return None
        if semantics.provenance.get("key") != key:
            raise DataError(
                f"{path}: made from other tracks or pictures of {clip.name}",
                "remove this file to have the clip described anew, or choose another --out",
            )
        if retry and any(name.startswith("failed:") for name in semantics.counts):
            return None
        return _report(clip, path, "kept", semantics, 0.0)

    def _ask(self, works: Sequence[_Work], log: JobLog) -> None:
        """Ask what is not answered yet; what fails is asked once more."""
        for _ in range(ATTEMPTS):
            jobs = self._open_jobs([work for work in works if not work.error], log)
            if not jobs:
                return
            try:
                self._ask_once(jobs, log)
            except DataError:
                # of one clip; which one is found out by asking about each alone
                for work in works:
                    alone = [] if work.error else self._open_jobs([work], log)
                    if not alone:
                        continue
                    try:
                        self._ask_once(alone, log)
                    except DataError as error:
                        work.error = error

    def _open_jobs(self, works: Sequence[_Work], log: JobLog) -> list[Job]:
        jobs = {
            request.request_id: Job(request, work.clip, work.pictures)
            for work in works
            for request in work.requests
            if not log.is_settled(request.request_id, ATTEMPTS)
        }
        return list(jobs.values())

    def _ask_once(self, jobs: Sequence[Job], log: JobLog) -> None:
        open_jobs = {job.request.request_id: job for job in jobs}
        for answer in self._describer.answer(jobs):
            job = open_jobs.pop(answer.request_id, None)
            if job is None:
                raise RuntimeError(f"{self._name} answered {answer.request_id}, which was not asked or answered before")
            log.add(job.request, answer)
        for request_id, job in open_jobs.items():
            log.add(job.request, Answer(request_id, "", error=f"{self._name} gave no answer"))

    def _parsed(self, work: _Work, request: Request, log: JobLog) -> Parsed:
        answer = log.answer(request.request_id)
        assert answer is not None, "everything was asked"
        if answer.error:
            return Parsed((), (), Counter({f"failed: {request.kind}": 1}))
        source = "rules" if self._describer.name == "rules" else "mllm"
        return parse(answer, request, work.clip, self._config, source)

    def _finish(self, work: _Work, log: JobLog, began: float) -> ClipReport:
        """Write the result of a clip all of whose requests were asked; not if none of them could be answered."""
        answers = [log.answer(request.request_id) for request in work.requests]
        errors = [answer.error for answer in answers if answer is not None and answer.error]
        if len(errors) == len(answers):
            error = DataError(
                f"{work.clip.name}: no request was answered ({errors[0]})", "mend it, then pass retry=true"
            )
            return _failed(work.clip.name, work.path, error)
        counts = work.unseen.copy()
        captions: list[Caption] = []
        interactions: list[Interaction] = []
        summary: tuple[Sentence, ...] = ()
        for request in work.requests:
            parsed = self._parsed(work, request, log)
            counts += parsed.counts
            counts[f"requests: {request.kind}"] += 1
            counts["requests with repairs"] += any(name.startswith("repaired") for name in parsed.counts)
            if request.kind == "summary":
                summary = parsed.sentences
            elif request.kind == "pair":
                interactions += parsed.interactions
            elif parsed.sentences:
                captions.append(Caption(request.subjects[0], parsed.sentences, request.request_id))
            else:
                counts["tracks without caption"] += 1
        counts["tracks too short for a caption"] += len(work.clip.tracks) - len(work.plan.people)
        counts["clips without summary"] += not summary
        semantics = Semantics(
            clip=work.clip.name,
            captions=tuple(captions),
            interactions=propagate(interactions, self._config.symmetry),
            summary=summary,
            summary_request=work.requests[0].request_id,
            counts={name: count for name, count in counts.items() if count},
            provenance={
                **self._about,
                "tracks": work.origin.clip,
                "pictures": work.origin.pictures,
                "program": f"sushi-lg {__version__}",
                "key": work.key,
            },
        )
        write_semantics(work.path, work.clip, semantics)
        return _report(work.clip, work.path, "described", semantics, time.monotonic() - began)


def _failed(name: str, path: Path, error: DataError | OSError) -> ClipReport:
    if isinstance(error, DataError):
        return ClipReport(name, path, "failed", error=error.message, remedy=error.remedy or "")
    return ClipReport(name, path, "failed", error=str(error))


def _report(clip: Clip, path: Path, status: str, semantics: Semantics, seconds: float) -> ClipReport:
    return ClipReport(
        clip.name,
        path,
        status,
        len(semantics.captions),
        len(semantics.interactions),
        semantics.counts,
        seconds,
    )


def _differing(before: object, now: object, name: str = "") -> Iterator[str]:
    """Yield the names of values that differ, those inside of objects with dots."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {*before, *now}:
            yield from _differing(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield name


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()
