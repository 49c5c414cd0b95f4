"""Asking an endpoint for many texts at a time, within limits, each with as many tries as it may take."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from hanji.classifiers.annotating.cache import AnswerCache, Kept
from hanji.classifiers.annotating.endpoint import LONGEST_WAIT, Answer, Endpoint, backoff
from hanji.classifiers.annotating.pace import Budget, Pace, Prices
from hanji.classifiers.annotating.prompts import Prompt, read_score
from hanji.classifiers.texts import Text, text_hash
from hanji.errors import RecipeError, RunError

SCORELESS_AT_FIRST = 20
"""If none of so many first answers has a score, the run stops: the model does not understand the prompt."""
FREE = Prices()


@dataclass(frozen=True)
class Limits:
    """``tries`` a text, ``first_wait`` seconds before the second; ``budget`` is for the whole cache file."""

    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    budget: float | None = None
    prices: Prices = FREE
    tries: int = 6
    first_wait: float = 1.0

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.tries < 1:
            raise RecipeError("concurrency and tries are at least 1")
        for name in ("requests_per_minute", "tokens_per_minute", "budget"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise RecipeError(f"{name}: {value} is not allowed: above 0")
        prices = (self.prices.input, self.prices.output)
        if not all(math.isfinite(price) and price >= 0 for price in prices):
            raise RecipeError(f"prices: {prices[0]}, {prices[1]} are not allowed: numbers of at least 0")
        if self.budget is not None and not (self.prices.input or self.prices.output):
            raise RecipeError("budget: needs the prices of a million tokens, or it caps nothing")


@dataclass
class Asked:
    """Texts asked for in this run, those that had their answer before, and why it ended early if it did."""

    asked: int = 0
    cached: int = 0
    stopped: str | None = None


class _Tokens:
    """Tokens of a message before it is sent: half its bytes, until answers say what the tokenizer makes of such."""

    def __init__(self) -> None:
        self._most = 0.0
        self._seen = 0

    def of(self, message: str) -> int:
        share = 0.5 if self._seen < 5 else self._most
        return int(len(message.encode("utf-8", "replace")) * share) + 16

    def learn(self, message: str, tokens: int) -> None:
        self._seen += 1
        self._most = max(self._most, tokens / max(len(message.encode("utf-8", "replace")), 1))


def ask_all(
    texts: Iterator[Text],
    answers: AnswerCache,
    endpoint: Endpoint,
    prompt: Prompt,
    limits: Limits,
    *,
    again: bool,
    advance: Callable[[], None],
) -> Asked:
    """Ask for every text that has no answer yet, so many at a time; answers are kept as they come.

    ``again``: also for those whose answer had no score. Raises RunError for an endpoint that refuses for good,
    answers nothing for long, or gives no scores.
    """
    made = Asked()
    stop = threading.Event()
    budget = Budget(limits.budget, limits.prices, answers.spent())
    asker = _Asker(
        endpoint,
        limits,
        budget,
        Pace(limits.requests_per_minute, limits.tokens_per_minute, stop),
        _Tokens(),
        stop,
    )
    pending: dict[Future[tuple[Kept, float] | None], bytes] = {}
    silent = answered = scored = 0

    def take(done: set[Future[tuple[Kept, float] | None]]) -> None:
        nonlocal silent, answered, scored
        for future in done:
            key = pending.pop(future)
            result = future.result()
            if result is None:
                made.stopped = "the budget is spent"
                continue
            kept, cost = result
            answers.put(key, kept, cost)
            made.asked += 1
            advance()
            silent = silent + 1 if kept.answer is None else 0
            answered += kept.answer is not None
            scored += kept.score is not None
            if silent >= max(10, 2 * limits.concurrency):
                raise RunError(
                    f"{endpoint.url}: no answer to {silent} texts in a row; the last: {kept.failure}"
                )
            if answered == SCORELESS_AT_FIRST and not scored:
                raise RunError(
                    f"{endpoint.url}: no score in {answered} answers; the last: {kept.answer!r:.300}"
                )

    pool = ThreadPoolExecutor(limits.concurrency, "annotate")
    try:
        for text in texts:
            if made.stopped:
                break
            key = text_hash(text.text)
            kept = answers.get(key)
            if kept is not None and (kept.score is not None or (kept.answer is not None and not again)):
                made.cached += 1
                advance()
                continue
            pending[pool.submit(asker.ask, key, prompt.message(text.text))] = key
            if len(pending) >= limits.concurrency:
                take(wait(pending, return_when=FIRST_COMPLETED).done)
        while pending:
            take(wait(pending, return_when=FIRST_COMPLETED).done)
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        for future, key in pending.items():  # paid for: kept, whatever ended the run
            if not future.cancelled() and future.exception() is None and (result := future.result()):
                answers.put(key, *result)
    return made


@dataclass(frozen=True)
class _Asker:
    """What threads share while they ask."""

    endpoint: Endpoint
    limits: Limits
    budget: Budget
    pace: Pace
    tokens: _Tokens
    stop: threading.Event

    def ask(self, key: bytes, message: str) -> tuple[Kept, float] | None:
        """Ask until there is an answer or the tries are over: (what to keep, what it cost).

        None if nothing was asked: the budget has no room, or the run is being stopped.
        """
        cost, failure = 0.0, ""
        counted = (0, 0)
        tries = 0
        while tries < self.limits.tries and not self.stop.is_set():
            expected = self.tokens.of(message)
            reserved = self.budget.reserve(expected, self.endpoint.max_tokens)
            if reserved is None:
                break
            spent = 0.0
            try:
                self.pace.wait(expected + self.endpoint.max_tokens)
                if self.stop.is_set():
                    break
                tries += 1
                answer = self.endpoint.ask(message)
                used = _used(answer, expected, self.endpoint.max_tokens)
                spent = self.limits.prices.cost(*used)
            finally:
                self.budget.settle(reserved, spent)
            cost += spent
            counted = (counted[0] + used[0], counted[1] + used[1])
            if answer.input_tokens is not None:
                self.tokens.learn(message, answer.input_tokens)
            if answer.text is not None:
                score = read_score(answer.text)
                missing = None if score is not None else "no score from 0 to 5 in the answer"
                return Kept(score, answer.text, missing, *counted, tries), cost
            failure = answer.failure or "no answer"
            if not answer.again:
                break
            if answer.wait is not None:
                if answer.wait > LONGEST_WAIT:
                    raise RunError(
                        f"{self.endpoint.url}: {failure}: asks for {answer.wait:,.0f} s of patience; "
                        "what was answered is kept, and the same command goes on from there"
                    )
                self.pace.hold(answer.wait)
            if tries < self.limits.tries:
                self.stop.wait(backoff(tries, key, self.limits.first_wait))
        return (Kept(None, None, failure, *counted, tries), cost) if tries else None


def _used(answer: Answer, expected: int, most: int) -> tuple[int, int]:
    """Tokens that a try used, as the endpoint says; if it does not, the most that it can have been."""
    if not answer.charged:
        return answer.input_tokens or 0, answer.output_tokens or 0
    output = most if answer.text is None else min(most, len(answer.text.encode("utf-8", "replace")) // 2 + 1)
    return (
        expected if answer.input_tokens is None else answer.input_tokens,
        output if answer.output_tokens is None else answer.output_tokens,
    )
