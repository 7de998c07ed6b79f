"""Checkpoints in the original layouts, made here; released weights are not at hand."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from synthetic import write_world
from torch import Tensor

from sushi_lg.cli.app import main
from sushi_lg.config import load_config
from sushi_lg.errors import WeightsError
from sushi_lg.tracking.recipe import SushiConfig
from sushi_lg.tracking.sushi import load_sushi
from sushi_lg.training.import_legacy import import_checkpoint

NODE_INPUT = 10
SUSHI_NODES = {"encoder.node_mlp.fc_layers": [NODE_INPUT, 128, 32]}
LGMOT_NODES = {
    "encoder.node_mlp1.fc_layers": [NODE_INPUT, 128],
    "encoder.node_mlp2.fc_layers": [128, 32],
    "encoder.node_mlp.fc_layers": [NODE_INPUT, 128, 32],
}


def original(num_levels: int, nodes: dict[str, list[int]], seed: int = 0) -> dict[str, Tensor]:
    """A state dict under the original names: linear layers at 0, 3, 6, copies of layers.1 for all higher levels."""
    generator = torch.Generator().manual_seed(seed)
    state = {"edge_level_embed.weight": torch.randn(num_levels, 16, generator=generator)}
    for level in range(min(num_levels, 2)):
        parts = {
            **nodes,
            "encoder.edge_mlp.fc_layers": [7 if level else 6, 18, 18, 16],
            "classifier.edge_mlp.fc_layers": [16, 8, 1],
            "MPNet.edge_model.edge_mlp.fc_layers": [96, 80, 16],
            "MPNet.node_model.flow_in_mlp.fc_layers": [48, 56, 32],
            "MPNet.node_model.flow_out_mlp.fc_layers": [48, 56, 32],
            "MPNet.node_model.node_mlp": [64, 32],
        }
        for name, widths in parts.items():
            for number in range(len(widths) - 1):
                bound = widths[number] ** -0.5
                for kind, shape in (("weight", (widths[number + 1], widths[number])), ("bias", (widths[number + 1],))):
                    value = (torch.rand(shape, generator=generator) * 2 - 1) * bound
                    for copy in range(1, num_levels) if level else [0]:
                        state[f"layers.{copy}.{name}.{3 * number}.{kind}"] = value.clone()
    return state


def sushi() -> dict[str, Tensor]:
    return original(9, SUSHI_NODES)


def lgmot() -> dict[str, Tensor]:
    return original(4, LGMOT_NODES)


def test_sushi_in_every_wrapping(tmp_path: Path) -> None:
    state = sushi()
    wrapped = {
        "plain.pth": state,
        "parallel.pth": {f"module.{key}": value for key, value in state.items()},
        "checkpoint_12.pth": {"epoch": 12, "model": state, "optimizer": {"state": {}, "param_groups": []}},
        "nested.pth": {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    }
    for name, content in wrapped.items():
        torch.save(content, tmp_path / name)
    save_file(state, tmp_path / "plain.safetensors")
    found = [import_checkpoint(tmp_path / name) for name in [*wrapped, "plain.safetensors"]]
    for one in found:
        assert one.recipe == "sushi" and one.ignored == [] and one.largest_difference <= 1e-5
        assert [level.frames for level in one.tracker.config.levels] == [2, 4, 8, 16, 32, 64, 128, 256, 512]
        for name, value in one.tracker.state_dict().items():
            assert torch.equal(value, found[0].tracker.state_dict()[name])
    assert found[0].sha256 == hashlib.sha256((tmp_path / "plain.pth").read_bytes()).hexdigest()


def test_lgmot_uses_its_split_encoder_and_lists_the_other(tmp_path: Path) -> None:
    state = lgmot()
    torch.save(state, tmp_path / "lgmot.pth")
    found = import_checkpoint(tmp_path / "lgmot.pth")
    assert found.recipe == "lgmot" and found.largest_difference <= 1e-5
    assert [level.frames for level in found.tracker.config.levels] == [5, 25, 75, 150]
    assert found.ignored == sorted(key for key in state if ".encoder.node_mlp." in key)
    assert len(found.ignored) == 4 * 4
    first = found.tracker.scorer.blocks[1].node_encoder[0].layers[0].weight
    assert torch.equal(first, state["layers.3.encoder.node_mlp1.fc_layers.0.weight"])


def test_tensors_land_where_they_belong(tmp_path: Path) -> None:
    state = sushi()
    torch.save(state, tmp_path / "a.pth")
    scorer = import_checkpoint(tmp_path / "a.pth").tracker.scorer
    flows = "MPNet.node_model.flow_{}_mlp.fc_layers.3.weight"
    # flow_in sums over row > column: messages from the past
    assert torch.equal(scorer.blocks[0].passing.from_earlier.layers[1].weight, state["layers.0." + flows.format("in")])
    assert torch.equal(scorer.blocks[1].passing.from_later.layers[1].weight, state["layers.5." + flows.format("out")])
    assert torch.equal(scorer.level_embedding.weight, state["edge_level_embed.weight"])


def test_a_half_precision_checkpoint_becomes_float32(tmp_path: Path) -> None:
    torch.save({key: value.half() for key, value in sushi().items()}, tmp_path / "half.pth")
    tracker = import_checkpoint(tmp_path / "half.pth").tracker
    assert {value.dtype for value in tracker.state_dict().values()} == {torch.float32}


def changed(**changes: Tensor | None) -> dict[str, Tensor]:
    state = {**sushi(), **changes}
    return {key: value for key, value in state.items() if value is not None}  # type: ignore[misc]


SHARED = "layers.4.classifier.edge_mlp.fc_layers.0.bias"
LAST_OF_ENCODER = ".encoder.edge_mlp.fc_layers.6.weight"
REFUSED = {
    "unknown key": (changed(**{"layers.0.hicl_feats_encoder.encoder_hicl_feats.0.weight": torch.ones(32, 32)}), "hicl"),
    "another level table": (changed(**{"node_level_embed.weight": torch.ones(9, 32)}), "node_level_embed"),
    "copies that differ": (changed(**{SHARED: torch.ones(8)}), SHARED),
    "a missing tensor": (
        {key: value for key, value in sushi().items() if not key.endswith(LAST_OF_ENCODER)},
        "edge_encoder",
    ),
    "one copy without a tensor": (changed(**{SHARED: None}), r"layers\.4"),
    "a level in between is absent": ({key: v for key, v in sushi().items() if "layers.6." not in key}, r"layers\.6"),
    "no node encoder": ({key: v for key, v in sushi().items() if "encoder.node_mlp" not in key}, "node_encoder"),
    "a short level table": (changed(**{"edge_level_embed.weight": torch.ones(5, 16)}), "level_embedding"),
    "too many levels": ({**original(5, LGMOT_NODES)}, "5 levels"),
    "keys that are no names": ({0: torch.ones(3)}, "tensors"),
    "another shape": (changed(**{"layers.0.classifier.edge_mlp.fc_layers.0.weight": torch.ones(8, 17)}), "classifier"),
    "not a number": (
        changed(**{"edge_level_embed.weight": torch.full((9, 16), torch.nan)}),
        "not finite: edge_level_embed",
    ),
    "another network": ({"conv1.weight": torch.ones(3, 3)}, "conv1"),
    "no tensors": ({"epoch": 3}, "tensors"),
    "nothing": ({}, "tensors"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    content, message = REFUSED[name]
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=message) as caught:
        import_checkpoint(tmp_path / "a.pth")
    assert str(tmp_path / "a.pth") in str(caught.value)


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_code_in_a_pickle_is_never_run(protocol: str, tmp_path: Path) -> None:
    content = {"model": sushi(), "extra": Malicious(tmp_path / "pwned")}
    path = tmp_path / "evil.pth"
    if protocol == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(WeightsError, match=r"evil\.pth: not a checkpoint") as caught:
        import_checkpoint(path)
    assert "never code" in str(caught.value)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_files_that_are_something_else(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        import_checkpoint(tmp_path / name)
    torch.save(sushi(), tmp_path / "whole")
    for content in (b"", b"text", b"\x80\x02}q\x00e.", (tmp_path / "whole").read_bytes()[:9000]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=name):
            import_checkpoint(tmp_path / name)


def test_old_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(sushi(), tmp_path / "a.pth")
    monkeypatch.setattr(torch, "__version__", "2.5.1")
    with pytest.raises(WeightsError, match=r"2\.5\.1"):
        import_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize(("make", "recipe"), [(sushi, "sushi"), (lgmot, "lgmot")])
def test_verb(make, recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN001
    source, target = tmp_path / "old.pth", tmp_path / "new.safetensors"
    torch.save(make(), source)
    with pytest.raises(SystemExit) as caught:
        main(["import-checkpoint", str(source), "--out", str(target)])
    assert not caught.value.code
    said = capsys.readouterr().out
    assert recipe in said and "largest difference" in said
    assert ("no released weights" in said) == ("ignored" in said) == (recipe == "lgmot")
    with safe_open(target, framework="pt") as file:
        assert hashlib.sha256(source.read_bytes()).hexdigest() in str(file.metadata())
    imported = import_checkpoint(source).tracker
    shipped = load_config(SushiConfig, recipe)
    shipped.scorer.node_input = NODE_INPUT
    assert imported.config == shipped
    loaded = load_sushi(target, imported.config).state_dict()
    assert list(loaded) == list(imported.state_dict())
    assert all(torch.equal(value, loaded[name]) for name, value in imported.state_dict().items())


@pytest.mark.parametrize(("make", "recipe"), [(sushi, "sushi"), (lgmot, "lgmot")])
def test_track_with_imported_weights(make, recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN001
    state = make()
    for key in state:
        if "classifier.edge_mlp.fc_layers.3.bias" in key:
            state[key] = state[key] + 3  # whatever may be joined is joined
    torch.save(state, tmp_path / "old.pth")
    write_world(tmp_path / "world", ("one",))
    weights, out = tmp_path / "old.sushi-lg.safetensors", tmp_path / "out"
    words = ["track", str(tmp_path / "world" / "one"), "--recipe", recipe, "--weights", str(weights), "--out", str(out)]
    for command in (["import-checkpoint", str(tmp_path / "old.pth")], words):
        with pytest.raises(SystemExit) as caught:
            main(command)
        assert not caught.value.code, capsys.readouterr().err
    rows = np.loadtxt(out / "tracks" / "one.txt", delimiter=",")
    assert len(rows) > 200 and (rows[:, 6] == 1).all()
    assert len({(frame, number) for frame, number in rows[:, :2].tolist()}) == len(rows)
    for number in np.unique(rows[:, 1]):  # every gap is filled
        frames = np.sort(rows[rows[:, 1] == number, 0])
        assert (np.diff(frames) == 1).all() and len(frames) >= 2
    other = [*words[:3], {"sushi": "lgmot", "lgmot": "sushi"}[recipe], *words[4:-1], str(tmp_path / "other")]
    with pytest.raises(SystemExit) as caught:
        main(other)
    assert caught.value.code == 5 and "choose the other --recipe" in capsys.readouterr().err
