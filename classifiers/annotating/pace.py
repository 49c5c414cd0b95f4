"""Limits on what is asked of an endpoint: requests and tokens a minute, and money."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass


class Pace:
    """Spaces requests evenly so that no minute has more of them, or of their tokens, than it may.

    Threads share one. ``stop`` ends all waiting.
    """

    def __init__(
        self, requests_per_minute: float | None, tokens_per_minute: float | None, stop: threading.Event
    ) -> None:
        self._per_request = 60 / requests_per_minute if requests_per_minute else 0.0
        self._per_token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._stop = stop
        self._lock = threading.Lock()
        self._next = 0.0
        self._held = 0.0

    def wait(self, tokens: int) -> None:
        """Wait until a request of about so many tokens may go."""
        gap = max(self._per_request, tokens * self._per_token)
        with self._lock:
            at = self._take(gap)
        while True:
            with self._lock:
                if self._held > at:  # the endpoint asked for patience meanwhile: to the end of the queue
                    at = self._take(gap)
            left = at - time.monotonic()
            if left <= 0 or self._stop.wait(left):
                return

    def _take(self, gap: float) -> float:
        at = max(self._next, self._held, time.monotonic())
        self._next = at + gap
        return at

    def hold(self, seconds: float) -> None:
        """Let no request go for so long: the endpoint asked for it."""
        with self._lock:
            self._held = max(self._held, time.monotonic() + seconds)


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens, in whatever currency the budget is in."""

    input: float = 0.0
    output: float = 0.0

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


class Budget:
    """What may be spent. Requests in flight count with the most that they can cost, so the cap holds.

    ``spent`` is what earlier runs with the same cache cost.
    """

    def __init__(self, most: float | None, prices: Prices, spent: float) -> None:
        self._most = most
        self._prices = prices
        self.spent = spent
        self._reserved = 0.0
        self._in_flight = 0
        self._changed = threading.Condition()

    def reserve(self, input_tokens: int, output_tokens: int) -> float | None:
        """Put aside the cost of a request, once what is in flight leaves room; None if it never will."""
        cost = self._prices.cost(input_tokens, output_tokens)
        with self._changed:
            while self._most is not None and self.spent + self._reserved + cost > self._most:
                if self._in_flight == 0:
                    return None
                self._changed.wait()
            self._reserved += cost
            self._in_flight += 1
            return cost

    def settle(self, reserved: float, spent: float) -> None:
        """Put what a request cost in the place of what was put aside."""
        with self._changed:
            self._in_flight -= 1
            self._reserved = self._reserved - reserved if self._in_flight else 0.0
            self.spent += spent
            self._changed.notify_all()
