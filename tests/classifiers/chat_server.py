"""A server that speaks the chat-completions protocol on this machine, and misbehaves when a test asks it to."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes] | None
"""Status, headers and body; None hangs."""


def answer(content: str | None, **usage: int) -> Reply:
    body: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": content}}]}
    if usage:
        body["usage"] = usage
    return 200, {}, json.dumps(body).encode()


def by_digits(text: str) -> Reply:
    """An answer whose score is the number in the text's own "[3]"."""
    found = re.search(r"\[(\d)\]", text)
    return answer(f"이유. \n점수: {found[1] if found else 0}", prompt_tokens=100, completion_tokens=10)


@dataclass
class Log:
    """What was asked: times, messages, headers; ``open`` requests and the most of them at a time."""

    times: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    of_text: Counter[str] = field(default_factory=Counter)
    open: int = 0
    most_open: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def chat_server(reply: Callable[[str, int], Reply], delay: float = 0.0) -> Iterator[tuple[str, Log]]:
    """(base URL, log) of a server; ``reply`` is given a message and how often its "#name" was in one before."""
    log = Log()
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            message = body["messages"][0]["content"]
            name = re.search(r"#\w+", message)
            text = name[0] if name else ""
            with log.lock:
                log.times.append(time.monotonic())
                log.messages.append(message)
                log.headers.append(dict(self.headers.items()))
                log.bodies.append(body)
                before = log.of_text[text]
                log.of_text[text] += 1
                log.open += 1
                log.most_open = max(log.most_open, log.open)
            ended.wait(delay)
            made = (
                reply(message, before) if self.path == "/v1/chat/completions" else (404, {}, b"no such path")
            )
            with log.lock:
                log.open -= 1
            if made is None:
                ended.wait(30)
                return
            status, headers, content = made
            try:
                self.send_response(status)
                for header, value in headers.items():
                    self.send_header(header, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:  # the client is gone
                pass

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", log
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
