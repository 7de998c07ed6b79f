"""Cards are read strictly; weights are found, checked and fetched, or the user learns exactly what to do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sushi_lg.data import models
from sushi_lg.data.models import (
    InputSpec,
    ModelCard,
    cache_folder,
    download,
    file_sha256,
    find_model,
    model_card,
    model_names,
    read_card,
    search_folders,
)
from sushi_lg.errors import ConfigError, WeightsError

CARD = """# a test
kind: embedder
family: onnx_reid
file: net.onnx
source: made up
licence: none
classes: null
input:
  size: [8, 4]
  mean: [1, 2, 3]
"""


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own and no search path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SUSHI_LG_MODELS", raising=False)
    return tmp_path


def _card(path: Path, text: str = CARD) -> ModelCard:
    path.write_text(text, encoding="utf-8")
    return read_card(path)


def test_a_card_is_read(tmp_path: Path) -> None:
    card = _card(tmp_path / "mine.yaml")
    assert card.name == "mine" and card.file_names == ("net.onnx",)
    assert card.input == InputSpec(size=(8, 4), mean=(1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("family:", "famly:", r"mine.yaml:3: famly: unknown key\n.*did you mean family"),
        ("  size:", "  sise:", r"mine.yaml:9: input.sise: unknown key\n.*did you mean size"),
        ("licence: none\n", "", "no licence"),
        ("size: [8, 4]", "size: [8.5, 4]", r":9: input.size: .*not of type"),
        ("size: [8, 4]", "size: [8, 0]", r":9: input.size: .*not positive"),
        ("mean: [1, 2, 3]", "mean: [1, 2]", r":10: input.mean"),
        ("mean: [1, 2, 3]", "colour: GBR", r":10: input.colour: 'GBR' is none of BGR, RGB"),
        ("kind: embedder", "kind: embeder", r":2: kind: 'embeder' is none of detector, embedder"),
        ("file: net.onnx", "file: ../net.onnx", r":4: file: .*plain name"),
        ("licence: none", "url: http://example.org/net.onnx\nlicence: none", r"url: .*not an https"),
        ("licence: none", "sha256: ABC\nlicence: none", r"sha256: .*64 hexadecimal"),
        ("licence: none", "licence: none\nlicence: MIT", r":7: licence: given twice"),
        ("kind: embedder", "kind: embedder\nname: other", r":3: name: 'other' is not the name of the file"),
        ("kind: embedder", "kind: [", r"not YAML"),
    ],
)
def test_a_wrong_card_is_refused_by_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in CARD
    with pytest.raises(ConfigError, match=says):
        _card(tmp_path / "mine.yaml", CARD.replace(old, new, 1))


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(WeightsError, match="did you mean yolox_nano"):
        find_model("yolox_nan")


def test_found_below_the_variable_then_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = cache_folder() / "yolox_tiny.onnx"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"cached")
    assert cached.is_relative_to(tmp_path)
    assert find_model("yolox_tiny").path == cached
    deep = tmp_path / "given" / "a" / "b" / "yolox_tiny.onnx"
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"given")
    monkeypatch.setenv("SUSHI_LG_MODELS", str(tmp_path / "given"))
    assert find_model("yolox_tiny").path == deep
    monkeypatch.setenv("SUSHI_LG_MODELS", str(tmp_path / "givn"))
    with pytest.raises(WeightsError, match=r"SUSHI_LG_MODELS names .*givn"):
        search_folders()


def test_another_file_of_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    wrong = folder / "person-reidentification-retail-0248.onnx"
    wrong.write_bytes(b"not it")
    monkeypatch.setenv("SUSHI_LG_MODELS", str(folder))
    with pytest.raises(WeightsError, match=f"(?s){wrong}: SHA-256 is {file_sha256(wrong)}, .*43891ce6.*delete"):
        find_model("reid_0248")
    with pytest.raises(WeightsError, match="SHA-256"):
        find_model(wrong)
    # named as the user's own, it is his affair
    assert find_model(f"reid_0248={wrong}").path == wrong


def test_a_file_written_anew_is_hashed_anew(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"one")
    assert file_sha256(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"three")
    assert file_sha256(path) == hashlib.sha256(b"three").hexdigest()


def test_without_address_the_instruction_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError) as caught:
        find_model("reid_0248")
    for part in ("person-reidentification-retail-0248.onnx", "Open Model Zoo", str(cache_folder()), "SUSHI_LG_MODELS"):
        assert part in str(caught.value)
    with pytest.raises(WeightsError, match=r"(?s)switched off.*https://github.com/.*yolox_s.onnx"):
        find_model("yolox_s", allow_download=False)
    with pytest.raises(WeightsError, match="yolox_custom=path"):
        find_model("yolox_custom")


def test_a_file_nobody_knows(tmp_path: Path) -> None:
    path = tmp_path / "strange.onnx"
    path.write_bytes(b"?")
    with pytest.raises(WeightsError, match="no card knows this file"):
        find_model(path)
    found = find_model(path, "detector", recognise=lambda _: "yolox_custom")
    assert found.card.name == "yolox_custom" and found.path == path
    assert find_model(f"osnet_x025_market1501={path}", "embedder").card.family == "onnx_reid"
    with pytest.raises(WeightsError, match="no such file"):
        find_model(f"yolox_custom={path}x")


def test_a_card_of_the_users_own(tmp_path: Path) -> None:
    card = tmp_path / "mine.yaml"
    card.write_text(CARD, encoding="utf-8")
    with pytest.raises(WeightsError, match="made up"):
        find_model(card)
    (tmp_path / "net.onnx").write_bytes(b"x")
    assert find_model(card).path == tmp_path / "net.onnx"
    with pytest.raises(WeightsError, match="of kind embedder, needed is a detector"):
        find_model(card, "detector")


def test_a_hub_model_is_a_folder_or_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_model("grounding_dino_tiny")
    assert found.path is None and found.card.hub_id and not found.allow_hub
    assert find_model("grounding_dino_tiny", allow_download=True).allow_hub
    folder = tmp_path / "given" / "grounding-dino-tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    monkeypatch.setenv("SUSHI_LG_MODELS", str(tmp_path / "given"))
    assert find_model("grounding_dino_tiny").path == folder


# ------------------------------------------------------------------------------------------------------- downloading

CONTENT = b"weights" * 1000


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/net.onnx")
            self.end_headers()
            return
        if self.path == "/absent":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) + (10 if self.path == "/short" else 0)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(models, "_SCHEMES", frozenset({"https", "http"}))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def _remote(url: str, sha256: str | None = None) -> ModelCard:
    return replace(model_card("yolox_nano"), name="net", file="net.onnx", url=url, sha256=sha256, also={})


def test_the_first_download_records_the_hash(server: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = download(_remote(f"{server}/net"), tmp_path / "new", progress=lambda *counts: seen.append(counts))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    lock = tmp_path / "new" / "net.onnx.sha256"
    assert lock.read_text() == f"{hashlib.sha256(CONTENT).hexdigest()}  net.onnx\n"
    path.write_bytes(b"changed later")
    with pytest.raises(WeightsError, match="SHA-256"):
        models._check_hash(_remote("https://x/net"), path)
    lock.write_text("0" * 64)
    with pytest.raises(WeightsError, match="is not what was recorded"):
        download(_remote(f"{server}/net"), tmp_path / "new")
    assert path.read_bytes() == b"changed later", "a refused download leaves what was there"


def test_a_known_hash_is_checked(server: str, tmp_path: Path) -> None:
    right = hashlib.sha256(CONTENT).hexdigest()
    path = download(_remote(f"{server}/net", right), tmp_path)
    assert not path.with_name("net.onnx.sha256").exists()
    path.unlink()
    with pytest.raises(WeightsError, match=right):
        download(_remote(f"{server}/net", "1" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == [], "nothing half-finished stays"


@pytest.mark.parametrize(
    ("path", "says"), [("short", "broke off|IncompleteRead"), ("absent", "404"), ("moved", "not https")]
)
def test_a_failed_download_leaves_nothing_and_says_why(server: str, tmp_path: Path, path: str, says: str) -> None:
    with pytest.raises(WeightsError, match=rf"(?s){says}.*put net.onnx into"):
        download(_remote(f"{server}/{path}"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_download_has_a_limit(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_LARGEST_DOWNLOAD", 100)
    with pytest.raises(WeightsError, match="larger than 100 bytes"):
        download(_remote(f"{server}/net"), tmp_path)


def test_only_https_and_a_server_that_is_there(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="cannot be fetched"):
        download(_remote("http://127.0.0.1:1/net"), tmp_path)
    monkeypatch.setattr(models, "_SCHEMES", frozenset({"https"}))
    with pytest.raises(WeightsError, match="not https"):
        download(_remote(f"{server}/net"), tmp_path)


def test_the_hashes_in_the_cards_are_those_of_the_files(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (shared_data / "weights").is_dir():
        pytest.skip(f"no weights in {shared_data}")
    monkeypatch.setenv("SUSHI_LG_MODELS", str(shared_data / "weights"))
    for name in ("yolox_nano", "nanodet_m_416", "reid_0248", "reid_0287", "osnet_x025_market1501"):
        found = find_model(name)
        assert found.path is not None and found.card.hash_of(found.path.name) == file_sha256(found.path)
        assert find_model(found.path).card.name == name


def test_names_are_complete() -> None:
    assert {f"yolox_{size}" for size in ("nano", "tiny", "s", "m", "l", "x")} <= set(model_names("detector"))
    assert not set(model_names("detector")) & set(model_names("embedder"))
