"""Requests per second of a multimodal language model: 1, 4, 16 and 64 requests at once against one by one.

    python benchmarks/describe.py [--device cpu] [--model DIR] [--repeat 2] [--out FILE.json]

Ten simulated clips, 64 requests: summaries, people and pairs, in the prompts of the stage itself, from short ones to
those with forty labels; all are handed over at once, and so many of a kind are answered together. Without ``--model``
it is a LLaVA-OneVision of random weights, small (width 256, 4 layers, room for 8 thousand tokens) but made of the real
classes; float32, greedy. Random weights hardly ever end a reply, so replies take the tokens they may have; those about
pairs are kept to their grammar and end by themselves.

All ways have the same client with an empty cache of pictures, which are looked at once a series in each of them, so the
ratio is that of batches alone. Every token is compared with the one-by-one run; where the first difference of a reply
is, the logits of the two tokens are compared, computed with no cache and no padding. On a machine that others use, the
seconds of the processor (one thread: OMP_NUM_THREADS=1) say more than those of the clock.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))  # the small model is that of the tests, made larger
from fake_describer import walking_clip
from tiny_mllm import save_tiny

from semantic.clients.local import LocalClient
from semantic.clients.protocol import Question, Reply
from semantic.clients.settings import LocalSettings
from semantic.config import DescribeConfig, PairConfig, TextConfig
from semantic.describers.mllm import MllmDescriber
from semantic.describers.protocol import Job
from semantic.pictures import ClipPictures, MemoryReader
from semantic.requests import make_plan, origin_of, subject_requests, summary_request
from semantic.templates import template
from sushi_lg.benchmark.measure import describe_machine

CLIPS, PEOPLE = 10, 8
REQUESTS = {"summary": 10, "instance": 27, "pair": 27}
SIZES = (4, 16, 64)
TIE = 1e-4  # a smaller gap between the logits of two tokens is none in float32
SUMMARY = (
    "Several people walk through a narrow street on a bright day, one of them in a red coat stops to talk to another "
    "who carries a white bag, then both go on together, while a child runs ahead and looks back at them."
)


def main() -> None:
    """Measure, compare and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--model", help="folder or id; a small one of random weights when left out")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.model or str(small_model(Path(name)))
        asked = questions()
        found = measure(folder, asked, options.device, options.dtype, options.repeat)
    print(json.dumps(found, indent=1))
    if options.out:
        results = {
            "machine": describe_machine(),
            "describe": {"model": Path(options.model or "random weights").name, **found},
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")


def small_model(folder: Path) -> Path:
    """Write a LLaVA-OneVision of width 256 whose tokenizer knows the words of the prompts, as real ones do."""
    texts = [question.prompt for question in questions()] + [template("system"), SUMMARY, "yes no"]
    save_tiny(
        folder,
        vocabulary=8192,
        sentences=texts,
        vision={
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_attention_heads": 4,
            "image_size": 84,
        },
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
    )
    return folder


def questions() -> list[Question]:
    """Return what the stage asks about ten clips, pictures drawn: the first requests of each kind, clip by clip."""
    noted = Noting()
    for number in range(CLIPS):
        clip = walking_clip(f"street/{number}", people=PEOPLE, length=24, seed=number)
        config = DescribeConfig(
            text=TextConfig(options=8 + 32 * number // (CLIPS - 1), context_words=5 * number),
            pairs=PairConfig(all_below=PEOPLE),
        )
        plan = make_plan(clip, config)
        rng = np.random.default_rng(number)
        frames = [rng.integers(0, 256, (int(high), int(wide), 3), dtype=np.uint8) for wide, high in clip.sizes]
        pictures = ClipPictures(clip, MemoryReader(frames), outlines=plan.outlines, config=config.views)
        origin = origin_of("benchmark", clip, str(number), config)
        requests = [summary_request(plan, origin, config), *subject_requests(plan, origin, config, SUMMARY)]
        list(MllmDescriber(noted).answer([Job(request, clip, pictures) for request in requests]))
    kept: list[Question] = []
    for kind, most in REQUESTS.items():
        some = [question for question in noted.asked if question.kind == kind]
        kept += some[:: max(len(some) // most, 1)][:most]
    return kept


class Noting:
    """A client that notes questions with their pictures, and answers none."""

    name = fingerprint = "noting"

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def ask(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Keep the questions; what they show is drawn now, so that it is not timed."""
        for question in questions:
            drawn = question.pictures()
            self.asked.append(replace(question, pictures=partial(list, drawn)))
        return iter(())


def measure(folder: str, asked: list[Question], device: str, dtype: str, repeat: int) -> dict[str, Any]:
    """Return seconds, ratios, padding and differing tokens of every number of requests at once."""
    client = LocalClient(folder, LocalSettings(device=device, dtype=dtype, batch_size=1))
    list(client.ask(asked[:2]))  # the first pass of a network takes longer
    runs: dict[int, dict[str, Any]] = {}
    replies: dict[int, dict[str, Reply]] = {}
    for _ in range(repeat):
        for size in (1, *SIZES):
            client = LocalClient(folder, LocalSettings(device=device, dtype=dtype, batch_size=size))
            began, began_cpu = time.perf_counter(), time.process_time()
            replies[size] = {reply.question_id: reply for reply in client.ask(asked)}
            seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
            if size in runs and runs[size]["seconds"] <= seconds:
                continue
            counts = client.counts
            read = counts["prompt_tokens"] + counts["padding_tokens"]
            runs[size] = {
                "at_once": size,
                "seconds": round(seconds, 2),
                "cpu_seconds": round(cpu_seconds, 2),
                "requests_per_second": round(len(asked) / seconds, 2),
                "new_tokens_per_second": round(counts["new_tokens"] / seconds, 1),
                "batches": counts["batches"],
                "prompt_tokens_read_before": round(counts["tokens_reused"] / counts["prompt_tokens"], 4),
                "padding_share": round(counts["padding_tokens"] / read, 4),
            }
    alone = replies[1]
    assert len(alone) == len(asked) and not any(reply.error for reply in alone.values())
    for size in SIZES:
        for what in ("seconds", "cpu_seconds"):
            runs[size][f"times_fewer_{what}_than_one_by_one"] = round(runs[1][what] / runs[size][what], 2)
        runs[size] |= compare(client, asked, alone, replies[size])
    lengths = sorted(reply.prompt_tokens for reply in alone.values())
    return {
        "clips": CLIPS,
        "requests": {kind: sum(one.kind == kind for one in asked) for kind in REQUESTS},
        "prompt_tokens": {"least": lengths[0], "median": lengths[len(lengths) // 2], "most": lengths[-1]},
        "new_tokens": sum(reply.new_tokens for reply in alone.values()),
        "device": device,
        "dtype": dtype,
        "runs": list(runs.values()),
    }


def compare(
    client: LocalClient, asked: list[Question], alone: dict[str, Reply], together: dict[str, Reply]
) -> dict[str, Any]:
    """Return how many replies differ, and how far apart the two best tokens were where they begin to."""
    gaps = []
    for question in asked:
        one, other = alone[question.question_id].tokens, together[question.question_id].tokens
        if one == other:
            continue
        same = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        logits = client.next_logits(question, one[:same])
        candidates = [tokens[same] for tokens in (one, other) if same < len(tokens)]
        if len(candidates) < 2:  # one of them ended there
            candidates.append(max(client.stops, key=lambda stop: float(logits[stop])))
        gaps.append(abs(float(logits[candidates[0]] - logits[candidates[1]])))
    return {
        "replies_that_differ": len(gaps),
        "largest_gap_where_they_do": max(gaps, default=0.0),
        "differ_beyond_a_tie": sum(gap >= TIE for gap in gaps),
    }


if __name__ == "__main__":
    main()
