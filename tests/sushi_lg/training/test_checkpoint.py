from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from sushi_lg.errors import DataError
from sushi_lg.training.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    load_checkpoint,
    pack_optimizer,
    random_states,
    restore_random_states,
    save_checkpoint,
    unpack_optimizer,
)


def checkpoint(iteration: int) -> Checkpoint:
    return Checkpoint(
        iteration, {"a": torch.full((2, 3), float(iteration))}, {"seconds": 1.5, "ranks": [{"x": 2**120}]}
    )


def test_comes_back_equal_and_old_ones_go(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "nowhere") is None
    for iteration in (1, 20, 3_000_000):
        save_checkpoint(tmp_path, checkpoint(iteration), keep=2)
    newest = latest_checkpoint(tmp_path)
    assert newest == tmp_path / "step_3000000.json"
    loaded = load_checkpoint(newest)
    assert loaded.iteration == 3_000_000 and torch.equal(loaded.tensors["a"], checkpoint(3_000_000).tensors["a"])
    assert loaded.state == checkpoint(1).state
    assert len(list(tmp_path.glob("*.safetensors"))) == len(list(tmp_path.glob("*.json"))) == 2


def test_without_its_manifest_a_checkpoint_does_not_count(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1), keep=3)
    save_checkpoint(tmp_path, checkpoint(2), keep=3).unlink()  # killed between the two files
    assert latest_checkpoint(tmp_path) == tmp_path / "step_000001.json"


def test_damage_is_noticed(tmp_path: Path) -> None:
    manifest = save_checkpoint(tmp_path, checkpoint(1), keep=1)
    tensors = manifest.with_suffix(".safetensors")
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(DataError, match="checksum"):
        load_checkpoint(manifest)
    tensors.unlink()
    with pytest.raises(DataError, match="not a readable checkpoint"):
        load_checkpoint(manifest)
    manifest.write_text("{")
    with pytest.raises(DataError, match="not a readable checkpoint"):
        load_checkpoint(manifest)
    manifest.write_text('{"format_version": 99}')
    with pytest.raises(DataError, match="format version 99"):
        load_checkpoint(manifest)


def test_optimiser_goes_on_where_it_was() -> None:
    def network() -> tuple[nn.Linear, torch.optim.AdamW]:
        torch.manual_seed(0)
        module = nn.Linear(3, 2)
        return module, torch.optim.AdamW(module.parameters(), lr=0.1)

    def steps(module: nn.Linear, optimizer: torch.optim.AdamW, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            module(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()

    straight, optimizer = network()
    steps(straight, optimizer, 5)
    first, optimizer = network()
    steps(first, optimizer, 2)
    packed = {name: value.clone() for name, value in pack_optimizer(optimizer, first).items()}
    assert set(packed) == {f"{p}|{q}" for p in ("weight", "bias") for q in ("step", "exp_avg", "exp_avg_sq")}
    second, optimizer = network()
    second.load_state_dict(first.state_dict())
    unpack_optimizer(optimizer, second, packed)
    steps(second, optimizer, 3)
    assert torch.equal(straight.weight, second.weight) and torch.equal(straight.bias, second.bias)


def test_random_numbers_go_on() -> None:
    states = random_states()
    numbers = torch.rand(3), random.random()
    torch.manual_seed(5)
    random.seed(5)
    restore_random_states(states)
    assert torch.equal(torch.rand(3), numbers[0]) and random.random() == numbers[1]
