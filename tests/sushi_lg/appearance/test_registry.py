"""Embedders by name, and hints for names that are none."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from sushi_lg.appearance.registry import embedder_names, load_embedder
from sushi_lg.data.models import model_card
from sushi_lg.errors import WeightsError


def test_colour_histograms_need_nothing() -> None:
    assert load_embedder("hsv").name == "hsv"


def test_all_cards_of_embedders_have_a_family_that_is_built() -> None:
    families = {model_card(name).family for name in embedder_names() if name not in ("hsv", "pixels")}
    assert families == {"onnx_reid", "fastreid"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hvs", "hsv"),
        ("reid_248", "reid_0248"),
        ("fastreid_msmt_BOT_R50_ibn", "fastreid_msmt_bot_r50_ibn"),  # as the original's command line spells it
        ("osnet", "osnet_x025_market1501"),
    ],
)
def test_the_nearest_name_is_given(typed: str, meant: str) -> None:
    with pytest.raises(WeightsError, match=f"{typed}: neither .*\n.*did you mean {meant}"):
        load_embedder(typed)


def test_a_detector_is_no_embedder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="yolox_nano"):
        load_embedder("yolox_nano", allow_download=False)


def test_without_a_file_one_learns_where_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUSHI_LG_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match=r"releases/download/v0\.1\.1/msmt_bot_R50-ibn\.pth"):
        load_embedder("fastreid_msmt_bot_r50_ibn", allow_download=False)


def test_a_checkpoint_on_the_search_path_has_to_be_converted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUSHI_LG_MODELS", str(tmp_path))
    file = tmp_path / "msmt_bot_R50-ibn.pth"
    file.write_bytes(b"a checkpoint")
    with pytest.raises(WeightsError, match="converted once before use") as caught:
        load_embedder("fastreid_msmt_bot_r50_ibn")
    assert f"sushi-lg import-checkpoint {file} --out {tmp_path / 'msmt_bot_R50-ibn.safetensors'}" in str(caught.value)


def test_without_timm_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(WeightsError, match="timm cannot be imported") as caught:
        load_embedder("timm:resnet18")
    assert "pip install torch torchvision timm" in str(caught.value)


def test_help_does_not_wait_for_networks() -> None:
    assert importlib.util.find_spec("sushi_lg.appearance.registry") is not None
    code = "import sys, sushi_lg.appearance.registry; sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
