"""Three hand-made clips in the layout of BenSMOT that have every fault known of the data set.

``cooking/aaaa_0``: pictures 1, 2, 4, 6, 7; a row of frame 5; a box of negative width; a joined label, one with a blank,
one nobody knows; two people who talk to each other; a caption with colons in a file with a byte order mark.
``dancing_with_child/bbbb_0``: ids 2, 5 and 9, of which 5 has no caption; a graph that calls people otherwise.
``_Uncategoried/cccc_0``: no graph, larger pictures with numbers without zeros, the last of them with nobody on it.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

SPLIT = "test"
FIRST, SECOND, THIRD = "cooking/aaaa_0", "dancing_with_child/bbbb_0", "_Uncategoried/cccc_0"

CAPTIONS = {
    FIRST: {1: "A man in a red coat opens the door and waves.", 2: "A woman says: stop, then she sits down: slowly."},
    SECOND: {2: "A girl in a white dress dances with a woman.", 9: "A woman in black turns and claps."},
    THIRD: {1: "A boy throws the ball and runs after it."},
}
SUMMARIES = {
    FIRST: "Two people meet in a kitchen and talk.",
    SECOND: "Three people dance in a hall.",
    THIRD: "A boy plays alone on a field.",
}
# what the graphs mean in names of the vocabulary
INTERACTIONS = {
    FIRST: {(1, 2, "talk.v.01"), (1, 2, "smile.v.01"), (1, 2, "look.v.01"), (2, 1, "talk.v.01"), (2, 1, "accept.v.02")},
    SECOND: {(2, 9, "dance.v.01"), (9, 2, "dance.v.01"), (9, 2, "hold.v.02")},
}
_RAW = {
    FIRST: {"1-2": ["talk.v.01", "smile.v.01ook.v.01"], "2-1": [" talk.v.01", "accept.v.02 ", "zzz.v.01"]},
    SECOND: {"2-9": ["dance.v.01"], "9-2": ["dance.v.01", "hold.v.02"]},
}
_GRAPH = """<?xml version='1.0' encoding='utf-8'?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="d0" for="edge" attr.name="relationship" attr.type="string" />
  <graph edgedefault="directed">
{}
  </graph>
</graphml>
"""


def write_miniature(folder: Path, *, combined: bool = True) -> Path:
    """Write the three clips and return the folder of the data set.

    Args:
        folder: Where ``BenSMOT/test/<scenario>/<clip>`` is made.
        combined: Write the files that state track ids, too. Without them nobody knows whose the two captions of the
            second clip are, so it has none.
    """
    root = folder / "BenSMOT"
    first, second, third = (root / SPLIT / name for name in (FIRST, SECOND, THIRD))
    _pictures(first, ["001", "002", "004", "006", "007"], (160, 120))
    rows = [f"{n},1,{10 + n},11,30,80" for n in (1, 2, 4, 6, 7)] + [f"{n},2,101,21,30,80" for n in (1, 4, 6)]
    rows += ["2,2,131,21,-30,80,1,1,1.0", "5,2,101,21,30,80"]
    _text(first / "gt" / "gt.txt", "\n".join(rows) + "\n")
    lines = [f"{name}: {text}" for name, text in zip(("man0", "woman0"), CAPTIONS[FIRST].values(), strict=True)]
    _text(first / "instance_captions.txt", "\r\n".join(lines) + "\r\n", encoding="utf-8-sig")
    _text(first / "video_caption.txt", SUMMARIES[FIRST])
    _graph(first, ["man0", "woman0"], {("man0", "woman0"): _RAW[FIRST]["1-2"], ("woman0", "man0"): _RAW[FIRST]["2-1"]})

    _pictures(second, ["1", "2", "3", "4"], (160, 120))
    rows = [f"{n},{one},{10 + 50 * k},21,40,90" for n in (1, 2, 3, 4) for k, one in enumerate((2, 5, 9))]
    _text(second / "gt" / "gt.txt", "\n".join(rows))
    lines = [f"{name}: {text}" for name, text in zip(("girl0", "woman0"), CAPTIONS[SECOND].values(), strict=True)]
    _text(second / "instance_captions.txt", "\n".join(lines))
    _text(second / "video_caption.txt", SUMMARIES[SECOND] + "\n")
    names = ["child", "somebody", "lady"]  # not what the captions call them
    raw = _RAW[SECOND]
    _graph(second, names, {("child", "lady"): raw["2-9"], ("lady", "child"): raw["9-2"]})

    _pictures(third, ["8", "9", "10"], (320, 240))
    _text(third / "gt" / "gt.txt", "8,1,51,51,60,150\n9,1,61,51,60,150\n")
    _text(third / "instance_captions.txt", f"boy0: {CAPTIONS[THIRD][1]}\n")
    _text(third / "video_caption.txt", SUMMARIES[THIRD])

    if combined:
        captions = {name: {str(one): text for one, text in texts.items()} for name, texts in CAPTIONS.items()}
        for name, content in (("instance_caption", captions), ("video_summary", SUMMARIES), ("relation", _RAW)):
            _text(root / SPLIT / f"{name}.json", json.dumps(content))
    return root


def _pictures(clip: Path, stems: list[str], size: tuple[int, int]) -> None:
    (clip / "imgs").mkdir(parents=True)
    for k, stem in enumerate(stems):
        picture = np.full((size[1], size[0], 3), 40 * k, dtype=np.uint8)
        (clip / "imgs" / f"{stem}.jpg").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())


def _graph(clip: Path, nodes: list[str], edges: dict[tuple[str, str], list[str]]) -> None:
    lines = [f'    <node id="{node}" />' for node in nodes]
    lines += [
        f'    <edge source="{source}" target="{target}"><data key="d0">{",".join(labels)}</data></edge>'
        for (source, target), labels in edges.items()
    ]
    _text(clip / "interactions.graphml", _GRAPH.format("\n".join(lines)))


def _text(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
