"""Text networks of a few kilobytes with random weights, saved to disk as the libraries save real ones."""

from __future__ import annotations

import json
from pathlib import Path

import tokenizers
import torch
import transformers

WORDS = (
    "a person wearing in red blue black green shirt trousers with long blond hair carrying backpack the same two "
    "different people street night"
).split()
SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")
SENTENCES = (
    "a person in red",
    "a person wearing a blue shirt with long hair carrying a black backpack",
    "the same person",
    "a person",
    "two different people",
)
TEXT = {
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 20,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}


def save_tokenizer(folder: Path, *, masked: bool = True, start: bool = True) -> None:
    """Write a tokenizer of whole words; ``start`` puts a token before each text, all get one behind."""
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    core = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    core.normalizer = tokenizers.normalizers.Lowercase()
    core.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    core.post_processor = tokenizers.processors.TemplateProcessing(
        single="<start> $A <end>" if start else "$A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    # as in real folders, what the file says about length must not count
    core.enable_truncation(3)
    core.enable_padding(length=3)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<start>",
        eos_token="<end>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"] if masked else ["input_ids"],
    ).save_pretrained(folder)


def save_clip(
    folder: Path, *, kind: str = "clip", whole: bool = True, masked: bool = True
) -> transformers.PreTrainedModel:
    """Write a CLIP, SigLIP or SigLIP 2 with both towers, or its text tower alone, and return it."""
    torch.manual_seed(0)
    classes = {
        "clip": (transformers.CLIPConfig, transformers.CLIPModel, transformers.CLIPTextModelWithProjection),
        "siglip": (transformers.SiglipConfig, transformers.SiglipModel, transformers.SiglipTextModel),
        "siglip2": (transformers.Siglip2Config, transformers.Siglip2Model, transformers.Siglip2TextModel),
    }
    config_class, both, text_only = classes[kind]
    text = TEXT | ({} if kind == "clip" else {"projection_size": 16})
    vision = dict(_VISION)
    if kind == "siglip2":
        del vision["image_size"]
        vision["num_patches"] = 4
    config = config_class(text_config=text, vision_config=vision, **({"projection_dim": 12} if kind == "clip" else {}))
    if kind == "clip" and not whole:
        config.text_config.projection_dim = 12
    model = both(config) if whole else text_only(config.text_config)
    model.eval().save_pretrained(folder)
    save_tokenizer(folder, masked=masked, start=kind == "clip")
    return model


def save_sentence_encoder(folder: Path, pooling: dict[str, object], *, stages: tuple[str, ...] = ()) -> None:
    """Write a sentence encoder; ``stages`` are named behind the usual ones without being there."""
    torch.manual_seed(0)
    config = transformers.BertConfig(**{**TEXT, "max_position_embeddings": 30})
    transformers.BertModel(config).eval().save_pretrained(folder)
    save_tokenizer(folder)
    names = ("Transformer", "Pooling", "Normalize", *stages)
    paths = ("", "1_Pooling", "2_Normalize", *(f"{i}_{stage}" for i, stage in enumerate(stages, start=3)))
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (name, path) in enumerate(zip(names, paths, strict=True))
    ]
    (folder / "1_Pooling").mkdir(exist_ok=True)
    for path, content in (
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
        ("sentence_bert_config.json", {"max_seq_length": 18, "do_lower_case": False}),
    ):
        (folder / path).write_text(json.dumps(content))
