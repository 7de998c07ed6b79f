"""Multimodal language models of a few hundred kilobytes: real classes with random weights, saved as real ones are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

SENTENCES = (
    "You describe people in a video. Answer in English and say only what can be seen.",
    "A man in a red shirt and black trousers walks past a woman with a white bag, then stops.",
    "The outlined person is P3 (green). One sentence, clothing first, then actions in time order.",
    "P1 (red), P2 (blue). Choose every action that holds. Options: talk.v.01, look.v.01, hold.v.01, embrace.v.02.",
    "Answer with lines P1>P2: id, id and P2>P1: id, id, or none. Does it hold? Answer yes or no.",
    "Two people talk, look at each other and smile; one hands something to the other. yes no Yes No none",
)
_ENDS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_MARKS = {
    "llava_onevision": ("<image>", "<video>"),
    "qwen2_5_vl": ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
    "smolvlm": ("<fake_token_around_image>", "<global-img>", "<image>", "<end_of_utterance>"),
}
_PLACES = {
    "llava_onevision": "<video>\n",
    "qwen2_5_vl": "<|vision_start|><|video_pad|><|vision_end|>",
    "smolvlm": "<image>",
}
_TEMPLATE = (
    "{%% for message in messages %%}<|im_start|>{{ message['role'] }}\n{%% for part in message['content'] %%}"
    "{%% if part['type'] == 'text' %%}{{ part['text'] }}{%% else %%}%s{%% endif %%}{%% endfor %%}<|im_end|>\n"
    "{%% endfor %%}{%% if add_generation_prompt %%}<|im_start|>assistant\n"
    "{%% if enable_thinking is not defined or enable_thinking %%}<think>{%% endif %%}{%% endif %%}"
)


def save_tiny(
    folder: Path,
    family: str = "llava_onevision",
    *,
    vocabulary: int = 400,
    sentences: Sequence[str] = SENTENCES,
    vision: Mapping[str, Any] | None = None,
    **sizes: Any,  # noqa: ANN401
) -> None:
    """Write a model of ``family`` with tokenizer, chat template and settings of its processor.

    ``sentences`` are what the tokenizer learns its at most ``vocabulary`` tokens from; ``vision`` overrides sizes of
    LLaVA-OneVision's eyes, ``sizes`` those of the text model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = save_tokenizer(folder, family, vocabulary, sentences)
    number = tokenizer.convert_tokens_to_ids
    text = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": max(vocabulary, len(tokenizer)),
        "max_position_embeddings": 4096,
        "initializer_range": 0.2,  # so that what is seen and asked decides the answer
        "bos_token_id": None,
        "eos_token_id": number("<|im_end|>"),
        "pad_token_id": number("<|endoftext|>"),
    } | sizes
    torch.manual_seed(0)
    ends = {"eos_token_id": number("<|im_end|>"), "pad_token_id": number("<|endoftext|>")}
    if family == "llava_onevision":
        network = _llava(text, number, ends, vision or {})
    else:
        network = {"qwen2_5_vl": _qwen, "smolvlm": _smol}[family](text, number, ends)
    side = (vision or {}).get("image_size", 56)
    network.generation_config = transformers.GenerationConfig(
        do_sample=True, temperature=0.7, repetition_penalty=1.3, **ends
    )  # as real models come; no reply here may depend on it
    network.eval().save_pretrained(folder)
    settings = {
        "llava_onevision": {
            "size": {"height": side, "width": side},
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
            "resample": 3,
            "video_processor_type": "LlavaOnevisionVideoProcessor",
        },
        "qwen2_5_vl": {
            "min_pixels": 4 * 28 * 28,
            "max_pixels": 16 * 28 * 28,
            "patch_size": 14,
            "merge_size": 2,
            "temporal_patch_size": 2,
        },
        "smolvlm": {
            "size": {"longest_edge": 112},
            "max_image_size": {"longest_edge": 56},
            "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 112}},
            "resample": 1,
        },
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings[family]))


def save_tokenizer(
    folder: Path, family: str, vocabulary: int, sentences: Sequence[str]
) -> transformers.PreTrainedTokenizerFast:
    """Write a tokenizer of pairs of bytes with the marks of ``family``, as those of the real models work."""
    core = tokenizers.Tokenizer(tokenizers.models.BPE())
    core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = tokenizers.decoders.ByteLevel()
    marks = [*_ENDS, *_MARKS[family]]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=marks,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(sentences, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=[mark for mark in marks if mark not in ("<|im_end|>", "<|endoftext|>")],
        model_input_names=["input_ids", "attention_mask"],
    )
    tokenizer.chat_template = _TEMPLATE % _PLACES[family]
    tokenizer.save_pretrained(folder)
    return tokenizer


def _llava(
    text: dict[str, Any],
    number: Any,  # noqa: ANN401
    ends: dict[str, int],
    vision: Mapping[str, Any],
) -> transformers.PreTrainedModel:
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
        "vision_use_head": False,
        "initializer_range": 0.2,
    }
    config = transformers.LlavaOnevisionConfig(
        vision_config=transformers.SiglipVisionConfig(**(sizes | dict(vision))),
        text_config=transformers.Qwen2Config(tie_word_embeddings=True, **text),
        image_token_id=number("<image>"),
        video_token_id=number("<video>"),
        tie_word_embeddings=True,
        **ends,
    )
    return transformers.LlavaOnevisionForConditionalGeneration(config)


def _qwen(text: dict[str, Any], number: Any, ends: dict[str, int]) -> transformers.PreTrainedModel:  # noqa: ANN401
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": text["hidden_size"],
        "fullatt_block_indexes": [1],
        "window_size": 56,
    }
    config = transformers.Qwen2_5_VLConfig(
        vision_config=vision,
        text_config=text | {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}},
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        tie_word_embeddings=True,
        **ends,
    )
    return transformers.Qwen2_5_VLForConditionalGeneration(config)


def _smol(text: dict[str, Any], number: Any, ends: dict[str, int]) -> transformers.PreTrainedModel:  # noqa: ANN401
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
    }
    config = transformers.SmolVLMConfig(
        vision_config=vision,
        text_config=transformers.LlamaConfig(**text),
        image_token_id=number("<image>"),
        scale_factor=2,
        tie_word_embeddings=True,
        pad_token_id=ends["pad_token_id"],
    )
    return transformers.SmolVLMForConditionalGeneration(config)
