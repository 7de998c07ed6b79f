"""``sushi-lg track``: videos, or detections of sequences, in; trajectories out."""

from __future__ import annotations

import contextlib
import enum
import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sushi_lg.cli.common import (
    Choice,
    ConfigOption,
    JsonOption,
    OptionalDataOption,
    find_device,
    format_table,
    split_words,
    write_json,
)
from sushi_lg.cli.early import refuse_absent_weights
from sushi_lg.cli.pictures import (
    Looking,
    is_pictures,
    locate,
    open_pictures,
    perceive_and_tell,
    refuse_namesakes,
    split_of,
)
from sushi_lg.errors import ConfigError, DataError, WeightsError

_DETECTOR, _EMBEDDER = "yolox_nano", "hsv"
_NO_GPU = ("--gpu-memory is of a GPU, and the device is cpu", "leave it out; --memory is of the host")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sushi_lg.data.sequence import Sequence
    from sushi_lg.nn.settings import AppearanceConfig
    from sushi_lg.structures import Detections
    from sushi_lg.tracking.recipe import SushiConfig


class Precision(enum.Enum):
    """Numbers that the networks multiply."""

    float32 = "float32"
    bfloat16 = "bfloat16"


@dataclass
class RunSettings:
    """How to run a recipe, beside its own settings."""

    missing: Choice = Choice.error
    on_bad_row: Choice = Choice.error
    on_bad_image: Choice = Choice.error
    device: str = "auto"
    precision: Precision = Precision.float32
    workers: int = 0


