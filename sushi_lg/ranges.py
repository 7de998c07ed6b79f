"""Ranges of settings: refused with the key, the value and the bound. None, where a setting may be None, is let pass."""

from __future__ import annotations

from sushi_lg.errors import ConfigError


def refuse_below(settings: object, least: float, *keys: str, prefix: str = "", remedy: str | None = None) -> None:
    """Stop at the first of some settings that is below ``least``.

    Args:
        settings: has the settings as attributes.
        least: smallest value that is valid.
        keys: names of the settings.
        prefix: what stands before the keys where a user writes them: ``loss.``.
        remedy: of the error; ``{key}`` in it is the full name of the setting.

    Raises:
        ConfigError: naming the key.
    """
    for key in keys:
        value = getattr(settings, key)
        if value is not None and not value >= least:
            name = f"{prefix}{key}"
            raise ConfigError(f"{name}: {value} is below {least}", remedy and remedy.format(key=name))


def refuse_not_above_zero(settings: object, *keys: str, prefix: str = "", remedy: str | None = None) -> None:
    """Stop at the first of some settings that is not above 0; arguments as those of ``refuse_below``.

    Raises:
        ConfigError: naming the key.
    """
    for key in keys:
        value = getattr(settings, key)
        if value is not None and not value > 0:
            name = f"{prefix}{key}"
            raise ConfigError(f"{name}: {value} is not above 0", remedy and remedy.format(key=name))
