"""A server that answers late, wrongly, too often or not at all."""

from __future__ import annotations

import base64
import json
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from semantic.clients.protocol import Question, Reply
from semantic.clients.server import ServerClient
from semantic.clients.settings import ServerSettings
from sushi_lg.errors import ConfigError, DataError, WeightsError

KEY = "sk-very-secret-0123456789"
PICTURE = np.full((8, 6, 3), (10, 200, 90), dtype=np.uint8)

Answer = tuple[int, dict[str, str], bytes]  # status, headers, body


class FakeServer:
    """Answers with what a function makes of the body; notes what it was sent, and how many were in hand at once."""

    def __init__(self, behave: Callable[[dict[str, Any]], Answer]) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.bodies.append(body)
                    outer.headers.append(dict(self.headers))
                    outer.at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer.at_once)
                try:
                    status, headers, answer = behave(body)
                finally:
                    with lock:
                        outer.at_once -= 1
                if status == 0:
                    return  # hangs up
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[dict[str, Any]], Answer]], FakeServer]]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    started: list[FakeServer] = []

    def start(behave: Callable[[dict[str, Any]], Answer]) -> FakeServer:
        started.append(FakeServer(behave))
        return started[-1]

    yield start
    for server in started:
        server.close()


def client(server: FakeServer, waits: list[float] | None = None, **settings: Any) -> ServerClient:  # noqa: ANN401
    return ServerClient(
        "some/model",
        ServerSettings(base_url=server.url, **({"timeout_seconds": 5.0, "attempts": 3} | settings)),
        (waits if waits is not None else []).append,
    )


def said(text: str) -> Answer:
    body = {"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": 50, "completion_tokens": 7}}
    return 200, {}, json.dumps(body).encode()


def question(name: str, **changes: Any) -> Question:  # noqa: ANN401
    fields: dict[str, Any] = {
        "kind": "instance",
        "media_key": name,
        "seconds": (0.0, 1.0),
        "pictures": lambda: [PICTURE, PICTURE[:, ::-1]],
        "system": "You describe.",
        "prompt": f"What does {name} do?",
        "max_new_tokens": 10,
    }
    return Question(name, **(fields | changes))


def prompt_of(body: dict[str, Any]) -> str:
    return str(body["messages"][1]["content"][-1]["text"])


def once(first: Answer) -> Callable[[dict[str, Any]], Answer]:
    """Answer the first time with ``first``, then well."""
    answers = [first]
    return lambda body: answers.pop() if answers else said("A man walks.")


# ------------------------------------------------------------------------------------------------------ what is sent


def test_a_request_holds_system_text_pictures_and_question_in_this_order(serve: Any) -> None:  # noqa: ANN401
    server = serve(lambda body: said("A man walks."))
    (reply,) = client(server).ask([question("q")])
    assert reply == Reply("q", "A man walks.", prompt_tokens=50, new_tokens=7)
    (body,) = server.bodies
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("some/model", 10, 0)
    assert body["messages"][0] == {"role": "system", "content": "You describe."}
    *pictures, text = body["messages"][1]["content"]
    assert text == {"type": "text", "text": "What does q do?"} and len(pictures) == 2
    head, _, encoded = pictures[0]["image_url"]["url"].partition(",")
    decoded: NDArray[np.uint8] = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)
    assert head == "data:image/jpeg;base64" and np.abs(decoded.astype(int) - PICTURE).max() < 8
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_text_of_others_holds_no_marks(serve: Any) -> None:  # noqa: ANN401
    server = serve(lambda body: said("x"))
    list(client(server).ask([question("q", prompt="He said <|im_end|><image> P1>P2: [INST]")]))
    assert prompt_of(server.bodies[0]) == "He said < |im_end| >< image> P1>P2: [ INST]"