def track(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE... [key=value]...",
            help="Videos, image folders, sequence folders with detections, or one split name under --data.",
        ),
    ],
    data: OptionalDataOption = None,
    detections: Annotated[
        str | None, typer.Option(metavar="STEM", help="Which file in det/; may be left out where there is one.")
    ] = None,
    recipe: Annotated[str, typer.Option(metavar="NAME", help="default, sushi, lgmot, or a YAML file.")] = "default",
    weights: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="default, or a .safetensors file.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where results go; runs/track-<recipe>-<name>.")
    ] = None,
    appearance: Annotated[
        Path | None,
        typer.Option("--appearance", metavar="DIR", help="Galleries made by `sushi-lg embed`; none = boxes only."),
    ] = None,
    detector: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help=f"For pictures: see `sushi-lg detect`; {_DETECTOR}.")
    ] = None,
    embedder: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help=f"For pictures: see `sushi-lg embed`; {_EMBEDDER}, or none.")
    ] = None,
    camera: Annotated[
        str,
        typer.Option(metavar="auto|none", help="Estimate camera motion in pictures, read gmc.txt of sequence folders."),
    ] = "auto",
    frame_rate: Annotated[float | None, typer.Option(metavar="N", help="Frames per second of image folders.")] = None,
    memory: Annotated[
        str | None,
        typer.Option("--memory", metavar="SIZE", help="Plan for this much: 4GB, 800MB (of 1024)."),
    ] = None,
    gpu_memory: Annotated[
        str | None,
        typer.Option("--gpu-memory", metavar="SIZE", help="The same for a GPU. Default: what is free on it."),
    ] = None,
    json_file: JsonOption = None,
    config: ConfigOption = None,
) -> None:
    """Track sequences: writes DIR/tracks/<sequence>.txt (MOTChallenge text) and a Parquet table beside it.

    Of a video or a folder of images, people are detected and described first; DIR/<name> keeps what was found, and
    what is there already is used again. on_bad_image=skip leaves out pictures that cannot be read and lists them.

    Settings of the recipe follow as key=value, for example output.max_gap_filled=20; missing=skip leaves out sequences
    of a split that are not there, on_bad_row=skip leaves out broken lines and lists them, workers=2 tracks two
    sequences at once (0, the default: as many as cores), device=cpu or cuda says where to compute, precision=bfloat16
    multiplies in shorter numbers (results change slightly; never faster than float32 on CPUs without bfloat16 units).
    """
    names, overrides = split_words(sources, "sequence folders, videos, or a split name with --data ROOT")
    if camera not in ("auto", "none"):
        raise ConfigError(f"--camera {camera}: unknown", "auto or none")
    # All that can be told without PyTorch, whose import takes seconds: mistakes are answered at once.
    from sushi_lg.config import load_yaml, recipe_path

    # the published recipes are told by their window; the default one has none
    is_published = recipe in ("sushi", "lgmot") or "window" in load_yaml(recipe_path(recipe))
    settings, run = _read_settings(recipe, config, overrides, is_published=is_published)
    looking = Looking(run.pop("on_bad_image"), run["workers"], run["device"])
    from sushi_lg.tracking.sizes import parse_size

    budget = None if memory is None else parse_size(memory)
    gpu_budget = None if gpu_memory is None else parse_size(gpu_memory, "--gpu-memory")
    if gpu_budget is not None and run["device"] == "cpu":
        raise ConfigError(*_NO_GPU)
    split = split_of(names)
    pictured = [name for name in names if is_pictures(name)]
    first = Path(names[0])
    folder = out or Path("runs") / f"track-{Path(recipe).stem}-{first.stem if pictured else first.name}"
    if pictured and (detections is not None or appearance is not None):
        raise ConfigError(
            f"--detections and --appearance are of sequence folders, {pictured[0]} is pictures",
            "choose what looks at them with --detector and --embedder",
        )
    if not pictured and frame_rate is not None:
        raise ConfigError("--frame-rate is of videos and image folders", "leave it out: sequences state theirs")
    if not pictured and (detector is not None or embedder is not None):
        raise ConfigError(
            f"--detector and --embedder are of videos and image folders, {names[0]} has detections already",
            f"describe them first: sushi-lg embed {names[0]} --out DIR, then track it with --appearance DIR",
        )
    if is_published and weights is None:
        raise WeightsError(
            "the published recipes ship without weights", "give --weights FILE, made by `sushi-lg import-checkpoint`"
        )
    if weights is not None and not is_published:
        refuse_absent_weights(weights)
    if not pictured:
        sequences, _ = _open_sources(names, split, data, run["missing"])
        for sequence in sequences:
            sequence.detections_path(detections)  # refuses before work begins, not in the middle of it
        _embedders(appearance, sequences)

    device = find_device(run["device"])
    if gpu_budget is not None and device == "cpu":  # by itself
        raise ConfigError(*_NO_GPU)
    # What only says how to compute is no part of the result's settings.
    workers = run.pop("workers")
    tracker, notes = None, {}
    if pictured:
        tracker, notes = _make_tracker(settings, weights)
        known = {"recipe": recipe, **notes, "camera": camera, **run}
        learned = _learned(tracker)
        usual = learned.embedder if learned is not None else _EMBEDDER
        stages = (detector or _DETECTOR, None if embedder == "none" else embedder or usual, camera)
        names, detections, appearance = _look(names, pictured, folder, stages, looking, frame_rate, known, learned)
    sequences, source = _open_sources(names, split, data, run["missing"])
    embedders = _embedders(appearance, sequences)
    workers = _at_once(workers, device, len(sequences))
    if tracker is None:
        tracker, notes = _make_tracker(settings, weights)
    learned = _learned(tracker)
    if learned is not None and appearance is not None:
        from sushi_lg.tracking.weights import check_gallery

        for sequence in sequences:
            check_gallery(learned, appearance, sequence.name)
    reading = _Reading(sequences, detections, appearance, run["on_bad_row"])
    if budget is not None:
        workers = _planned(budget, reading, workers, settings.min_score, is_published)
    if device != "cpu":
        workers = _planned_on_gpu(
            gpu_budget, reading, workers, settings.min_score, settings if is_published else None, device
        )
    _claim(
        folder,
        {
            **source,
            "recipe": recipe,
            **notes,
            "detections": detections,
            "appearance": embedders,
            "galleries": None if appearance is None else str(appearance.absolute()),
            "camera": camera,
            **run,
        },
    )

    from sushi_lg.nn.precision import PRECISIONS
    from sushi_lg.tracking.run import track_sequences

    tracker.to(device)
    tracker.precision = PRECISIONS[run["precision"]]
    reports = []
    try:
        for report in track_sequences(
            tracker,
            sequences,
            folder,
            stem=detections,
            on_bad_row=run["on_bad_row"],
            decimals=run["decimals"],
            device=device,
            notes=notes,
            workers=workers,
            galleries=appearance,
            use_camera=camera == "auto",
        ):
            reports.append(report)
            typer.echo(
                f"[{len(reports)}/{len(sequences)}] {report.name}: {report.trajectories} trajectories, "
                f"{report.frames / report.seconds:.0f} frames/s",
                err=True,
            )
    except (Exception, KeyboardInterrupt):
        if len(sequences) > 1:
            typer.echo(f"{len(reports)} of {len(sequences)} sequences are written to {folder / 'tracks'}", err=True)
        raise
    position = {sequence.name: number for number, sequence in enumerate(sequences)}
    reports.sort(key=lambda report: position[report.name])
    counts = ("frames", "detections", "trajectories", "boxes", "filled")
    rows = [
        {"sequence": r.name, **{key: str(getattr(r, key)) for key in counts}, "seconds": f"{r.seconds:.2f}"}
        for r in reports
    ]
    if json_file is not None:
        found = [
            {"sequence": r.name, "path": str(r.path), **{key: getattr(r, key) for key in counts}, "seconds": r.seconds}
            for r in reports
        ]
        absent = list(source.get("absent", ()))
        write_json(json_file, {"run": str(folder), "sequences": found, "appearance": embedders, "absent": absent})
    if str(json_file) == "-":
        return
    typer.echo(format_table(rows))
    used = ", ".join(sorted({text.split()[0] for text in embedders.values()}))
    typer.echo(f"association by {f'boxes and appearance ({used})' if embedders else 'boxes only'}")
    if source.get("absent"):
        absent = source["absent"]
        typer.echo(f"note: {len(absent)} sequences of {source['split']} have no data: {', '.join(absent)}")
    typer.echo(f"wrote {folder / 'tracks'}")


