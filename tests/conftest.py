"""What all tests share: where the development data is, if it is anywhere."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell starts what runs in its background; Ctrl-C would not reach what the tests start, either.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# How long an example takes says something of the machine, and nothing of the code.
hypothesis.settings.register_profile("hanji", deadline=None)
hypothesis.settings.load_profile("hanji")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The development data (HANJI_DATA, by default ../shared/data); the test is skipped without it."""
    path = Path(os.environ.get("HANJI_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no development data at {path} (set HANJI_DATA)")
    return path