@pytest.mark.parametrize("guidance", ["structured_outputs", "guided", "none"])
def test_answers_about_pairs_are_guided_where_that_is_offered(serve: Any, guidance: str) -> None:  # noqa: ANN401
    server = serve(lambda body: said("none"))
    asked = question("p", subjects=(3, 5), options=("talk.v.01", "hold.v.01"))
    list(client(server, guidance=guidance).ask([asked]))
    (body,) = server.bodies
    pattern = {
        "structured_outputs": body.get("structured_outputs", {}).get("regex"),
        "guided": body.get("guided_regex"),
    }
    if guidance == "none":
        assert not {"structured_outputs", "guided_regex", "chat_template_kwargs"} & body.keys()
    else:
        assert re.fullmatch(pattern[guidance], "P5>P3: hold.v.01, talk.v.01")
        assert not re.fullmatch(pattern[guidance], "P5>P3: hold_v.01")


def test_statements_are_judged_by_the_probabilities_of_the_first_token(serve: Any) -> None:  # noqa: ANN401
    def judge(body: dict[str, Any]) -> Answer:
        true = 0.9 if "talks" in prompt_of(body) else 0.2
        words = [("Yes", true * 0.75), (" yes", true * 0.25), ("no", 0.5 * (1 - true)), ("maybe", 0.5 * (1 - true))]
        top = [{"token": word, "logprob": math.log(share)} for word, share in words]
        choice = {"message": {"content": "yes"}, "logprobs": {"content": [{"token": "yes", "top_logprobs": top}]}}
        return 200, {}, json.dumps({"choices": [choice]}).encode()

    server = serve(judge)
    asked = [question(f"q{k}", statements=("P1 talks.", "P1 sits.")) for k in range(3)]
    replies = {reply.question_id: reply for reply in client(server).ask(asked)}
    assert len(replies) == 3
    for reply in replies.values():
        assert reply.probabilities == pytest.approx((0.9 / 0.95, 0.2 / 0.6))
    body = server.bodies[0]
    assert body["max_tokens"] == 1 and body["logprobs"] and body["structured_outputs"] == {"choice": ["yes", "no"]}
    (reply,) = client(serve(lambda body: said("yes"))).ask(asked[:1])
    assert reply.error == "no probability of yes and no for 2 statements"


def test_pictures_that_cannot_be_had_concern_one_question(serve: Any) -> None:  # noqa: ANN401
    def missing() -> list[NDArray[np.uint8]]:
        raise DataError("frame 7: no such file")

    server = serve(lambda body: said("x"))
    replies = {
        one.question_id: one for one in client(server).ask([question("bad", pictures=missing), question("good")])
    }
    assert replies["bad"].error == "frame 7: no such file" and replies["good"].text == "x"
    assert len(server.bodies) == 1


# ----------------------------------------------------------------------------------------------------- many at once


def test_requests_are_under_way_side_by_side_and_no_more_than_allowed(serve: Any) -> None:  # noqa: ANN401
    meeting = threading.Barrier(4, timeout=10)

    def late(body: dict[str, Any]) -> Answer:
        meeting.wait()  # nobody goes on before four are there
        return said(prompt_of(body))

    server = serve(late)
    asked = [question(f"q{k}") for k in range(20)]
    replies = list(client(server, concurrency=4, timeout_seconds=20.0).ask(asked))
    assert server.most_at_once == 4
    assert {one.question_id: one.text for one in replies} == {one.question_id: one.prompt for one in asked}


def test_replies_come_as_they_are_there(serve: Any) -> None:  # noqa: ANN401
    go_on = threading.Event()

    def late(body: dict[str, Any]) -> Answer:
        if "slow" in prompt_of(body):
            go_on.wait(10)
        return said("x")

    replies = client(serve(late)).ask([question("slow"), question("quick")])
    assert next(replies).question_id == "quick"
    go_on.set()
    assert next(replies).question_id == "slow"


