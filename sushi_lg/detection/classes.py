"""What a detector seeks: which of its outputs a class's name means, and what it is called then."""

from __future__ import annotations

import difflib
import hashlib
import re
from pathlib import Path

from sushi_lg.data.models import ModelCard
from sushi_lg.errors import WeightsError

_LONGEST = 80  # letters of a name

# the 80 classes of COCO detection (arXiv:1405.0312) in the order of networks trained on it
COCO = tuple(
    """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
    parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
    handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
    surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
    broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop,
    mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors,
    teddy bear, hair drier, toothbrush""".replace("\n", " ")
    .replace("    ", "")
    .split(", ")
)


def class_index(wanted: str | None, names: str | None, count: int, model: str) -> int:
    """Return the index of a class among a network's outputs.

    Args:
        wanted: A name, a number from 0 written out, or None: ``person``, or the only class there is.
        names: As in a card: ``coco``, names joined by commas, or None; 80 outputs without names are taken as COCO's.
        count: How many classes the network has.
        model: For the message.

    Raises:
        WeightsError: no such class, or names that are not as many as the outputs.
    """
    known: tuple[str, ...] = ()
    if names == "coco" or (names is None and count == len(COCO)):
        known = COCO
    elif names is not None:
        known = tuple(name.strip() for name in names.split(","))
    if known and len(known) != count:
        raise WeightsError(f"{model}: {count} classes in the file, {len(known)} in the card", "correct 'classes'")
    text = None if wanted is None else wanted.strip().rstrip(".").lower()
    if text is None and count == 1:
        return 0
    text = text or "person"
    lowered = [name.lower() for name in known]
    if text in lowered:
        return lowered.index(text)
    if text.isdecimal() and int(text) < count:
        return int(text)
    near = difflib.get_close_matches(text, lowered, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    choice = f"classes: {', '.join(known)}" if known else f"give its number, 0 .. {count - 1}"
    raise WeightsError(f"{model}: knows no class {text!r}", f"{hint}{choice}")


def detector_name(card: ModelCard, path: Path | None, wanted: str | None) -> str:
    """Return a detector's name: its card's, or its file's where that is a file of the user's own, and what it seeks.

    A digest stands for letters that a file name had better not have, and for what makes it too long.
    """
    base = card.name if path is None or path.name in card.file_names else path.stem
    text = base if wanted in (None, "person") else f"{base}_{wanted}"
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", text).strip("_")
    if plain and text.isascii() and len(plain) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST - 9]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}".strip("_")
