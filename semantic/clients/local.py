"""A multimodal language model in this process, through transformers.

Which one: ``llava-hf/llava-onevision-qwen2-0.5b-ov-hf`` first. It takes 196 tokens a picture whatever the shape of the
crop, and by design needs about 1.8 GB in bfloat16 with 12 KiB of keys and values a token; the 7B of the same family
16 GB and 56 KiB. Sixteen questions of 3,500 tokens to the 7B are 3.2 GB of keys and values, and twice that while they
are put side by side. These are products of sizes out of the configurations, not measurements. Qwen2.5-VL spends fewer
tokens on narrow crops, and SmolVLM runs on a CPU.

How: pictures are looked at once, however many questions show them. Prompts are read one after the other, without
padding; system text and pictures stand before the question, and what a prompt has in common with the one before is not
read again. Replies are then written together, greedily: questions of one kind and one number of pictures form batches
of about equal prompts, whose keys and values are padded on the left. Logits are made of last positions only. Where
memory does not suffice a batch is halved, and the rest go on at that size.

Shapes: B questions of a batch, P tokens of a padded prompt, V tokens of the vocabulary, s statements.
"""

from __future__ import annotations

import functools
import json
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semantic.clients.families import FAMILIES, Family, Media
from semantic.clients.grammar import PairGrammar
from semantic.clients.protocol import Question, Reply, clipped, plain, thinned
from semantic.clients.settings import LocalSettings
from sushi_lg.appearance.torch_runtime import checked_device
from sushi_lg.errors import DataError, WeightsError, is_out_of_memory
from sushi_lg.language.batches import frozen
from sushi_lg.language.hub import digest, first_line, folder_digest, model_folder
from sushi_lg.language.pretrained import load_network, load_tokenizer

logger = logging.getLogger(__name__)

_VERSION = 1  # of the code around the network; raise it when replies change
_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors", "*.jinja")
_INSTALL = 'python -m pip install "sushi-lg[semantic]"'
_FEWER = (12, 8, 4, 2, 1)  # pictures, where a prompt is too long
_YES, _NO = ("yes", "Yes", " yes", " Yes"), ("no", "No", " no", " No")


_Past = list[tuple[Tensor, ...]]  # keys and values of every layer


@dataclass(frozen=True)
class _Prompt:
    """A question as tokens, pictures still one placeholder each.

    Attributes:
        question: what is asked.
        shown: which of its pictures fit.
        tokens: of the prompt.
        num_tokens: what the prompt takes at most, pictures included.
    """

    question: Question
    shown: tuple[int, ...]
    tokens: tuple[int, ...]
    num_tokens: int

    @property
    def seconds(self) -> tuple[float, ...]:
        return tuple(self.question.seconds[place] for place in self.shown)