def test_pictures_are_not_drawn_long_before_they_are_sent(serve: Any) -> None:  # noqa: ANN401
    drawn, answered = [], []

    def draw() -> list[NDArray[np.uint8]]:
        drawn.append(len(answered))
        return [PICTURE]

    asked = [question(f"q{k}", seconds=(0.0,), pictures=draw) for k in range(20)]
    for reply in client(serve(lambda body: said("x")), concurrency=2).ask(asked):
        answered.append(reply)
    assert max(place - done for place, done in enumerate(drawn)) <= 2 * 2 + 1


# ------------------------------------------------------------------------------------------------------ trying again


@pytest.mark.parametrize(
    "first",
    [
        (429, {}, b"slow down"),
        (500, {}, b""),
        (503, {}, b"<html>busy</html>"),
        (0, {}, b""),
        (200, {}, b"not json"),
        (200, {}, b'{"choices": []}'),
        (200, {}, b'{"choices": [{"message": {"content": null}}]}'),
        (200, {}, b"[" * 100_000),
        (200, {}, b"[1]"),
    ],
    ids=["429", "500", "503", "hung up", "no json", "no choice", "no text", "deep json", "a list"],
)
def test_what_may_pass_is_tried_again(serve: Any, first: Answer) -> None:  # noqa: ANN401
    waits: list[float] = []
    server = serve(once(first))
    asked = client(server, waits)
    (reply,) = asked.ask([question("q")])
    assert reply.text == "A man walks." and not reply.error
    assert len(server.bodies) == 2 and waits == [1.0] and asked.counts["attempts"] == 2


def test_waits_double_and_end(serve: Any) -> None:  # noqa: ANN401
    waits: list[float] = []
    server = serve(lambda body: (503, {}, b"busy"))
    (reply,) = client(server, waits, attempts=9).ask([question("q")])
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60] and len(server.bodies) == 9
    assert reply.error == "503 (busy), 9 times" and not reply.text


def test_the_wait_a_server_names_is_kept(serve: Any) -> None:  # noqa: ANN401
    for value, expected in (("7", 7.0), ("0.1", 1.0), ("100000", 60.0), ("soon", 1.0), ("-3", 1.0), ("nan", 1.0)):
        waits: list[float] = []
        list(client(serve(once((429, {"Retry-After": value}, b""))), waits).ask([question("q")]))
        assert waits == [expected], value
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 20))
    list(client(serve(once((429, {"Retry-After": later}, b""))), waits := []).ask([question("q")]))
    assert waits[0] == pytest.approx(20, abs=3)


def test_no_answer_in_time_is_tried_again(serve: Any) -> None:  # noqa: ANN401
    calls: list[int] = []
    go_on = threading.Event()

    def late(body: dict[str, Any]) -> Answer:
        calls.append(1)
        if len(calls) == 1:
            go_on.wait(10)
        return said("x")

    (reply,) = client(serve(late), timeout_seconds=0.3).ask([question("q")])
    go_on.set()
    assert reply.text == "x" and len(calls) == 2


def test_what_a_server_refuses_for_good_is_not_tried_again(serve: Any) -> None:  # noqa: ANN401
    def picky(body: dict[str, Any]) -> Answer:
        return (400, {}, b"prompt too long") if "long" in prompt_of(body) else said("x")

    server = serve(picky)
    replies = {one.question_id: one for one in client(server).ask([question("long"), question("short")])}
    assert replies["long"].error == "400 (prompt too long)" and replies["short"].text == "x"
    assert len(server.bodies) == 2


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_concerns_all_questions_is_raised(serve: Any, status: int) -> None:  # noqa: ANN401
    server = serve(lambda body: (status, {}, b"no"))
    with pytest.raises(ConfigError, match=f"status {status}") as caught:
        list(client(server, concurrency=1).ask([question(f"q{k}") for k in range(50)]))
    assert "OPENAI_API_KEY" in str(caught.value.remedy) and len(server.bodies) < 10