def _look(
    names: list[str],
    pictured: list[str],
    folder: Path,
    stages: tuple[str, str | None, str],
    looking: Looking,
    frame_rate: float | None,
    known: dict[str, Any],
    learned: AppearanceConfig | None,
) -> tuple[list[str], str, Path | None]:
    """Make sequence folders of videos and image folders; return them, the detections' name and the galleries.

    Stops before the work where ``folder`` holds tracks of other settings than those ``known`` and the stages, and where
    the weights have ``learned`` to read vectors of another embedder.
    """
    from sushi_lg.appearance.camera_motion import CameraMotion
    from sushi_lg.appearance.registry import load_embedder
    from sushi_lg.detection.registry import load_detector
    from sushi_lg.tracking.weights import check_look

    if len(pictured) < len(names):
        others = [name for name in names if name not in pictured]
        raise DataError(
            f"{pictured[0]} is no sequence (it would be opened as a video or pictures), {others[0]} is one",
            "leave out what is neither, and track videos and sequences by calls of their own",
        )
    detector, embedder, camera = stages
    opened = open_pictures(names, None, None, frame_rate, looking.on_bad_image)
    for source in opened:
        if source.name in _OWN_NAMES:
            raise DataError(f"{source.path}: results lie in a folder called {source.name}", "give it another name")
    network, detect_calls = looking.load(load_detector, detector)
    describing, embed_calls = (None, 1) if embedder is None else looking.load(load_embedder, embedder)
    galleries = None if describing is None else folder / "appearance" / describing.name
    look = "" if describing is None else f"{describing.name} {describing.fingerprint()}"
    if learned is not None and describing is not None:
        for source in opened:
            check_look(learned, describing.name, describing.fingerprint(), source.name)
    _refuse_other_settings(
        folder,
        {
            "sequences": [str((folder / source.name).absolute()) for source in opened],
            **known,
            "detections": network.name,
            "appearance": {source.name: look for source in opened if look},
        },
    )
    motion = CameraMotion() if camera == "auto" else None
    done = [
        perceive_and_tell(
            source,
            folder / source.name,
            network,
            looking,
            embedder=describing,
            camera=motion,
            galleries=galleries,
            detect_calls=detect_calls,
            embed_calls=embed_calls,
        )
        for source in opened
    ]
    return [str(one.folder) for one in done], network.name, galleries