class LocalClient:
    """See the protocol ``Client``.

    Args:
        model: a folder with ``config.json``, safetensors, tokenizer, chat template and the settings of its processor,
            or an id on the hub.
        settings: how it is run.

    Attributes:
        stops: tokens that end a reply.
        counts: what has been done so far: ``questions``, ``batches``, ``prompt_tokens``, ``tokens_reused`` (of prompts,
            read before), ``padding_tokens`` (of batches), ``new_tokens``, ``media`` (series of pictures looked at),
            ``media_reused``, ``pictures_left_out``, ``halvings``.

    Raises:
        WeightsError: no transformers, no such model, another kind of network, or weights that are not all there.
        ConfigError: settings out of range.
    """

    name = "local"

    def __init__(self, model: str, settings: LocalSettings | None = None) -> None:
        self.settings = settings or LocalSettings()
        self.settings.validate()
        self.device = _device(self.settings.device)
        dtype = self.settings.dtype
        if dtype == "auto":
            dtype = "bfloat16" if self.device.type == "cuda" else "float32"
        folder = model_folder(model, _PATTERNS, _complete)
        config, network = _load(folder, getattr(torch, dtype))
        self._network: Any = frozen(network, self.device)
        self._tokenizer = load_tokenizer(folder)
        self._tokenizer.padding_side = "left"
        self._template = _chat_template(folder, self._tokenizer)
        self._family: Family = FAMILIES[config.model_type](folder, config, functools.partial(_special, self._tokenizer))
        self.stops = _stops(network, self._tokenizer)
        self._network.generation_config = _greedy(self.stops, self._tokenizer.pad_token_id)
        self._cache: OrderedDict[tuple[str, tuple[int, ...]], Media] = OrderedDict()
        self._before: tuple[list[object], _Past] = ([], [])  # the prompt read last
        self._largest = self.settings.batch_size  # halved for good where memory does not suffice
        self.counts: Counter[str] = Counter()
        self.fingerprint = _fingerprint(folder, dtype, self.device, self.settings, self._template, self._family)

    def ask(self, questions: Sequence[Question]) -> Iterator[Reply]:
        """Yield one reply a question, batch by batch, the longest prompts of a kind first."""
        buckets: dict[tuple[object, ...], list[_Prompt]] = {}
        for question in questions:
            prompt = self._prompt(question)
            if prompt.num_tokens > self.settings.max_prompt_tokens:
                yield Reply(
                    question.question_id,
                    error=f"a prompt of {prompt.num_tokens} tokens with one picture; the most is "
                    f"{self.settings.max_prompt_tokens}",
                )
                continue
            key = (question.kind, len(prompt.shown), bool(question.options), question.max_new_tokens)
            buckets.setdefault((bool(question.statements), *key), []).append(prompt)
        for (is_judged, *_), prompts in buckets.items():
            prompts.sort(key=lambda prompt: (-prompt.num_tokens, prompt.question.question_id))
            if is_judged:
                for prompt in prompts:
                    yield self._judged(prompt)
            else:
                yield from self._written(prompts)

    @torch.inference_mode()
    def next_logits(self, question: Question, tokens: Sequence[int] = (), statement: str = "") -> Tensor:
        """Return (V,) float32, the logits of the token after ``tokens`` of a reply.

        The question goes alone, with no padding, no cache and straight from its pictures: what every faster way has to
        agree with.
        """
        prompt = self._prompt(question)
        row, media = self._expanded(prompt, statement)
        row += tokens
        batch = self._inputs([row], [media], [prompt.seconds])
        found: Tensor = self._network(**batch, logits_to_keep=1, use_cache=False).logits[0, -1].float()
        return found

    def prompt_tokens(self, question: Question) -> list[int]:
        """Return the tokens of a prompt as the model reads them, one placeholder for every visual token."""
        return self._expanded(self._prompt(question), "")[0]

    # ------------------------------------------------------------------------------------------------------ prompts

    @torch.inference_mode()
    def _expanded(self, prompt: _Prompt, statement: str) -> tuple[list[int], Media]:
        """Return the tokens of a prompt and the features of its pictures, past the cache."""
        pictures = prompt.question.pictures()
        media = self._family.encode(self._network, [pictures[place] for place in prompt.shown])
        return self._family.expand(self._tokens(prompt.question, prompt.seconds, statement), media), media

    def _prompt(self, question: Question) -> _Prompt:
        """Return a question as tokens, with as many of its pictures as fit."""
        number = len(question.seconds)
        for kept in (number, *(fewer for fewer in _FEWER if fewer < number)):
            shown = tuple(thinned(number, kept))
            tokens = self._tokens(question, [question.seconds[place] for place in shown], "")
            size = len(tokens) + self._family.most_tokens(kept)
            if size <= self.settings.max_prompt_tokens:
                break
        if kept < number:
            self.counts["pictures_left_out"] += number - kept
            logger.info("%s: %d of %d pictures fit into the prompt", question.question_id, kept, number)
        return _Prompt(question, shown, tuple(tokens), size)

    def _tokens(self, question: Question, seconds: Sequence[float], statement: str) -> list[int]:
        """Return the tokens of the chat, one placeholder where pictures go."""
        parts = self._family.parts(seconds)
        text = "\n".join(self._words(part) for part in (question.prompt, statement) if part)
        messages = [
            {"role": "system", "content": [{"type": "text", "text": self._words(question.system)}]},
            {"role": "user", "content": [*parts, {"type": "text", "text": text}]},
        ]
        rendered = self._tokenizer.apply_chat_template(
            messages,
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,  # templates that know no such thing do not mind
        )
        tokens: list[int] = self._tokenizer(rendered, add_special_tokens=False)["input_ids"]
        expected = sum(part["type"] != "text" for part in parts)
        if tokens.count(self._family.placeholder) != expected:
            raise WeightsError(
                f"the chat template of the model made {tokens.count(self._family.placeholder)} places for pictures, "
                f"not {expected}",
                "take chat_template.jinja and tokenizer of the same model",
            )
        return tokens

    def _words(self, text: str) -> str:
        """Return text in which the tokenizer finds none of its control tokens."""
        text = plain(text)
        for mark in self._tokenizer.get_added_vocab():
            if len(mark) > 1 and mark in text:
                text = text.replace(mark, f"{mark[0]} {mark[1:]}")
        return text

    # ------------------------------------------------------------------------------------------------------- media

    def _media(self, prompt: _Prompt) -> Media:
        """Return the features of a question's pictures, from before if they have been looked at.

        Raises:
            DataError: pictures cannot be had.
        """
        key = (prompt.question.media_key, prompt.shown)
        if key in self._cache:
            self._cache.move_to_end(key)
            self.counts["media_reused"] += 1
            return self._cache[key]
        pictures = prompt.question.pictures()
        media = self._family.encode(self._network, [pictures[place] for place in prompt.shown])
        self.counts["media"] += 1
        self._cache[key] = media
        held = sum(one.nbytes for one in self._cache.values())
        while held > self.settings.vision_cache_mb * 2**20 and len(self._cache) > 1:
            held -= self._cache.popitem(last=False)[1].nbytes
        return media

    def _inputs(
        self, rows: Sequence[Sequence[int]], media: Sequence[Media], seconds: Sequence[Sequence[float]]
    ) -> dict[str, Any]:
        """Return what the network wants: (B, P) tokens and mask, padded on the left, and features of pictures."""
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        tokens, mask = self._padded(rows)
        pooled: Any = self._family.pooled(media)  # one series after the other, as the network fills its places
        return {
            "input_ids": tokens,
            "attention_mask": mask,
            "mm_encoder_outputs": {self._family.modality: BaseModelOutputWithPooling(pooler_output=pooled)},
            **self._family.inputs(tokens, media, seconds),
        }

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return (B, P) tokens, filled up on the left, and the mask of those that count."""
        longest = max(map(len, rows))
        tokens = torch.full((len(rows), longest), self._tokenizer.pad_token_id)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for place, row in enumerate(rows):
            tokens[place, longest - len(row) :] = torch.tensor(row)
            mask[place, longest - len(row) :] = 1
        return tokens.to(self.device), mask.to(self.device)

    def _read(self, tokens: Sequence[int], prompt: _Prompt, media: Media) -> _Past:
        """Return keys and values of the beginning of a prompt, (1, heads, tokens, width) a layer.

        What it has in common with the one read before is not read again: the system text, and pictures and all in
        front of them where both show the same.
        """
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        shown = (prompt.question.media_key, prompt.shown)
        marks: list[object] = [shown if token == self._family.placeholder else token for token in tokens]
        marks_before, past = self._before
        same = _common([marks, marks_before])
        past = [(keys[:, :, :same], values[:, :, :same]) for keys, values in past] if same else []
        row = torch.tensor([tokens], device=self.device)
        named: dict[str, Any] = {}
        positions = self._family.positions(self._network, row, torch.ones_like(row), [media], [prompt.seconds])
        if positions is not None:
            named["position_ids"] = positions[..., same:]
        if self._family.placeholder in tokens[same:]:
            pooled: Any = self._family.pooled([media])
            named["mm_encoder_outputs"] = {self._family.modality: BaseModelOutputWithPooling(pooler_output=pooled)}
        if same < len(tokens):
            cache = _cache(past)
            self._network.base_model(input_ids=row[:, same:], past_key_values=cache, use_cache=True, **named)
            past = [(layer.keys, layer.values) for layer in cache.layers]
        self.counts["tokens_reused"] += same
        self._before = marks, past
        return past

    # ----------------------------------------------------------------------------------------------------- writing

    def _written(self, prompts: Sequence[_Prompt]) -> Iterator[Reply]:
        """Yield replies to questions of one kind, sorted by length."""
        begin = 0
        while begin < len(prompts):
            batch = prompts[begin : begin + self._largest]
            try:
                replies = self._batch(batch)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                replies = self._halved(len(batch), batch[0], error)
            yield from replies
            begin += len({reply.question_id for reply in replies})

    def _halved(self, size: int, longest: _Prompt, error: Exception) -> list[Reply]:
        """Make batches smaller; where they cannot be, give up the question that does not fit."""
        self._cache.clear()
        self._before = ([], [])
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if size == 1:
            said = f"{longest.num_tokens} tokens do not fit into memory: {first_line(error)}"
            return [Reply(longest.question.question_id, error=said)]
        self._largest = size // 2
        self.counts["halvings"] += 1
        logger.warning("%d questions at once do not fit into memory; going on with %d", size, self._largest)
        return []

    @torch.inference_mode()
    def _batch(self, prompts: Sequence[_Prompt]) -> list[Reply]:
        """Return the replies to questions decoded together."""
        replies, ready, media = [], [], []
        for prompt in prompts:
            try:
                media.append(self._media(prompt))
                ready.append(prompt)
            except DataError as error:
                replies.append(Reply(prompt.question.question_id, error=error.message))
        if not ready:
            return replies
        rows = [self._family.expand(prompt.tokens, one) for prompt, one in zip(ready, media, strict=True)]
        # the last token is left to be read together: what follows it begins the replies
        pasts = [self._read(row[:-1], prompt, one) for row, prompt, one in zip(rows, ready, media, strict=True)]
        tokens, mask = self._padded(rows)
        self._family.positions(self._network, tokens, mask, media, [prompt.seconds for prompt in ready])
        longest = tokens.shape[1]
        grammars = self._grammars([prompt.question for prompt in ready])
        output = self._network.generate(
            input_ids=tokens,
            attention_mask=mask,
            past_key_values=_cache(_side_by_side(pasts, longest - 1)),
            max_new_tokens=ready[0].question.max_new_tokens,
            prefix_allowed_tokens_fn=_allowed(grammars, longest, self.stops),
        )[:, longest:].tolist()
        self.counts.update(
            questions=len(ready),
            batches=1,
            prompt_tokens=sum(map(len, rows)),
            padding_tokens=longest * len(rows) - sum(map(len, rows)),
        )
        for prompt, row, written in zip(ready, rows, output, strict=True):
            ends = [place for place, token in enumerate(written) if token in self.stops]
            new = written[: ends[0]] if ends else written
            self.counts["new_tokens"] += len(new)
            text = self._tokenizer.decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            replies.append(
                Reply(
                    prompt.question.question_id,
                    clipped(text),
                    tokens=tuple(new),
                    prompt_tokens=len(row),
                    new_tokens=len(new),
                )
            )
        return replies

    def _grammars(self, questions: Sequence[Question]) -> list[PairGrammar]:
        """Return what each answer of a batch may be; nothing where it is free."""
        if not self.settings.constrained or not questions[0].options:
            return []
        encode = functools.lru_cache(None)(lambda text: tuple(self._tokenizer.encode(text, add_special_tokens=False)))
        decode = functools.partial(self._tokenizer.decode, clean_up_tokenization_spaces=False)
        return [
            PairGrammar(one.subjects, one.options, encode, decode, self.stops, one.max_new_tokens) for one in questions
        ]

    # ----------------------------------------------------------------------------------------------------- judging

    def _judged(self, prompt: _Prompt) -> Reply:
        """Return the reply to a question whose statements are judged."""
        name = prompt.question.question_id
        try:
            return self._judge(prompt)
        except DataError as error:
            return Reply(name, error=error.message)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            replies = self._halved(min(self._largest, len(prompt.question.statements)), prompt, error)
            return replies[0] if replies else self._judged(prompt)

    @torch.inference_mode()
    def _judge(self, prompt: _Prompt) -> Reply:
        """Return how probable each statement is: yes against no as the first token of an answer.

        What all prompts have in common, pictures included, is read once; its keys and values serve all statements.
        """
        question = prompt.question
        media = self._media(prompt)
        rows = [
            self._family.expand(self._tokens(question, prompt.seconds, statement), media)
            for statement in question.statements
        ]
        common = min(_common(rows), min(map(len, rows)) - 1)
        past = self._read(rows[0][:common], prompt, media)
        probabilities: list[float] = []
        for begin in range(0, len(rows), self._largest):
            ends = [row[common:] for row in rows[begin : begin + self._largest]]
            repeated = [tuple(part.expand(len(ends), -1, -1, -1) for part in layer) for layer in past]
            probabilities += _yes(self._last_logits(ends, _cache(repeated)), self._tokenizer).tolist()
        self.counts.update(questions=1, batches=1, prompt_tokens=common + sum(len(row) - common for row in rows))
        return Reply(question.question_id, probabilities=tuple(probabilities), prompt_tokens=len(rows[0]))

    def _last_logits(self, ends: Sequence[Sequence[int]], past: Any) -> Tensor:  # noqa: ANN401 - a cache
        """Return (s, V) float32, the logits after each of the ends of a prompt whose beginning is in the cache.

        Ends are filled up on the right, where no token in front of it sees what is filled in; so no mask is needed.
        """
        longest = max(map(len, ends))
        tokens = torch.full((len(ends), longest), self._tokenizer.pad_token_id, device=self.device)
        for place, end in enumerate(ends):
            tokens[place, : len(end)] = torch.tensor(end)
        hidden = self._network.base_model(input_ids=tokens, past_key_values=past, use_cache=True).last_hidden_state
        last = torch.tensor([len(end) - 1 for end in ends], device=self.device)
        found: Tensor = self._network.get_output_embeddings()(hidden[torch.arange(len(ends)), last]).float()
        return found


# --------------------------------------------------------------------------------------------------------- decoding


def _allowed(
    grammars: Sequence[PairGrammar], begin: int, stops: Sequence[int]
) -> Callable[[int, Tensor], list[int]] | None:
    """Return what ``generate`` asks for the tokens that may follow; None where all may."""
    if not grammars:
        return None

    def following(row: int, tokens: Tensor) -> list[int]:
        written = tokens[begin:].tolist()
        return list(stops) if any(stop in written for stop in stops) else grammars[row].allowed(written)

    return following


def _cache(past: _Past) -> Any:  # noqa: ANN401
    """Return a cache of transformers that begins with keys and values; it grows, they do not."""
    from transformers import DynamicCache

    make: Any = DynamicCache
    cache = make()
    for number, (keys, values) in enumerate(past):
        cache.update(keys, values, number)
    return cache


def _side_by_side(pasts: Sequence[_Past], longest: int) -> _Past:
    """Return the keys and values of several prompts as those of a batch, (B, heads, longest, width) a layer.

    They are filled up on the left, as their tokens are; each keeps the positions it was read at.
    """

    def filled(part: Tensor) -> Tensor:
        return torch.nn.functional.pad(part, (0, 0, longest - part.shape[2], 0))

    layers = zip(*pasts, strict=True)
    return [
        tuple(torch.cat([filled(part) for part in parts]) for parts in zip(*layer, strict=True)) for layer in layers
    ]


def _common(rows: Sequence[Sequence[object]]) -> int:
    """Return how many tokens all rows begin with."""
    same = 0
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        same += 1
    return same


def _yes(logits: Tensor, tokenizer: Any) -> Tensor:  # noqa: ANN401
    """Return (s,) float32: of (s, V), the share of ``yes`` in what ``yes`` and ``no`` have together."""
    yes, no = ({tokenizer.encode(word, add_special_tokens=False)[0] for word in words} for words in (_YES, _NO))
    if not yes - no or not no - yes:
        raise WeightsError(
            "the tokenizer begins yes and no alike, so statements cannot be judged", "let the model write"
        )
    positive, negative = (logits[:, sorted(tokens)].logsumexp(1) for tokens in (yes - no, no - yes))
    return (positive - negative).sigmoid()


def _stops(network: Any, tokenizer: Any) -> tuple[int, ...]:  # noqa: ANN401
    """Return the tokens that end a reply."""
    named = network.generation_config.eos_token_id
    found = {*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id} - {None}
    if not found:
        raise WeightsError("the model names no token that ends a reply", "copy generation_config.json of the model")
    return tuple(sorted(found))


def _greedy(stops: Sequence[int], pad: int) -> Any:  # noqa: ANN401
    """Return settings of ``generate`` with nothing of what a model suggests: no sampling and no penalties."""
    from transformers import GenerationConfig

    kind: Any = GenerationConfig
    return kind(do_sample=False, num_beams=1, eos_token_id=list(stops), pad_token_id=pad)


# ---------------------------------------------------------------------------------------------------------- loading


def _load(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return the configuration and the network of a folder."""
    if not _complete(folder):
        raise WeightsError(
            f"{folder}: no config.json with .safetensors weights beside it",
            "give the folder of a model with safetensors; pickled weights are not read",
        )
    try:
        import transformers
        from huggingface_hub.errors import StrictDataclassError
    except ImportError as error:
        raise WeightsError(f"{folder}: transformers cannot be imported ({error})", _INSTALL) from error
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, StrictDataclassError) as error:
        raise WeightsError(f"{folder}/config.json: {first_line(error)}", "copy the file again") from error
    if config.model_type not in FAMILIES:
        raise WeightsError(
            f"{folder}: a network of type {config.model_type!r}, not one of {', '.join(FAMILIES)}",
            "run it behind a server that speaks the OpenAI protocol, and use client: server",
        )
    return config, load_network(transformers.AutoModelForImageTextToText, folder, config, dtype)


