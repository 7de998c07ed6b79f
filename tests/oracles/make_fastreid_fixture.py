"""Record what the networks of the PyPI package ``fastreid`` answer: ``make test-oracles``.

Runs in an environment of its own, which the package's pinned dependencies would otherwise spoil. With ``--check`` the
recorded file is compared with instead of written.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from fastreid_recipe import KEPT, VARIANTS, Variant, describe, pictures, tensor

logger = logging.getLogger("oracle")
FIXTURE = Path(__file__).with_name(f"fastreid_{importlib.metadata.version('fastreid')}.npz")


def main() -> int:
    """Write the file, or compare with it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the recorded file, write nothing")
    check = parser.parse_args().check
    arrays: dict[str, np.ndarray] = {}
    for name, variant in VARIANTS.items():
        output, tensors = run(variant)
        logger.info(f"{name}: {len(tensors)} tensors, outputs of size {np.abs(output).mean():.2f}")
        arrays[f"{name}/output"] = output[:, ::KEPT]
        arrays[f"{name}/tensors"] = np.array(tensors)
    if not check:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        FIXTURE.write_bytes(buffer.getvalue())
        logger.info(f"wrote {FIXTURE}, {len(buffer.getvalue())} bytes")
        return 0
    with np.load(FIXTURE) as recorded:
        unequal = [key for key in arrays if not same(arrays[key], recorded[key])]
    logger.info(f"{FIXTURE.name}: " + (f"differs in {', '.join(unequal)}" if unequal else "as recorded"))
    return 1 if unequal else 0


def run(variant: Variant) -> tuple[np.ndarray, list[str]]:
    """Return (2, 2048) outputs and the lines of the tensors, sorted."""
    from fastreid.config import get_cfg
    from fastreid.modeling import build_model

    settings = get_cfg()
    settings.MODEL.DEVICE = "cpu"
    settings.MODEL.BACKBONE.NAME = variant.backbone
    settings.MODEL.BACKBONE.DEPTH = variant.depth
    settings.MODEL.BACKBONE.WITH_IBN = variant.ibn
    settings.MODEL.BACKBONE.WITH_NL = variant.non_local
    settings.MODEL.HEADS.WITH_BNNECK = True
    settings.MODEL.HEADS.POOL_LAYER = variant.pool
    network = build_model(settings).eval()
    state = network.state_dict()
    made = {key: torch.from_numpy(tensor(key, tuple(v.shape))) for key, v in state.items() if v.is_floating_point()}
    network.load_state_dict({**state, **made})
    with torch.no_grad():
        output = network(torch.from_numpy(pictures()))
    return output.numpy(), sorted(describe(key, tuple(v.shape)) for key, v in state.items())


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two arrays agree: numbers to 1e-4 of their size, texts exactly."""
    if a.dtype.kind == "U":
        return np.array_equal(a, b)
    return a.shape == b.shape and bool(np.abs(a - b).max() <= 1e-4 * np.abs(b).max())


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    warnings.simplefilter("ignore")  # the package was written for an older torch
    sys.exit(main())