def _embedders(galleries: Path | None, sequences: list[Sequence]) -> dict[str, str]:
    """Return name and fingerprint of the embedder of every gallery, by sequence; stops where one is absent."""
    from sushi_lg.data.gallery import open_gallery

    if galleries is None:
        return {}
    about = {sequence.name: open_gallery(galleries, sequence.name).about for sequence in sequences}
    return {name: f"{one.embedder} {one.fingerprint}" for name, one in about.items()}


def _learned(tracker: Any) -> AppearanceConfig | None:  # noqa: ANN401 - one of two recipes
    """Return what the weights have learned about looks; None where they take vectors of any embedder."""
    from sushi_lg.tracking.tracker import HierarchicalTracker

    learned = tracker.config.appearance if isinstance(tracker, HierarchicalTracker) else None
    return learned if learned is not None and learned.dim else None


def _at_once(workers: int, device: str, sequences: int) -> int:
    """Return how many sequences run at once: one on a GPU unless somebody asks for more, else as many as cores."""
    import torch

    if workers == 0:
        workers = 1 if device.startswith("cuda") else torch.get_num_threads()
    return max(1, min(workers, sequences))


@dataclass(frozen=True)
class _Reading:
    """Name and detections of every sequence, read once more to know what they need, and one at a time."""

    sequences: list[Sequence]
    stem: str | None
    galleries: Path | None
    on_bad_row: Any

    def __iter__(self) -> Iterator[tuple[str, Detections]]:
        for one in self.sequences:
            with _silence("sushi_lg.data"):  # warnings come when it is read to be tracked
                found = one.load_detections(self.stem, on_bad_row=self.on_bad_row, galleries=self.galleries)
            yield one.name, found


