"""The sandbox: what one page does to the process that parses it costs that page and no other."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from hanji.curation.recipe import Text
from hanji.curation.text.making import Raw, make_text
from hanji.curation.text.sandbox import Sandbox

KOREAN = "도서관에서 책을 빌려 읽었다. 저녁에는 비가 내렸고 우리는 집으로 돌아왔다."
DEEP = ("<div>" * 200_000 + "<p>깊다" + "<table><tr><td>" * 20_000).encode()


def page(text: str) -> Raw:
    return Raw(f"<p>{text}</p>".encode(), True)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    opened = Sandbox(Text())
    opened.make([page("warm")])
    yield opened
    opened.close()


def test_pages_and_texts_come_back_in_order_as_they_would_without_a_sandbox(sandbox: Sandbox) -> None:
    raws = [
        page(KOREAN),
        Raw(KOREAN.encode("cp949"), False),
        Raw("앞  뒤", False),
        Raw(f"<meta charset=euc-kr><p>{KOREAN}".encode("cp949"), True),
        Raw(b"", True),
    ]
    assert sandbox.make(raws) == [make_text(raw, Text()) for raw in raws]


def test_a_child_that_is_killed_is_replaced_and_no_page_is_lost(sandbox: Sandbox) -> None:
    assert sandbox._child is not None
    sandbox._child.kill()
    sandbox._child.wait()
    made = sandbox.make([page("첫째 쪽이다."), page("둘째 쪽이다.")])
    assert [one.text for one in made] == ["첫째 쪽이다.", "둘째 쪽이다."]


def test_a_child_killed_at_a_page_does_that_page_again_in_a_fresh_one(sandbox: Sandbox) -> None:
    def kill() -> None:
        assert sandbox._child is not None
        sandbox._child.kill()

    sandbox.make([page("warm")])
    timer = threading.Timer(0.05, kill)
    timer.start()
    numbers = list(range(2_000))
    made = sandbox.make([page(f"{KOREAN} {number}쪽이다.") for number in numbers])
    timer.join()
    assert [one.error for one in made] == [None] * len(numbers)
    assert all(f"{number}쪽이다" in (one.text or "") for number, one in zip(numbers, made, strict=True))


def test_a_page_that_takes_too_long_is_one_failure() -> None:
    sandbox = Sandbox(Text(extractor="trafilatura", timeout_seconds=0.05))
    try:
        first, second = sandbox.make([Raw(DEEP, True), page("짧은 글이다.")])
        assert first.error == "extract-timeout: more than 0.05 seconds of processor time"
        assert first.text is None
        assert second.error is None or second.error.startswith("extract-timeout")
    finally:
        sandbox.close()


def test_a_page_on_a_machine_that_stands_still_has_not_failed() -> None:
    sandbox = Sandbox(Text(timeout_seconds=0.3))
    try:
        sandbox.make([page("warm")])
        assert sandbox._child is not None
        process = sandbox._child.pid
        os.kill(process, signal.SIGSTOP)
        threading.Timer(1.0, os.kill, (process, signal.SIGCONT)).start()
        started = time.monotonic()
        (made,) = sandbox.make([page(KOREAN)])
        assert time.monotonic() - started > 0.9
        assert (made.text, made.error) == (KOREAN, None)
        assert sandbox._child is not None and sandbox._child.pid == process
    finally:
        sandbox.close()


def test_a_page_that_wants_too_much_memory_is_one_failure() -> None:
    sandbox = Sandbox(Text(memory_bytes=1 << 30))
    try:
        huge = Raw(b"<div><a href=x>" * 4_000_000, True)
        made = sandbox.make([page("앞이다."), huge, page("뒤다.")])
        assert [one.text for one in (made[0], made[2])] == ["앞이다.", "뒤다."]
        assert made[1].error is not None
        assert made[1].error.partition(":")[0] in ("extract-memory", "extract-crash")
    finally:
        sandbox.close()


def test_a_deep_page_is_read_or_refused_and_the_next_one_read(sandbox: Sandbox) -> None:
    deep, after = sandbox.make([Raw(DEEP, True), page("다음 쪽이다.")])
    assert deep.error is not None or "깊다" in (deep.text or "")
    assert after.text == "다음 쪽이다."
