"""Describers are found by name, and what is not there is said."""

from __future__ import annotations

import subprocess
import sys

import pytest

from semantic.describers.registry import describer_names, load_describer
from sushi_lg.errors import ConfigError


def test_rules_need_nothing() -> None:
    describer = load_describer("rules", attributes="none")
    assert describer.name == "rules" and not describer.needs_pictures and "rules" in describer_names()


def test_an_unknown_name_or_option_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"did you mean rules\?"):
        load_describer("rule")
    with pytest.raises(ConfigError, match=r"did you mean camera\?"):
        load_describer("rules", camra="static")


def test_rules_load_without_heavy_packages() -> None:
    code = (
        "import sys; from semantic.describers.registry import load_describer; load_describer('rules'); "
        "print([one for one in ('torch', 'transformers', 'openvino', 'cv2', 'av') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
