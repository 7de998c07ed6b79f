"""Tokenizers and networks of transformers out of a folder; nothing is asked of the hub here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sushi_lg.errors import WeightsError
from sushi_lg.language.batches import say_cut
from sushi_lg.language.hub import first_line, install

_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)
_TOKENIZER_REMEDY = "put the model's tokenizer.json and tokenizer_config.json into the folder"


def load_network(
    kind: Any,  # noqa: ANN401 - classes of a library that is optional
    folder: Path,
    config: Any,  # noqa: ANN401
    dtype: torch.dtype = torch.float32,
) -> Any:  # noqa: ANN401
    """Return a network of class ``kind`` in numbers of type ``dtype``.

    Raises:
        WeightsError: unreadable weights, or any that would have been left as random numbers.
    """
    from transformers.utils import logging

    had_bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # progress is the command line's to show
    logging.set_verbosity_error()  # it would list the weights of the other tower, which nobody wants here
    try:
        network, report = kind.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            dtype=dtype,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(f"{folder}: cannot be loaded ({first_line(error)})", "copy the folder again") from error
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()
    # transformers fills what is missing with random numbers and goes on
    # (a pooler is a head that nobody reads here, and many sentence encoders come without it)
    absent = sorted(name for name in report["missing_keys"] if "pooler" not in name and "position_ids" not in name)
    if absent or report["mismatched_keys"]:
        wrong = absent or sorted(str(name) for name in report["mismatched_keys"])
        raise WeightsError(
            f"{folder}: {len(wrong)} weights missing or of another shape, the first {wrong[0]}",
            "the weights are not those of config.json; copy the folder again",
        )
    return network


def load_tokenizer(folder: Path) -> Any:  # noqa: ANN401
    """Return the tokenizer of a folder.

    Raises:
        WeightsError: none there, or none that transformers can read.
    """
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        # transformers would make one that knows no word, and go on
        raise WeightsError(f"{folder}: no tokenizer, none of {', '.join(_TOKENIZERS)}", _TOKENIZER_REMEDY)
    try:
        import transformers

        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except ImportError as error:
        raise WeightsError(
            f"{folder}: the tokenizer needs a package that is missing ({error})", install("transformers")
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{folder}: no tokenizer that can be read ({first_line(error)})",
            _TOKENIZER_REMEDY,
        ) from error
    if tokenizer.pad_token_id is None:
        raise WeightsError(
            f"{folder}: the tokenizer has no token for padding", "name pad_token in tokenizer_config.json"
        )
    return tokenizer


def token_numbers(tokenizer: Any, texts: list[str], limit: int, *, fill: bool) -> list[list[int]]:  # noqa: ANN401
    """Return the token numbers of each text, special tokens included, cut to ``limit``; the log tells of cuts.

    Args:
        tokenizer: Of transformers.
        texts: Sentences.
        limit: Most tokens of one text.
        fill: Fill up to ``limit``, on the side the tokenizer says.
    """
    padding = "max_length" if fill else False
    rows = tokenizer(texts, truncation=True, max_length=limit, padding=padding)["input_ids"]
    full = [text for text, row in zip(texts, rows, strict=True) if len(row) == limit]
    if full:
        say_cut(full, [len(row) for row in tokenizer(full, verbose=False)["input_ids"]], limit)
    return rows
