"""Descriptions that do not fit, scenes of which all the same is said, and vectors that LG-MOT made."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from guided import Said, rows_of
from torch import nn
from torch.nn.functional import normalize

from sushi_lg.data.splits import load_split
from sushi_lg.errors import ConfigError, DataError
from sushi_lg.language.descriptions import descriptions_path, write_descriptions
from sushi_lg.language.readers_lgmot import INSTANCE_FILE, SCENE_FOLDER
from sushi_lg.nn.guidance import Guidance
from sushi_lg.nn.settings import GuidanceConfig
from sushi_lg.training.lessons import _told_apart, load_lessons
from sushi_lg.training.settings import LanguageConfig, SourceConfig
from sushi_lg.training.sources import Source, load_sources

NAMES = ("learn-1", "learn-2", "learn-3", "learn-4")


def sources(world: Path, described: Path | None) -> list[Source]:
    split = str(world / "split-learn-1.txt")
    return load_sources([SourceConfig(split, descriptions=None if described is None else str(described))], [], world)


def write(folder: Path, **changes: object) -> Path:
    for name in NAMES:
        rows = [replace(row, **changes) if row.track_id is not None else row for row in rows_of(name)]  # type: ignore[arg-type]
        write_descriptions(descriptions_path(folder, name), rows)
    return folder


def test_edges_learn_from_one_scene() -> None:
    """Two sentences differ in one direction, and a student of one number has no gradient."""
    torch.manual_seed(0)
    scenes = _told_apart(torch.randn(2, 16), 48)
    assert scenes.shape == (2, 2)
    guidance = Guidance(GuidanceConfig(), 6, {"slot": 5}, 4, 2)
    latents = nn.Parameter(torch.randn(40, 5))
    label = torch.arange(40) % 2 == 0
    losses = []
    optimizer = torch.optim.Adam([latents, *guidance.parameters()], lr=0.02)
    for _ in range(60):
        loss, count = guidance.scene("slot", latents, label, torch.zeros(40, dtype=torch.int64), scenes[None])
        optimizer.zero_grad()
        loss.backward()
        assert count == 40 and latents.grad is not None
        losses.append(float(loss.detach()))
        assert losses[0] < losses[-1] + 1 or latents.grad.abs().sum() > 0
        optimizer.step()
    assert losses[-1] < 0.2 * losses[0]


def test_scenes_of_which_the_same_is_said_are_one(world: Path, said: Said) -> None:
    lessons, numbered = load_lessons(sources(world, Path(said.descriptions)), LanguageConfig(teacher=said.teacher), 0)
    scene_of = {s.sequence: s.clip.scene for source in numbered for s in source.sequences}
    sentences = {name: next(row.sentence for row in rows_of(name) if row.track_id is None) for name in NAMES}
    for one in NAMES:
        for other in NAMES:
            assert (scene_of[one] == scene_of[other]) == (sentences[one] == sentences[other])
    assert len(lessons.scenes) == len(lessons.scenes_as_published) == len(set(sentences.values()))


def test_descriptions_of_another_sequence_are_refused(world: Path, said: Said, tmp_path: Path) -> None:
    folder = write(tmp_path)
    shutil.copy(descriptions_path(folder, "learn-1"), descriptions_path(folder, "learn-2"))
    with pytest.raises(DataError, match=r"learn-2.jsonl: is about learn-1, not learn-2"):
        load_lessons(sources(world, folder), LanguageConfig(teacher=said.teacher), 0)
    descriptions_path(folder, "learn-2").write_text("")
    with pytest.raises(DataError, match=r"learn-2.jsonl: empty, not learn-2"):
        load_lessons(sources(world, folder), LanguageConfig(teacher=said.teacher), 0)


def test_ids_of_a_tracker_are_refused(world: Path, said: Said, tmp_path: Path) -> None:
    for name in NAMES:
        rows = [row if row.track_id is None else replace(row, track_id=row.track_id + 1000) for row in rows_of(name)]
        write_descriptions(descriptions_path(tmp_path, name), rows)
    with pytest.raises(DataError, match=r"learn-1.jsonl: none of \d+ ids is an identity"):
        load_lessons(sources(world, tmp_path), LanguageConfig(teacher=said.teacher), 0)


def test_edges_need_a_scene_and_lists_need_attributes(world: Path, said: Said, tmp_path: Path) -> None:
    for name in NAMES:
        write_descriptions(descriptions_path(tmp_path, name), [r for r in rows_of(name) if r.track_id is not None])
    with pytest.raises(DataError, match=r"no scene is described"):
        load_lessons(sources(world, tmp_path), LanguageConfig(teacher=said.teacher), 0)
    lessons, _ = load_lessons(sources(world, tmp_path), LanguageConfig(teacher=said.teacher, scene="none"), 0)
    assert len(lessons.sentences)
    folder = write(tmp_path / "plain", attributes={})
    for name in NAMES:
        rows = [replace(row, attributes={}) for row in rows_of(name)]
        write_descriptions(descriptions_path(folder, name), rows)
    with pytest.raises(DataError, match=r"no attributes"):
        load_lessons(sources(world, folder), LanguageConfig(teacher="minilm", control="one_hot"), 0)


def test_files_of_lg_mot_teach_without_words(world: Path, tmp_path: Path) -> None:
    root = shutil.copytree(world, tmp_path / "world")
    split = str(root / "split-learn-1.txt")
    torch.manual_seed(0)
    vectors = {}
    for sequence in load_split(split, root)[:2]:
        ids = np.unique(sequence.load_ground_truth("identities").track_id)
        vectors[sequence.name] = torch.randn(int(ids.max()) + 1, 128)
        for path, tensor in (
            (INSTANCE_FILE, vectors[sequence.name]),
            (SCENE_FOLDER / f"{sequence.name}_prompt_embedding_all.pt", torch.randn(1, 512)),
        ):
            (sequence.info.root / path).parent.mkdir(parents=True, exist_ok=True)
            torch.save(tensor, sequence.info.root / path)
    read = load_sources([SourceConfig(split)], [], root)
    config = LanguageConfig(teacher="lgmot", scene="kl")
    config.validate(3)
    lessons, numbered = load_lessons(read, config, 0)
    assert lessons.scenes_as_published.shape == (2, 512) and len(lessons.scenes) == 0
    clips = {s.sequence: s.clip for source in numbered for s in source.sequences}
    guided = [name for name, clip in clips.items() if (clip.sentence >= 0).any()]
    assert guided == list(vectors) and [clips[name].scene for name in guided] == [0, 1]
    clip = clips[guided[1]]
    row = int(np.flatnonzero(clip.identity >= 0)[0])
    told = lessons.sentences_as_published[clip.sentence[row]]
    wanted = vectors[guided[1]][clip.identity[row]]
    everyone = torch.cat([v[np.unique(clips[n].identity[clips[n].identity >= 0])] for n, v in vectors.items()])
    # an orthogonal map of all 128 numbers keeps angles
    cosines = normalize(lessons.sentences_as_published) @ normalize(told, dim=0)
    raw = normalize(everyone) @ normalize(wanted, dim=0)
    torch.testing.assert_close(cosines.sort().values[-3:], raw.sort().values[-3:], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"scene": "contrast"}, "language.scene"), ({"scene": "kl", "control": "permuted"}, "language.control")],
)
def test_what_lg_mot_cannot_teach_is_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        LanguageConfig(teacher="lgmot", **changes).validate(3)


def test_sequences_without_files_of_lg_mot_are_named(world: Path) -> None:
    with pytest.raises(ConfigError, match=r"no sequence has .*seq_inst_prompts"):
        load_lessons(sources(world, None), LanguageConfig(teacher="lgmot", scene="kl"), 0)
