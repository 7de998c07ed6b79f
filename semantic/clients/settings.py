"""Settings of the clients; nothing here imports PyTorch, so that mistakes are answered at once."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from sushi_lg.errors import ConfigError

_DTYPES = ("float32", "bfloat16", "float16")
_GUIDANCE = ("none", "structured_outputs", "guided")


@dataclass
class LocalSettings:
    """How a model is run.

    Attributes:
        device: ``auto`` (the first CUDA device, else the CPU), ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``auto`` (bfloat16 on CUDA, float32 on a CPU), ``float32``, ``bfloat16`` or ``float16``.
        batch_size: questions decoded at once, at most.
        max_prompt_tokens: of a question; where it has more, fewer of its pictures are shown.
        vision_cache_mb: for the features of pictures, in MiB on the device.
        constrained: keep answers about pairs to their grammar and labels while they are decoded.
    """

    device: str = "auto"
    dtype: str = "auto"
    batch_size: int = 16
    max_prompt_tokens: int = 6000
    vision_cache_mb: int = 512
    constrained: bool = True

    def validate(self) -> None:
        """Check values.

        Raises:
            ConfigError: one is out of range.
        """
        for key in ("batch_size", "max_prompt_tokens", "vision_cache_mb"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key}: {getattr(self, key)} is not at least 1")
        if self.dtype not in ("auto", *_DTYPES):
            raise ConfigError(f"dtype: {self.dtype!r} is none of auto, {', '.join(_DTYPES)}")


@dataclass
class ServerSettings:
    """Where a server is and how it is asked.

    Attributes:
        base_url: up to and with ``/v1``.
        revision: of the weights it serves, as far as known; part of the fingerprint, as a server does not say it.
        key_variable: name of the environment variable that holds the API key; unset or empty = no key is sent.
        concurrency: requests under way at once.
        timeout_seconds: of one attempt.
        attempts: at most, of one request.
        first_wait_seconds: before the second attempt; doubles from there up to a minute.
        guidance: how answers are kept to their grammar: ``structured_outputs`` (vLLM since 0.11), ``guided`` (vLLM
            before: guided_regex, guided_choice), or ``none`` for servers that refuse fields they do not know; they get
            nothing outside of the standard then, and models that think by default cannot be told not to.
    """

    base_url: str = "http://127.0.0.1:8000/v1"
    revision: str = ""
    key_variable: str = "OPENAI_API_KEY"
    concurrency: int = 16
    timeout_seconds: float = 120.0
    attempts: int = 5
    first_wait_seconds: float = 1.0
    guidance: str = "structured_outputs"

    def validate(self) -> None:
        """Check values.

        Raises:
            ConfigError: one is out of range.
        """
        parts = urllib.parse.urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"base_url: {shown_address(self.base_url)} is no http address", "such as http://host:8000/v1"
            )
        if parts.username or parts.password:
            raise ConfigError("base_url: has a user or password in it", "put the key into an environment variable")
        for key in ("concurrency", "attempts"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key}: {getattr(self, key)} is not at least 1")
        for key in ("timeout_seconds", "first_wait_seconds"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"{key}: {getattr(self, key)} is not above 0")
        if self.guidance not in _GUIDANCE:
            raise ConfigError(f"guidance: {self.guidance!r} is none of {', '.join(_GUIDANCE)}")


def shown_address(url: str) -> str:
    """Return an address without what may be secret in it."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
