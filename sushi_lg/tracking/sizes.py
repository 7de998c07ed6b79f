"""Sizes of memory as people write them; beside the plan (``memory.py``), because reading one needs no PyTorch."""

from __future__ import annotations

import re

from sushi_lg.errors import ConfigError

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*$", re.IGNORECASE)


def parse_size(text: str, option: str = "--memory") -> int:
    """Return bytes: ``4GB``, ``800MB``, ``1.5g``; units of 1024.

    Raises:
        ConfigError: not of that form, or 0.
    """
    match = _SIZE.match(text)
    size = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size <= 0:
        raise ConfigError(f"{option} {text!r} is no size", "for example 4GB or 800MB")
    return size
