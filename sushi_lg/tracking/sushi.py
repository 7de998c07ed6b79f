"""Recipes ``sushi`` and ``lgmot``: the published algorithm (Cetintas et al., 2023; levels of LG-MOT, 2024).

Windows of up to 512 frames with half overlap, levels that double from 2 frames on, candidates inside chunks, reciprocal
nearest neighbours, linear-program rounding (solved as a matching), stitching, unlimited interpolation. Windows run one
by one, or several as one flat batch of clips; candidates never cross clips.

Shapes: N detections, M tracklets, E edges.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from sushi_lg.data.files import atomic_path
from sushi_lg.data.layouts import Conventions
from sushi_lg.data.trajectory_io import TrajectoryTable
from sushi_lg.errors import WeightsError
from sushi_lg.graph.candidates import mutual_nearest, nearest_pairs, successors_within_chunk
from sushi_lg.graph.ends import tracklet_ends
from sushi_lg.graph.features import Pairs, edge_features
from sushi_lg.graph.identity import label_edges
from sushi_lg.graph.pruning import appearance_distance, feet_distance, motion_appearance_cost, motion_score
from sushi_lg.graph.structures import LevelGraph, LevelScores
from sushi_lg.graph.tracklets import Tracklets
from sushi_lg.host import free_to_look
from sushi_lg.nn.edge_scorer import EdgeScorer
from sushi_lg.nn.precision import products_in
from sushi_lg.solver.matching import maximum_weight_matching
from sushi_lg.solver.structures import Accepted
from sushi_lg.structures import Detections
from sushi_lg.timing import stage
from sushi_lg.tracking.finish import empty_table, fill_gaps
from sushi_lg.tracking.level import Level, LevelResult, Solver, run_hierarchy
from sushi_lg.tracking.recipe import SushiConfig, SushiLevelConfig
from sushi_lg.tracking.stitch import stitch, window_ranges
from sushi_lg.tracking.weights import load_state, read_tensors

_UNLIMITED = np.iinfo(np.int64).max
_WINDOWS_ON_A_GPU = 8
_HEADER = "sushi_lg_published"


class ChunkBuilder:
    """Builds the graph of one level.

    Args:
        config: the level.
        origin: (C,) first frame of each clip.
    """

    def __init__(self, config: SushiLevelConfig, origin: Tensor) -> None:
        self.config = config
        self.origin = origin

    def __call__(self, detections: Detections, tracklets: Tracklets) -> LevelGraph:
        """Return the candidates of a level; distances are computed in blocks, never for all pairs at once."""
        config = self.config
        with stage("features"):
            ends = tracklet_ends(detections, tracklets, config.motion_frames)
        low, high = successors_within_chunk(tracklets, config.frames, self.origin)

        def cost(earlier: Tensor, later: Tensor) -> Tensor:
            if config.motion_weight is None:
                return feet_distance(ends, earlier, later)[:, None]
            motion = motion_score(tracklets, ends, config.motion_frames, earlier, later)
            appearance = appearance_distance(ends, earlier, later)
            return torch.stack(
                [motion_appearance_cost(motion, appearance, config.motion_weight), appearance, motion], dim=1
            )

        def mutual(pairs: Tensor, measured: Tensor, is_near: Tensor) -> Tensor:
            return mutual_nearest(pairs, measured[:, 0], len(tracklets), config.num_neighbours)

        with stage("candidates"):
            edge_index, measured, _, considered = nearest_pairs(low, high, cost, config.num_neighbours, keep=mutual)
        known = {} if config.motion_weight is None else {"appearance": measured[:, 1], "motion": measured[:, 2]}
        seen = Pairs(detections, tracklets, ends, config.motion_frames, edge_index[0], edge_index[1], known)
        with stage("features"):
            features = edge_features(seen, config.features)
        return LevelGraph(
            edge_index=edge_index,
            edge_features=features,
            cost=measured[:, 0],
            node_features=None,
            num_nodes=len(tracklets),
            num_candidates=considered,
        )


def round_scores(graph: LevelGraph, scores: LevelScores) -> Accepted:
    """Accept edges as the published linear program does: weight 2 * score - 1 over edges that score at least 0.5."""
    return maximum_weight_matching(graph.edge_index, 2 * scores.probability.detach() - 1, graph.num_nodes)


class SushiTracker(nn.Module):
    """Network and hierarchy of the published recipes.

    Args:
        config: the recipe.

    Attributes:
        precision: float32, or bfloat16 for the products of the scorer (see ``nn.precision``); not stored with weights.
    """

    def __init__(self, config: SushiConfig) -> None:
        super().__init__()
        config.validate()
        self.config = config
        self.precision = torch.float32
        self.scorer = EdgeScorer(config.scorer, [len(level.features) for level in config.levels])

    def run(
        self, detections: Detections, solvers: list[Solver] | None = None, *, with_labels: bool = False
    ) -> Iterator[LevelResult]:
        """Yield the result of every level for clips no longer than the window.

        Args:
            detections: one or more clips.
            solvers: one a level instead of the published rounding.
            with_labels: label the edges by the identities of the detections, for solvers that read labels.
        """
        never = torch.iinfo(torch.int64).max
        origin = torch.full((detections.num_clips,), never, device=detections.frame.device)
        origin = origin.scatter_reduce(0, detections.clip, detections.frame, "amin")
        levels = []
        for number, level in enumerate(self.config.levels):

            def score(graph: LevelGraph, number: int = number) -> LevelScores:
                with products_in(self.precision, graph.edge_index.device):
                    scores: LevelScores = self.scorer(graph, number)
                return scores

            solve = round_scores if solvers is None else solvers[number]
            label = label_edges if with_labels else None
            levels.append(Level(build=ChunkBuilder(level, origin), score=score, solve=solve, label=label))
        return run_hierarchy(levels, detections)

    @torch.inference_mode()
    def link(self, detections: Detections, *, windows_at_once: int = 1) -> NDArray[np.int64]:
        """Return the stitched trajectory of every detection of a video, before anything is dropped.

        Args:
            detections: N detections of one clip; without embeddings the appearance distance is 0 everywhere.
            windows_at_once: windows that run as one batch. One needs the least memory; several keep a GPU busy.

        Returns:
            (N,) int64 numbers from 0.
        """
        bounds = _rows_of_windows(detections.frame.cpu().numpy(), self.config)
        held: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for begin in range(0, len(bounds), windows_at_once):
            batch = bounds[begin : begin + windows_at_once]
            clips = [detections.between(low, high) for low, high in batch]
            last = None
            for result in self.run(Detections.concatenate(clips)):
                last = result
            assert last is not None
            label = last.after.member_of.cpu().numpy()
            parts = np.split(label, np.cumsum([len(clip) for clip in clips])[:-1])
            held += [(np.arange(low, high), p - p.min()) for (low, high), p in zip(batch, parts, strict=True)]
        with stage("post-process"):
            return stitch(len(detections), held)

    @torch.inference_mode()
    def track(self, detections: Detections, conventions: Conventions = Conventions()) -> TrajectoryTable:  # noqa: B008
        """Return the trajectories of one clip as the released code writes them, with confidence 1 and ids from 1.

        Args:
            detections: N detections of one clip; those below the recipe's ``min_score`` are left out.
            conventions: of the data set; the released code is run without interpolation where hidden people are not
                annotated, and knows no other.
        """
        used = torch.nonzero(detections.score >= self.config.min_score).squeeze(1)
        detections = detections.select(used)
        if len(detections) == 0:
            return empty_table()
        if detections.embedding is not None:
            detections = replace(detections, embedding=of_everybody(detections.embedding))
        # A window keeps a CPU busy; a GPU takes several.
        track = self.link(detections, windows_at_once=1 if free_to_look(detections.frame) else _WINDOWS_ON_A_GPU)
        members = np.flatnonzero(np.bincount(track)[track] >= self.config.min_length)
        members = members[np.argsort(track[members], kind="stable")]
        longest = _UNLIMITED if self.config.interpolate and conventions.hidden_people_annotated else 1
        still = replace(detections, camera=None)  # the released code knows nothing of camera motion
        with stage("post-process"):
            table = fill_gaps(still, members, track[members], detections.boxes_xyxy, longest)
        index = np.where(table.is_interpolated, -1, used.cpu().numpy()[np.maximum(table.detection_index, 0)])
        return replace(table, detection_index=index, confidence=np.ones(len(table)))


def batches_on_a_gpu(frames: NDArray[np.int64], config: SushiConfig) -> list[list[int]]:
    """Return how many detections the windows have that run as one batch on a GPU, batch by batch.

    Args:
        frames: (N,) ascending frame of every detection that takes part.
        config: the recipe.
    """
    lengths = [high - low for low, high in _rows_of_windows(frames, config)]
    return [lengths[begin : begin + _WINDOWS_ON_A_GPU] for begin in range(0, len(lengths), _WINDOWS_ON_A_GPU)]


def _rows_of_windows(frames: NDArray[np.int64], config: SushiConfig) -> list[tuple[int, int]]:
    """Return the first row of every window and the one after its last."""
    return [
        (int(np.searchsorted(frames, low)), int(np.searchsorted(frames, high, side="right")))
        for low, high in window_ranges(frames, config.window, config.overlap)
    ]


def save_sushi(path: str | Path, tracker: SushiTracker, about: dict[str, Any]) -> None:
    """Write the network of a published recipe.

    Args:
        path: target, ``.safetensors``.
        tracker: with the weights to keep.
        about: what else to state in the header (source, checksum ...), JSON values.
    """
    header = {**about, "shape": _shape(tracker.config)}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tracker.scorer.state_dict().items()}
    with atomic_path(Path(path)) as staged:
        save_file(tensors, staged, metadata={_HEADER: json.dumps(header, sort_keys=True)})


def of_everybody(embedding: Tensor) -> Tensor:
    """Return (N, D) float32 vectors in which those that are missing look like strangers.

    The published networks know no missing vectors, and two rows of zeros would be the most alike of all. Drawn from the
    spread of the others, one is as far from everybody as two people are.
    """
    embedding = embedding.to(torch.float32)
    unknown = ~(embedding != 0).any(dim=1)
    count = int(unknown.sum())
    if count == 0 or count == len(embedding):
        return embedding
    seen = embedding[~unknown]
    noise = torch.randn(count, embedding.shape[1], generator=torch.Generator().manual_seed(0)).to(embedding.device)
    result = embedding.clone()
    result[unknown] = seen.mean(dim=0) + noise * seen.std(dim=0, correction=0)
    return result


def load_sushi(path: str | Path, config: SushiConfig) -> SushiTracker:
    """Return a tracker of a published recipe with the weights of a file.

    Args:
        path: written by ``save_sushi``.
        config: the recipe; ``scorer.node_input`` and ``scorer.level_embedding`` follow the file.

    Raises:
        WeightsError: no such file, another format, a damaged header, made for other levels or sharing, tensors missing
            or not finite.
    """
    path = Path(path)
    text, tensors = read_tensors(path, _HEADER)
    if text is None:
        raise WeightsError(
            f"{path}: not weights of recipe sushi or lgmot",
            "run `sushi-lg import-checkpoint` on the original file; weights of recipe default need --recipe default",
        )
    try:
        shape = json.loads(text)["shape"]
        node_input, level_embedding = shape["node_input"], shape["level_embedding"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: damaged header ({error!r})", "copy the file again") from error
    scorer = replace(config.scorer, node_input=node_input, level_embedding=level_embedding)
    config = replace(config, scorer=scorer)
    if _shape(config) != shape:
        raise WeightsError(f"{path}: made for {shape}, the recipe is {_shape(config)}", "choose the other --recipe")
    tracker = SushiTracker(config)
    load_state(tracker.scorer, tensors, path)
    return tracker.eval()


def _shape(config: SushiConfig) -> dict[str, Any]:
    """Return what fixes the tensors of the network."""
    return {**asdict(config.scorer), "edge_widths": [len(level.features) for level in config.levels]}