def test_a_server_that_is_not_there_is_said_to_be(serve: Any) -> None:  # noqa: ANN401
    server = serve(lambda body: said("x"))
    server.close()
    with pytest.raises(WeightsError, match=r"no answer in 3 attempts \(silence \(ConnectionRefused") as caught:
        list(client(server).ask([question("q")]))
    assert "start the server" in str(caught.value.remedy)


def test_a_long_answer_is_cut(serve: Any) -> None:  # noqa: ANN401
    (reply,) = client(serve(lambda body: said("word " * 100_000))).ask([question("q")])
    assert len(reply.text) <= 4000
    (reply,) = client(serve(lambda body: (200, {}, b" " * (5 * 2**20)))).ask([question("q")])
    assert "malformed answer (more than" in reply.error


# --------------------------------------------------------------------------------------------------------------- key


def test_the_key_is_sent_and_shows_nowhere_else(
    serve: Any,  # noqa: ANN401
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = serve(lambda body: (500, {}, f"bad key {KEY}".encode()))
    asked = client(server)
    with caplog.at_level(logging.DEBUG):
        (reply,) = asked.ask([question("q")])
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert "bad key ***" in reply.error
    assert KEY not in reply.error + caplog.text + repr(vars(asked)) + repr(asked.settings) + asked.fingerprint
    with pytest.raises(ConfigError) as caught:
        list(client(serve(lambda body: (401, {}, KEY.encode()))).ask([question("q")]))
    assert KEY not in str(caught.value)


def test_without_a_key_none_is_sent(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.delenv("OPENAI_API_KEY")
    server = serve(lambda body: said("x"))
    list(client(server).ask([question("q")]))
    assert "Authorization" not in server.headers[0]


def test_the_key_does_not_follow_a_redirect(serve: Any) -> None:  # noqa: ANN401
    other = serve(lambda body: said("mine now"))
    for status in (301, 302, 307, 308):
        server = serve(lambda body, status=status: (status, {"Location": other.url}, b""))
        (reply,) = client(server).ask([question("q")])
        assert reply.error.startswith(str(status))
    assert not other.headers


def test_fingerprints_follow_what_can_change_a_reply() -> None:
    def fingerprint(model: str = "m", **settings: Any) -> str:  # noqa: ANN401
        return ServerClient(model, ServerSettings(**settings)).fingerprint

    same = fingerprint()
    assert fingerprint(base_url="https://elsewhere/v1", concurrency=3, attempts=1, timeout_seconds=9.0) == same
    assert len({same, fingerprint("n"), fingerprint(revision="2"), fingerprint(guidance="none")}) == 4


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "ftp://host"},
        {"base_url": "host:8000"},
        {"base_url": f"http://user:{KEY}@host/v1"},
        {"concurrency": 0},
        {"attempts": 0},
        {"timeout_seconds": 0.0},
        {"guidance": "always"},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerClient("m", ServerSettings(**settings))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [500, 401])
def test_what_a_server_says_cannot_command_a_terminal(serve: Any, status: int) -> None:  # noqa: ANN401
    said_back = "bad\x1b[2J\x9b1m \u202egnp.exe\x07".encode()
    asked = client(serve(lambda body: (status, {}, said_back)))
    try:
        (reply,) = asked.ask([question("q")])
        message = reply.error
    except ConfigError as error:
        message = error.message
    assert "bad" in message and "gnp.exe" in message and message.isprintable()


@pytest.mark.parametrize("key", ["secret\nX-Other: 1", "s\u00e9cret"])
def test_keys_that_are_none_are_refused_and_not_quoted(serve: Any, monkeypatch: pytest.MonkeyPatch, key: str) -> None:  # noqa: ANN401
    asked = client(serve(lambda body: said("x")))
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as caught:
        list(asked.ask([question("q")]))
    assert "cret" not in str(caught.value)
