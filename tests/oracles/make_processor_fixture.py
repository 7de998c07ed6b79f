"""Record what the processors of transformers, which need torchvision, make of some pictures and a chat.

    python tests/oracles/make_processor_fixture.py [--check]

Runs where torchvision is installed beside transformers: ``make test-processors`` makes such an environment.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1])]
import processor_recipe as recipe
from tiny_mllm import save_tiny

RECORDED = Path(__file__).with_name("processors.npz")
_KINDS = {
    "llava_onevision": (transformers.LlavaOnevisionProcessor, {"num_image_tokens": 16}),
    "qwen2_5_vl": (transformers.Qwen2_5_VLProcessor, {}),
    "smolvlm": (transformers.SmolVLMProcessor, {"image_seq_len": 4}),
}


def main() -> None:
    """Record, or compare with what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    found = {name: value for family in recipe.FAMILIES for name, value in answers(family).items()}
    if not options.check:
        np.savez_compressed(RECORDED, **found)
        return
    recorded = np.load(RECORDED)
    assert sorted(recorded.files) == sorted(found)
    for name in recorded.files:
        np.testing.assert_allclose(found[name], recorded[name], atol=1e-6, err_msg=name)


def answers(family: str) -> dict[str, NDArray[Any]]:
    """Return tokens and pixels that the real processor makes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_tiny(folder, family)
        settings = json.loads((folder / "preprocessor_config.json").read_text())
        settings.pop("video_processor_type", None)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    kind, named = _KINDS[family]
    video_kind = {
        "llava_onevision": transformers.LlavaOnevisionVideoProcessor,
        "qwen2_5_vl": transformers.Qwen2VLVideoProcessor,
        "smolvlm": transformers.SmolVLMVideoProcessor,
    }[family]
    image_kind = {
        "llava_onevision": transformers.LlavaOnevisionImageProcessor,
        "qwen2_5_vl": transformers.Qwen2VLImageProcessor,
        "smolvlm": transformers.SmolVLMImageProcessor,
    }[family]
    processor = kind(image_kind(), tokenizer, video_kind(**settings), **named)
    chat = [
        {"role": "system", "content": [{"type": "text", "text": recipe.SYSTEM}]},
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": recipe.PROMPT}]},
    ]
    template = tokenizer.chat_template
    if family == "smolvlm":  # its processor takes the mark of a video
        template = template.replace("<image>", "{% if part['type'] == 'video' %}<video>{% else %}<image>{% endif %}")
    text = tokenizer.apply_chat_template(
        chat, chat_template=template, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    step = recipe.SECONDS[1]
    number = len(recipe.SECONDS)
    metadata = {
        "fps": 1 / step,
        "total_num_frames": number,
        "frames_indices": list(range(number)),
        "duration": number * step,
    }
    video = np.stack([picture[:, :, ::-1] for picture in recipe.pictures()])
    made = processor(
        text=[text],
        videos=[video],
        video_metadata=[metadata],
        do_sample_frames=False,
        return_tensors="pt",
        add_special_tokens=False,
    )
    pixels = made["pixel_values" if family == "smolvlm" else "pixel_values_videos"]
    kept = {
        "tokens": made["input_ids"][0],
        "pixels": pixels.flatten()[:: recipe.KEPT],
        "shape": torch.tensor(pixels.shape),
    }
    for name in ("video_grid_thw", "mm_token_type_ids", "second_per_grid_ts"):
        if name in made:
            kept[name] = torch.as_tensor(made[name])[0]
    return {f"{family}/{name}": value.numpy() for name, value in kept.items()}


if __name__ == "__main__":
    main()
