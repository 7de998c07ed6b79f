"""What is to be measured on a GPU runs without one, and says what it measured."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from pretend_gpu import pretend_gpu

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
QUICK = ["agreement", "rates", "memory", "waits", "segments", "training"]
ON_A_GPU = ["agreement", "rates", "memory", "segments"]  # the rest is tested elsewhere, and pretending is slow


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("gpu", FOLDER / "gpu.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def run(script: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words])
    return int(script.main())


def test_the_rehearsal_measures_every_part(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    assert run(script, monkeypatch, str(out), "--device", "cpu", "--only", *QUICK, "profile") == 0
    found = json.loads(out.read_text())
    assert found["rehearsal"] and all(found[part] for part in [*QUICK, "profile"])
    assert found["agreement"]["rehearsal"]["edges"] > 500 and not found["agreement"]["rehearsal"]["listed"]
    assert all(one["same_bits_twice"] for name, one in found["segments"].items() if name.startswith("sum"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a real GPU")
def test_it_goes_the_way_of_a_gpu(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "pretended")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    for counted in ("memory_reserved", "max_memory_reserved", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, counted, lambda *_: 1)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda *_: None)
    monkeypatch.setattr(script.segment, "available_backends", lambda _: ["torch"])
    with pretend_gpu():
        assert run(script, monkeypatch, str(out), "--device", "cuda:0", "--small", "--only", *ON_A_GPU) == 0
    found = json.loads(out.read_text())
    assert not any("failed" in found[part] for part in ON_A_GPU)
    assert found["agreement"]["rehearsal"]["videos_with_same_trajectories"] == 1
    assert found["memory"]["rehearsal"]["planned"] > found["memory"]["rehearsal"]["tensors"] == 1
    assert found["memory"]["CUDA itself"]["assumed"] > 0


def test_a_part_that_fails_stops_no_other(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def breaks(_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setitem(script.PARTS, "rates", breaks)
    out = tmp_path / "gpu.json"
    assert run(script, monkeypatch, str(out), "--device", "cpu", "--only", "rates", "agreement") == 1
    found = json.loads(out.read_text())
    assert found["rates"] == {"failed": "RuntimeError: out of memory"} and "rehearsal" in found["agreement"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(script, monkeypatch, str(tmp_path / "gpu.json"))
    assert "--device cpu rehearses" in capsys.readouterr().err
