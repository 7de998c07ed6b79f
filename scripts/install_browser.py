"""Put Debian's Chromium where the tests of pages find it: ``make browser``.

    .venv/bin/python scripts/install_browser.py

Needs ``apt-get`` and root. Where either is absent, or nothing can be fetched in time, it says so and succeeds: without
a browser those tests are skipped. What is fetched is installed only when it is whole, so no half installation is left.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

_FETCH_SECONDS = 45
_ELSEWHERE = "tests of pages are skipped without one; install Chromium or Chrome, or name it with SUSHI_LG_BROWSER"
_PACKAGES = ("chromium", "fonts-dejavu-core")  # without any font there is nothing to measure
_INSTALL = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *_PACKAGES)


def main() -> int:
    """Install Chromium if there is none; return 0 in any case that leaves the system as it was or better."""
    found = shutil.which("chromium")
    if found is not None:
        print(f"Chromium is there: {found}")
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"no Chromium, and it takes root and apt-get to install it here; {_ELSEWHERE}")
        return 0
    try:
        run(("apt-get", "update", "--quiet"), _FETCH_SECONDS)
        run((*_INSTALL, "--download-only"), _FETCH_SECONDS)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        print(f"no Chromium: {reason(error)}; {_ELSEWHERE}")
        return 0
    try:
        run((*_INSTALL, "--no-download"), None)  # killed in the middle it would leave packages half installed
    except subprocess.CalledProcessError as error:
        print(f"Chromium was fetched but not installed: {reason(error)}; {_ELSEWHERE}")
        return 0
    print(f"Chromium installed: {shutil.which('chromium')}")
    return 0


def run(command: Sequence[str], seconds: float | None) -> None:
    """Run a program that asks nothing.

    Raises:
        CalledProcessError: it failed.
        TimeoutExpired: it took longer.
    """
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, env=quiet, check=True, capture_output=True, text=True, timeout=seconds)


def reason(error: subprocess.TimeoutExpired | subprocess.CalledProcessError) -> str:
    """Return why a program did not do its work, in one line."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"`{' '.join(error.cmd)}` took more than {error.timeout:.0f} s"
    said = (error.stderr or "").strip().splitlines()
    return f"`{' '.join(error.cmd)}` failed: {said[-1] if said else error.returncode}"


if __name__ == "__main__":
    sys.exit(main())