def _complete(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _device(text: str) -> torch.device:
    if text == "auto":
        text = "cuda" if torch.cuda.is_available() else "cpu"
    return checked_device(text)


def _special(tokenizer: Any, mark: str) -> int:  # noqa: ANN401
    """Return the number of a special token."""
    number = tokenizer.get_added_vocab().get(mark)
    if number is None:
        raise WeightsError(f"the tokenizer does not know {mark}", "take the tokenizer of the same model")
    return int(number)


def _chat_template(folder: Path, tokenizer: Any) -> str:  # noqa: ANN401
    """Return how a chat with this model is written; processors and tokenizers keep it in different files."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json"):
        if (folder / name).is_file():
            try:
                found = json.loads((folder / name).read_text(encoding="utf-8")).get("chat_template")
            except (OSError, ValueError, AttributeError) as error:
                raise WeightsError(f"{folder / name}: cannot be read ({error})", "copy the file again") from error
            if isinstance(found, str):
                return found
    if isinstance(tokenizer.chat_template, str):
        return tokenizer.chat_template
    raise WeightsError(f"{folder}: no chat template", "put the model's chat_template.jinja into the folder")


def _fingerprint(
    folder: Path, dtype: str, device: torch.device, settings: LocalSettings, template: str, family: Family
) -> str:
    """Return a digest of all that can change a reply.

    How many questions go at once is left out: it changes a reply only where two tokens are equally good to the last
    digits.
    """
    import transformers

    return digest(
        "local",
        _VERSION,
        folder_digest(folder),
        dtype,
        device.type,
        settings.max_prompt_tokens,
        settings.constrained,
        template,
        sorted(family.settings.items()),
        transformers.__version__,
        torch.__version__,
    )
