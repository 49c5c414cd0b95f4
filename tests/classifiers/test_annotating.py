"""Annotation against a server on this machine: complete, paid for once, within limits, the key never told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

import pytest
from chat_server import Reply, answer, by_digits, chat_server

from hanji.classifiers.annotating.annotate import Annotated, annotate, read_scores
from hanji.classifiers.annotating.asking import Limits
from hanji.classifiers.annotating.endpoint import Endpoint, retry_after
from hanji.classifiers.annotating.pace import Prices
from hanji.classifiers.annotating.prompts import prompt, read_score
from hanji.classifiers.texts import TextFile
from hanji.errors import InputError, RecipeError, RunError

KEY = "sk-secret-1234567890"


def texts(directory: Path, count: int) -> Path:
    path = directory / "texts.jsonl"
    rows = [{"text": f"글 #t{i} [{i % 6}]", "source": f"site{i % 4}"} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def run(
    url: str, directory: Path, file: Path | None, limits: Limits | None = None, **more: object
) -> Annotated:
    settings = {name: more.pop(name) for name in ("timeout", "key") if name in more}
    endpoint = Endpoint(url, "judge", **{"timeout": 5.0, **settings})  # type: ignore[arg-type]
    return annotate(
        [] if file is None else [TextFile(str(file))],
        directory / "labels.jsonl",
        directory / "cache.sqlite",
        endpoint,
        prompt("ko"),
        limits or Limits(first_wait=0.02),
        **more,  # type: ignore[arg-type]
    )


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_text_gets_the_score_of_its_answer_and_is_asked_for_once(tmp_path: Path) -> None:
    with chat_server(lambda text, _: by_digits(text)) as (url, log):
        made = run(url, tmp_path, texts(tmp_path, 60))
        assert made.scores == dict.fromkeys(range(6), 10) and made.failed == made.left == 0
        assert all(f"[{row['score']}]" in str(row["text"]) for row in rows(tmp_path / "labels.jsonl"))
        assert set(log.of_text.values()) == {1} and len(log.of_text) == 60
        before = (tmp_path / "labels.jsonl").read_bytes()
        again = run(url, tmp_path, tmp_path / "texts.jsonl")
        assert (again.asked, again.cached) == (0, 60) and len(log.times) == 60
        assert (tmp_path / "labels.jsonl").read_bytes() == before
        assert "<글>\n글 #t" in log.messages[0] and log.bodies[0]["temperature"] == 0


def test_another_prompt_or_model_is_asked_for_anew(tmp_path: Path) -> None:
    file = texts(tmp_path, 3)
    with chat_server(lambda text, _: by_digits(text)) as (url, log):
        run(url, tmp_path, file)
        other = prompt("ko", template="점수를 매기십시오: {text}")
        for endpoint, asked in ((Endpoint(url, "judge"), other), (Endpoint(url, "other"), prompt("ko"))):
            annotate(
                [TextFile(str(file))],
                tmp_path / "o.jsonl",
                tmp_path / "cache.sqlite",
                endpoint,
                asked,
                Limits(),
            )
        assert len(log.times) == 9


@pytest.mark.parametrize(
    "trouble",
    [
        (429, {"Retry-After": "0.2"}, b'{"error": {"message": "slow down"}}'),
        (500, {}, b"oops"),
        (503, {}, b""),
        (200, {}, b"<html>no protocol</html>"),
        (200, {}, b'{"choices": []}'),
        (200, {}, b'{"choices": [{"message": {"content": "tru'),
        (200, {}, b"[" * 100_000),
        (429, {"Retry-After": "0"}, b""),
        None,
    ],
)
def test_trouble_that_passes_costs_no_text(tmp_path: Path, trouble: Reply) -> None:
    def reply(text: str, before: int) -> Reply:
        return trouble if before == 0 and ("[1]" in text or "[2]" in text) else by_digits(text)

    with chat_server(reply) as (url, log):
        made = run(url, tmp_path, texts(tmp_path, 12), timeout=1.0 if trouble is None else 10.0)
    assert made.scores == dict.fromkeys(range(6), 2) and not made.failed and not made.left
    assert sorted(log.of_text.values()) == [1] * 8 + [2] * 4


def test_retry_after_is_waited_for_by_all(tmp_path: Path) -> None:
    def reply(text: str, before: int) -> Reply:
        first = len(log.times) == 1
        return (429, {"Retry-After": "1"}, b"") if first else by_digits(text)

    with chat_server(reply) as (url, log):
        run(url, tmp_path, texts(tmp_path, 4), Limits(concurrency=1))
    assert log.times[1] - log.times[0] >= 1.0
    assert retry_after("2.5") == 2.5 and retry_after(None) is retry_after("soon") is None
    assert retry_after(formatdate(1000, usegmt=True), now=990.0) == 10.0


@pytest.mark.parametrize("said", ["I would rather not.", "점수: 7", "점수: 3.5", None])
def test_answers_without_a_score_are_recorded_and_not_paid_for_twice(
    tmp_path: Path, said: str | None
) -> None:
    with chat_server(lambda text, _: answer(said) if "#t1 " in text else by_digits(text)) as (url, log):
        made = run(url, tmp_path, texts(tmp_path, 12), Limits(tries=2, first_wait=0.01))
        (failure,) = rows(Path(made.failures))
        assert made.failed == 1 and sum(made.scores.values()) == 11 and failure["answer"] == said
        asked = len(log.times)
        assert run(url, tmp_path, tmp_path / "texts.jsonl").failed == 1
        assert len(log.times) == asked + (said is None)
        run(url, tmp_path, tmp_path / "texts.jsonl", again=True)
        assert len(log.times) > asked


def test_an_endpoint_that_fails_for_good_stops_the_run_and_what_was_paid_for_stays(tmp_path: Path) -> None:
    with chat_server(lambda text, _: by_digits(text)) as (url, _):
        run(url, tmp_path, texts(tmp_path, 20), most=5)
    with (
        chat_server(lambda text, _: (500, {}, b"down")) as (url, log),
        pytest.raises(RunError, match="no answer to 10 texts in a row; the last: HTTP 500: down"),
    ):
        run(url, tmp_path, tmp_path / "texts.jsonl", Limits(concurrency=2, tries=2, first_wait=0.01))
    assert len(log.times) <= 2 * 12
    with (
        chat_server(lambda text, _: (401, {}, f"bad key {KEY}".encode())) as (url, log),
        pytest.raises(RunError, match=r"HTTP 401: bad key \*\*\*"),
    ):
        run(url, tmp_path, tmp_path / "texts.jsonl", Limits(concurrency=1), key=KEY)
    assert len(log.times) == 1
    with chat_server(lambda text, _: by_digits(text)) as (url, _):
        made = run(url, tmp_path, tmp_path / "texts.jsonl")
        assert (made.cached, made.asked, made.left) == (5, 15, 0)


def test_a_model_that_gives_no_scores_at_all_is_stopped_early(tmp_path: Path) -> None:
    with (
        chat_server(lambda text, _: answer("Hello!")) as (url, log),
        pytest.raises(RunError, match="no score in 20 answers"),
    ):
        run(url, tmp_path, texts(tmp_path, 200), Limits(concurrency=4))
    assert len(log.times) < 30


def test_requests_and_tokens_a_minute_are_bounds(tmp_path: Path) -> None:
    file = texts(tmp_path, 9)
    with chat_server(lambda text, _: by_digits(text)) as (url, log):
        run(url, tmp_path, file, Limits(requests_per_minute=600))
    assert log.times[-1] - log.times[0] >= 8 * 0.1 - 0.05
    (tmp_path / "cache.sqlite").unlink()
    with chat_server(lambda text, _: by_digits(text)) as (url, log):
        # A prompt of some 2,300 bytes is taken for half as many tokens at first; 400 are for the answer.
        run(url, tmp_path, file, Limits(concurrency=4, tokens_per_minute=1_000_000))
    assert log.times[-1] - log.times[0] >= 4 * 1200 * 60 / 1e6


def test_no_more_requests_are_in_flight_than_asked_for(tmp_path: Path) -> None:
    with chat_server(lambda text, _: by_digits(text), delay=0.05) as (url, log):
        run(url, tmp_path, texts(tmp_path, 20), Limits(concurrency=3))
    assert log.most_open == 3


def test_the_budget_is_never_passed_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    file = texts(tmp_path, 40)
    prices = Prices(1000.0, 2000.0)  # an answer of 100 + 10 tokens costs 0.12
    with chat_server(lambda text, _: by_digits(text), delay=0.01) as (url, log):
        made = run(url, tmp_path, file, Limits(budget=4.0, prices=prices))
        assert made.stopped == "the budget is spent" and made.spent <= 4.0
        assert sum(made.scores.values()) == made.asked == len(log.times) == round(made.spent / 0.12)
        assert 10 <= made.asked < 40 and made.left == 40 - made.asked
        more = run(url, tmp_path, file, Limits(budget=100.0, prices=prices))
        assert more.left == 0 and more.stopped is None and len(log.times) == 40
        assert more.spent == pytest.approx(40 * 0.12)


def test_a_run_that_is_killed_goes_on_and_asks_for_little_twice(tmp_path: Path) -> None:
    file = texts(tmp_path, 60)
    with chat_server(lambda text, _: by_digits(text), delay=0.05) as (url, log):
        command = [
            *(sys.executable, "-m", "hanji.jobs.cli", "classifier", "annotate", str(file), "--endpoint", url),
            *("--model", "judge", "--language", "ko", "-o", str(tmp_path / "labels.jsonl")),
            *("--concurrency", "2", "--key-variable", "JUDGE_KEY"),
        ]
        environment = {**os.environ, "JUDGE_KEY": KEY}
        killed = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while len(log.times) < 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert not (tmp_path / "labels.jsonl").exists()
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert sum(log.of_text.values()) <= 60 + 3 and len(rows(tmp_path / "labels.jsonl")) == 60
    assert log.headers[0]["Authorization"] == f"Bearer {KEY}"
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY.encode() not in kept and KEY not in ended.stdout + ended.stderr


def test_the_key_goes_nowhere_but_into_the_header(tmp_path: Path) -> None:
    echo = f"your key {KEY} is fine. 점수: 4"
    with chat_server(lambda text, _: answer(echo)) as (url, _):
        made = run(url, tmp_path, texts(tmp_path, 2), key=KEY)
    assert made.scores == {4: 2}
    assert KEY.encode() not in (tmp_path / "cache.sqlite").read_bytes()
    assert KEY not in repr(Endpoint(url, "judge", KEY))
    with chat_server(lambda text, _: (302, {"Location": "http://127.0.0.1:9/v1"}, b"")) as (url, log):
        with pytest.raises(RunError, match="HTTP 302"):
            run(url, tmp_path, texts(tmp_path, 3), Limits(concurrency=1), key=KEY)
        assert len(log.times) == 1


def test_a_key_is_blotted_out_before_what_was_said_is_cut() -> None:
    key = "sk/secret-0123456789"
    said = (200, "")
    with chat_server(lambda *_: (said[0], {}, said[1].encode())) as (url, _):
        for status in (400, 401, 200):
            for text in ("y" * 285 + key, json.dumps({"error": key}).replace("/", "\\/")):
                said = (status, text)
                try:
                    told = str(Endpoint(url, "judge", key).ask("?").failure)
                except RunError as error:
                    told = str(error)
                assert "yyy" in told or "error" in told
                assert "secret" not in told and "sk/" not in told


def test_an_answer_that_no_file_can_hold_as_it_is_costs_no_other_text(tmp_path: Path) -> None:
    body = {"choices": [{"message": {"content": "\ud800 점수: 3"}}], "usage": {"prompt_tokens": 10**30}}
    with chat_server(lambda *_: (200, {}, json.dumps(body).encode())) as (url, _):
        made = run(url, tmp_path, texts(tmp_path, 4), Limits(budget=1.0, prices=Prices(1.0, 1.0)))
    assert made.scores == {3: 4} and made.spent < 0.01


@pytest.mark.parametrize(
    "beginning", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 500 No\r\nContent-Length: 99\r\n\r\n"]
)
def test_an_endpoint_that_sends_a_byte_now_and_then_is_not_waited_for(beginning: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(beginning)
                for _ in range(100):
                    time.sleep(0.05)
                    connection.sendall(b"a")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        start = time.monotonic()
        said = Endpoint(f"http://127.0.0.1:{server.getsockname()[1]}", "m", timeout=0.3).ask("?")
        assert time.monotonic() - start < 2 and said.text is None and said.again
        assert "no answer in 0.3 s" in str(said.failure) or "HTTP 500" in str(said.failure)
        thread.join()


def test_a_retry_after_of_hours_ends_the_run_which_goes_on_later(tmp_path: Path) -> None:
    with (
        chat_server(lambda *_: (429, {"Retry-After": "7200"}, b"quota")) as (url, log),
        pytest.raises(RunError, match=r"HTTP 429: quota: asks for 7,200 s .* goes on from there"),
    ):
        run(url, tmp_path, texts(tmp_path, 3), Limits(concurrency=1))
    assert len(log.times) == 1


def test_labels_of_a_person_are_compared(tmp_path: Path) -> None:
    person = tmp_path / "person.jsonl"
    pairs = [(0, 0), (1, 1), (2, 3), (3, 3), (4, 1), (5, 5)]  # the person's score, the model's
    person.write_text(
        "".join(json.dumps({"text": f"#p{a} [{b}]", "score": a}) + "\n" for a, b in pairs), "utf-8"
    )
    with chat_server(lambda text, _: by_digits(text)) as (url, _):
        made = run(url, tmp_path, None, compare=person)
    found = made.agreement
    assert found is not None and found.texts == 6 and found.confusion[4][1] == 1
    assert (found.exact, found.within_one) == (4 / 6, 5 / 6)
    assert (found.precision, found.recall) == (2 / 3, 2 / 3)  # at three points and more
    # By hand: squared distances 1 + 9 against their mean over all pairs of a person's and a model's score.
    by_chance = sum((a - b) ** 2 for a, _ in pairs for _, b in pairs) / 6
    assert found.quadratic_kappa == pytest.approx(1 - 10 / by_chance)
    assert json.loads(Path(f"{made.output}.agreement.json").read_text())["exact"] == found.exact


def test_a_bound_on_a_site_holds_and_takes_the_same_texts(tmp_path: Path) -> None:
    with chat_server(lambda text, _: by_digits(text)) as (url, _):
        made = run(url, tmp_path, texts(tmp_path, 40), per_site=3)
        sites = [row["source"] for row in rows(tmp_path / "labels.jsonl")]
        assert made.texts == 12 and all(sites.count(site) == 3 for site in set(sites))
        assert run(url, tmp_path, tmp_path / "texts.jsonl", per_site=3).asked == 0


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("Good.\nScore: 4", 4),
        ("**점수: 3**", 3),
        ("점수는 2점입니다", 2),
        ('{"score": 5}', 5),
        ("Educational score: <1>", 1),
        ("Score: 2 at first, but then Score: 3/5", 3),
        ("score is 0", 0),
        ("점수: <0부터 5까지의 정수>", None),
        ("Score: 10", None),
        ("Score: -1", None),
        ("3", None),
        ("", None),
    ],
)
def test_scores_are_read_as_they_are_written(said: str, score: int | None) -> None:
    assert read_score(said) == score


def test_bad_settings_and_labels_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the URL may hold no key"):
        Endpoint("https://user:pass@example.com/v1", "m")
    with pytest.raises(RecipeError, match=r"no http\(s\) URL"):
        Endpoint("example.com", "m")
    for url in ("http://[::1/v1", "http://a:99999/v1", "http://a b/v1", "http://a/v1#b"):
        with pytest.raises(RecipeError, match=r"no http\(s\) URL"):
            Endpoint(url, "m")
    with pytest.raises(RecipeError, match="timeout: inf is not allowed"):
        Endpoint("http://a", "m", timeout=float("inf"))
    with pytest.raises(RecipeError, match="prices: nan, 1"):
        Limits(prices=Prices(float("nan"), 1.0))
    with pytest.raises(RecipeError, match="needs the prices"):
        Limits(budget=1.0)
    with pytest.raises(RecipeError, match=r"has no \{text\}"):
        prompt("en", template="Rate this.")
    (tmp_path / "l.jsonl").write_text('{"text": "a", "score": 3}\n{"text": "b", "score": 6}\n')
    with pytest.raises(InputError, match=r"l.jsonl:2: score is a whole number from 0 to 5"):
        read_scores(tmp_path / "l.jsonl")
