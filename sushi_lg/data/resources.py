"""Where the files that travel with the package are: recipes and split lists."""

from __future__ import annotations

from pathlib import Path

from sushi_lg.errors import ConfigError


def configs_path() -> Path:
    """Return the folder of recipes and splits: inside an installed package, or ``configs/`` of a checkout.

    Raises:
        ConfigError: neither exists, so the installation is incomplete.
    """
    package = Path(__file__).resolve().parents[1]
    # The installed copy comes first: beside site-packages/sushi_lg there may be somebody else's configs/.
    for folder in (package / "_configs", package.parent / "configs"):
        if (folder / "splits").is_dir():
            return folder
    raise ConfigError(
        f"no configs beside {package}", "reinstall the package; its wheel carries them in sushi_lg/_configs"
    )
