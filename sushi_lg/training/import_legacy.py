"""Weights of the original SUSHI and LG-MOT code under our names.

Pickled checkpoints are read weights-only, recognised by their keys and shapes, renamed, and compared number by number
with a plain evaluation of the original layout before anything is written. LG-MOT's layout is known from its source
only: it is tested with state dicts made here, not with released weights. Its checkpoints hold three node encoders and
do not say which one was used; the split one is taken, which is the trained one with the text losses switched on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import linear

from sushi_lg.data.checkpoints import read_state_dict
from sushi_lg.data.models import file_sha256
from sushi_lg.errors import WeightsError
from sushi_lg.graph.structures import LevelGraph
from sushi_lg.tracking.recipe import SushiConfig, doubling_levels
from sushi_lg.tracking.sushi import SushiTracker

_LEVEL_TABLE = "edge_level_embed.weight"
_LAYERS = {"0": 0, "3": 1, "6": 2}  # linear layers inside the original's Sequential, which also holds ReLU and dropout
_PARTS = {
    "encoder.node_mlp": "node_encoder.0",
    "encoder.edge_mlp": "edge_encoder",
    "MPNet.edge_model.edge_mlp": "passing.edge_update",
    "MPNet.node_model.flow_in_mlp": "passing.from_earlier",
    "MPNet.node_model.flow_out_mlp": "passing.from_later",
    "classifier.edge_mlp": "classifier",
}
_SPLIT_PARTS = {**_PARTS, "encoder.node_mlp1": "node_encoder.0", "encoder.node_mlp2": "node_encoder.1"}
_KEY = re.compile(r"layers\.(\d+)\.(.+?)\.(?:fc_layers\.)?(\d+)\.(weight|bias)$")


@dataclass(frozen=True)
class Imported:
    """What was found in a checkpoint.

    Attributes:
        recipe: sushi or lgmot.
        tracker: ready to run, with the recipe's usual levels if their number fits.
        ignored: keys that carry nothing the network uses.
        largest_difference: between the original layout and ours, over random inputs, in logits.
        sha256: of the file.
    """

    recipe: str
    tracker: SushiTracker
    ignored: list[str]
    largest_difference: float
    sha256: str


def import_checkpoint(path: str | Path) -> Imported:
    """Read a checkpoint of the original code.

    Args:
        path: ``.pth`` (state dict, or a dict that holds one) or ``.safetensors``.

    Raises:
        WeightsError: unreadable, unsafe, unknown keys, or numbers that do not come out the same.
    """
    path = Path(path)
    state = read_state_dict(path)
    try:
        return _import(path, state)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error.message}", error.remedy) from error


def _import(path: Path, state: dict[str, Tensor]) -> Imported:
    recipe = recognise(state)
    broken = [key for key, value in state.items() if not value.isfinite().all()]
    if broken:
        raise WeightsError(f"{len(broken)} tensors are not finite: {', '.join(broken[:8])}", "the training diverged")
    of_level = Counter(int(match[1]) for key in state if (match := _KEY.match(key)))
    num_levels = 1 + max(of_level, default=0)
    ignored = sorted(key for key in state if recipe == "lgmot" and ".encoder.node_mlp." in key)
    used = {key: value for key, value in state.items() if key not in ignored}
    renamed = import_state_dict(used, num_levels)
    short = [f"layers.{level}" for level in range(num_levels) if of_level[level] != max(of_level.values())]
    if short:
        raise WeightsError(f"tensors missing in {', '.join(short)}", "the file is incomplete; copy it again")
    frames = [2**n for n in range(1, num_levels + 1)] if recipe == "sushi" else [5, 25, 75, 150]
    if len(frames) != num_levels:
        raise WeightsError(f"{num_levels} levels, {recipe} has {len(frames)}", "only the published layouts")
    config = SushiConfig(window=frames[-1], levels=doubling_levels(frames))
    config.scorer.split_node_encoder = recipe == "lgmot"
    first = renamed.get("blocks.0.node_encoder.0.layers.0.weight")
    if first is not None and first.ndim == 2:  # what is missing or misshapen is named below
        config.scorer.node_input = first.shape[1]
    config.scorer.level_embedding = _LEVEL_TABLE in state
    tracker = SushiTracker(config)
    try:
        tracker.scorer.load_state_dict(renamed)
    except RuntimeError as error:
        raise WeightsError(f"does not fit recipe {recipe}: {error}") from error
    difference = largest_difference(used, tracker, recipe)
    if not difference <= 1e-5:
        raise WeightsError(f"logits differ by {difference:.2e} after import", "please report this file")
    return Imported(recipe, tracker.eval(), ignored, difference, file_sha256(path))


def recognise(state: Mapping[str, Tensor]) -> str:
    """Return ``sushi`` or ``lgmot``.

    Raises:
        WeightsError: neither; names the first unknown keys.
    """
    if not any(key.startswith("layers.") and ".MPNet." in key for key in state):
        shown = ", ".join(list(state)[:5])
        raise WeightsError(f"not a SUSHI or LG-MOT state dict; first keys: {shown}", "give the hierarchy's checkpoint")
    return "lgmot" if any(".encoder.node_mlp1." in key for key in state) else "sushi"


def import_state_dict(state: Mapping[str, Tensor], num_levels: int, *, check_copies: bool = True) -> dict[str, Tensor]:
    """Return tensors of ``EdgeScorer`` from tensors under the original names.

    Args:
        state: original names; ``layers.1`` .. are copies of one shared block.
        num_levels: levels to keep; rows of the level table beyond them are cut off.
        check_copies: demand that the copies of the shared block are equal.

    Raises:
        WeightsError: a key nobody knows, or copies that differ.
    """
    parts = _SPLIT_PARTS if any(".encoder.node_mlp1." in key for key in state) else _PARTS
    result: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        if key == _LEVEL_TABLE:
            result["level_embedding.weight"] = value[:num_levels].clone()
            continue
        match = _KEY.match(key)
        name = None if match is None else _new_name(parts, match[2], match[3], match[4])
        if match is None or name is None:
            unknown.append(key)
            continue
        level = int(match[1])
        if level >= num_levels:
            continue
        target = f"blocks.{min(level, 1)}.{name}"
        if target in result:
            if check_copies and not torch.equal(result[target], value):
                raise WeightsError(
                    f"{key}: differs from the same tensor of layers.1, so levels do not share weights",
                    "weights trained with share_weights=none cannot be imported yet",
                )
            continue
        result[target] = value.clone()
    if unknown:
        raise WeightsError(f"{len(unknown)} unknown keys: {', '.join(unknown[:8])}", "is this another network?")
    return result


def largest_difference(state: Mapping[str, Tensor], tracker: SushiTracker, recipe: str) -> float:
    """Compare our network with a plain evaluation of the original layout on random graphs.

    Returns:
        Largest absolute difference of logits, relative to their size where that is above 1.
    """
    generator = torch.Generator().manual_seed(0)
    errors = []
    for level, settings in enumerate(tracker.config.levels):
        nodes = 12
        earlier, later = torch.triu_indices(nodes, nodes, 1)
        features = torch.randn(len(earlier), len(settings.features), generator=generator)
        graph = LevelGraph(torch.stack([earlier, later]), features, features[:, 0], None, nodes, len(earlier))
        with torch.no_grad():
            ours = tracker.scorer.eval()(graph, level).step_logits[-1]
            theirs = _original_logits(state, level, recipe, graph)
        errors.append(((ours - theirs).abs() / theirs.abs().clamp(min=1)).max())
    return float(torch.stack(errors).max())  # NaN where one is NaN, which max() of Python would swallow


def _original_logits(state: Mapping[str, Tensor], level: int, recipe: str, graph: LevelGraph) -> Tensor:
    """Return (2, E) logits in the original's own order of operations: all directed edges, concatenations, 12 steps."""
    base = f"layers.{level}."

    def mlp(name: str, inputs: Tensor, *, last_relu: bool = True) -> Tensor:
        numbers = sorted(
            {int(match[3]) for key in state if (match := _KEY.match(key)) and key.startswith(base + name + ".")}
        )
        infix = "fc_layers." if f"{base}{name}.fc_layers.{numbers[0]}.weight" in state else ""
        for number in numbers:
            key = f"{base}{name}.{infix}{number}."
            inputs = linear(inputs, state[key + "weight"], state[key + "bias"])
            if last_relu or number != numbers[-1]:
                inputs = inputs.relu()
        return inputs

    encoder = ["encoder.node_mlp1", "encoder.node_mlp2"] if recipe == "lgmot" else ["encoder.node_mlp"]
    width = state[f"{base}{encoder[0]}.fc_layers.0.weight"].shape[1]
    nodes = torch.zeros(graph.num_nodes, width)
    for part in encoder:
        nodes = mlp(part, nodes)
    initial = mlp("encoder.edge_mlp", graph.edge_features.repeat(2, 1))
    if _LEVEL_TABLE in state:
        initial = initial + state[_LEVEL_TABLE][level]
    row = graph.edge_index.reshape(-1)
    column = graph.edge_index.flip(0).reshape(-1)
    edges, to_future = initial, row < column
    for _ in range(12):
        edges = mlp("MPNet.edge_model.edge_mlp", torch.cat([nodes[row], nodes[column], initial, edges], dim=1))
        both = []
        for name, chosen in (("flow_in_mlp", ~to_future), ("flow_out_mlp", to_future)):
            sent = mlp(f"MPNet.node_model.{name}", torch.cat([nodes[column[chosen]], edges[chosen]], dim=1))
            both.append(torch.zeros_like(nodes).index_add(0, row[chosen], sent))
        nodes = mlp("MPNet.node_model.node_mlp", torch.cat(both, dim=1))
    return mlp("classifier.edge_mlp", edges, last_relu=False).reshape(2, -1)


def _new_name(parts: Mapping[str, str], part: str, number: str, kind: str) -> str | None:
    if part == "MPNet.node_model.node_mlp" and number == "0":
        return f"passing.node_update.layers.0.{kind}"
    if part not in parts or number not in _LAYERS:
        return None
    return f"{parts[part]}.layers.{_LAYERS[number]}.{kind}"