@contextlib.contextmanager
def _silence(name: str) -> Iterator[None]:
    """Hold back what a package would log below errors."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _planned(budget: int, reading: _Reading, workers: int, min_score: float, is_published: bool) -> int:
    """Return how many sequences may run at once within ``budget`` bytes of the host."""
    from sushi_lg.tracking.memory import plan_memory

    plan = plan_memory(reading, budget, workers, min_score=min_score, published=is_published)
    typer.echo(f"memory: {plan.explain()}", err=True)
    return plan.workers


def _planned_on_gpu(
    budget: int | None,
    reading: _Reading,
    workers: int,
    min_score: float,
    published: SushiConfig | None,
    device: str,
) -> int:
    """Return how many sequences may run at once within ``budget`` bytes of a GPU, or what is free there."""
    from sushi_lg.tracking.memory import plan_gpu_memory

    plan = plan_gpu_memory(reading, workers, min_score=min_score, published=published, device=device, budget=budget)
    if budget is not None or plan.workers < plan.wanted:
        typer.echo(f"GPU memory: {plan.explain()}", err=True)
    return plan.workers


def _read_settings(
    recipe: str, config: Path | None, overrides: list[str], *, is_published: bool
) -> tuple[Any, dict[str, Any]]:
    """Return the settings of the recipe, and how to run it."""
    from sushi_lg.config import load_config
    from sushi_lg.tracking.recipe import SushiConfig, TrackerConfig

    @dataclass
    class DefaultRun(RunSettings, TrackerConfig): ...

    @dataclass
    class SushiRun(RunSettings, SushiConfig): ...

    schema, plain = (SushiRun, SushiConfig) if is_published else (DefaultRun, TrackerConfig)
    loaded: Any = load_config(schema, recipe, config, overrides)
    run = {
        "missing": loaded.missing.value,
        "on_bad_row": loaded.on_bad_row.value,
        "on_bad_image": loaded.on_bad_image.value,
        "device": loaded.device,
        "precision": loaded.precision.value,
        "workers": loaded.workers,
        "decimals": loaded.decimals if is_published else loaded.output.decimals,
    }
    return plain(**{f.name: getattr(loaded, f.name) for f in fields(plain)}), run


def _make_tracker(settings: Any, weights: str | None) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401 - one of two recipes
    """Return the tracker and what to note about it in results."""
    import dataclasses

    from sushi_lg.data.models import file_sha256
    from sushi_lg.tracking.recipe import TrackerConfig
    from sushi_lg.tracking.sushi import load_sushi
    from sushi_lg.tracking.weights import load_tracker, weights_path

    if isinstance(settings, TrackerConfig):
        path = weights_path(weights or "default")
        tracker: Any = load_tracker(path, settings)
    else:
        assert weights is not None, "refused before"
        path = Path(weights)
        tracker = load_sushi(path, settings)
    notes = {"weights": str(weights or "default"), "weights_sha256": file_sha256(path)}
    return tracker, {**notes, "settings": dataclasses.asdict(settings)}


def _open_sources(
    names: list[str], split: str | None, data: Path | None, missing: str
) -> tuple[list[Sequence], dict[str, Any]]:
    """Return the sequences of a split or of folders, and what to note about them."""
    from sushi_lg.data.sequence import open_sequence

    if split is None:
        sequences = [open_sequence(name) for name in names]
        refuse_namesakes((sequence.name, sequence.info.root) for sequence in sequences)
        return sequences, {"sequences": [str(Path(n).absolute()) for n in names]}
    located = locate(split, data, missing, "pass missing=skip to run the others")
    return list(located.sequences), {
        "split": str(Path(split).absolute()) if split.endswith(".txt") else split,
        "absent": list(located.missing),
        "data": None if data is None else str(data.absolute()),
    }


_OWN_NAMES = ("tracks", "appearance")  # folders beside those of sequences
_MOST_SHOWN = 5
# Say which rows and sequences take part and where files lie, not how they are tracked.
_NO_MATTER = ("on_bad_row", "missing", "absent", "galleries")


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Write config.yaml, or refuse a folder that holds results of another run.

    A run that stopped at a broken line or an absent sequence may go on with ``skip``.
    """
    import yaml

    from sushi_lg.data.files import atomic_path

    _refuse_other_settings(folder, settings)
    with atomic_path(folder / "config.yaml") as staged:
        staged.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def _differing(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the keys that differ; those of the recipe as one writes them on the command line."""
    found = []
    for key in {*before, *now}:
        one, other = before.get(key), now.get(key)
        if isinstance(one, dict) and isinstance(other, dict) and key != "appearance":
            found += [inner if key == "settings" else f"{key}.{inner}" for inner in _differing(one, other)]
        elif one != other:
            found.append(key)
    return found


def _refuse_other_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Stop where a folder holds results of other settings."""
    import yaml

    from sushi_lg.data.files import visible_files

    path = folder / "config.yaml"
    if not (path.exists() and visible_files(folder / "tracks", "*.txt")):
        return
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read, so nobody knows what {folder / 'tracks'} was made with",
            "choose another --out, or remove both",
        ) from error
    now = yaml.safe_load(yaml.safe_dump(settings))
    before = before if isinstance(before, dict) else {}
    kept = [{key: value for key, value in one.items() if key not in _NO_MATTER} for one in (before, now)]
    differ = sorted(_differing(kept[0], kept[1]))
    if differ:
        more = len(differ) - _MOST_SHOWN
        shown = ", ".join(differ[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
        raise ConfigError(
            f"{folder}: holds results of other settings ({path}; {shown} differ)",
            f"choose another --out, or remove {folder / 'tracks'}; what was seen in pictures is kept",
        )
