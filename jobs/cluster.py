"""A Ray cluster's Jobs API: submit, list, follow, stop, with errors that say what to do."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hanji.errors import InputError, RecipeError, RunError
from hanji.jobs.package import Package

CONNECT_SECONDS = 10.0
AGENT_SECONDS = 180.0
"""How long to wait for a node that is ready to take a job."""
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
OVERRIDES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
"""Ray's client lets these win over the address that it is given; here the given address counts."""


@dataclass(frozen=True)
class Job:
    """One job of a cluster. Times are seconds since the epoch, None where the job has not got there."""

    id: str
    status: str
    name: str
    kind: str
    started: float | None
    ended: float | None
    message: str

    @property
    def over(self) -> bool:
        return self.status in ENDED


class Cluster:
    """A connection to the dashboard of a Ray head. Raises InputError if it does not answer or lets nobody in."""

    def __init__(self, address: str, token_file: Path | None = None) -> None:
        self.address = _checked(address)
        headers = {"Authorization": f"Bearer {_token(token_file)}"} if token_file else None
        _answers(self.address)
        from ray.job_submission import JobSubmissionClient

        for name in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env"):
            # Uploads and closed sockets are no news.
            logging.getLogger(f"ray.{name}").setLevel(logging.WARNING)

        with self._explained(), _without(OVERRIDES):
            self._client = JobSubmissionClient(self.address, headers=headers)

    def submit(self, package: Package, submission_id: str, gpus: float = 0, python: str = "python") -> bool:
        """Start a job; False if the cluster has one of that id already."""
        if self.find(submission_id) is not None:
            return False
        with self._explained():
            try:
                self._submit(
                    entrypoint=f"{shlex.quote(python)} -m hanji.jobs.remote job/job.json",
                    submission_id=submission_id,
                    runtime_env={
                        "working_dir": str(package.directory),
                        "env_vars": {
                            "RAY_USAGE_STATS_ENABLED": "0",
                            "TOKENIZERS_PARALLELISM": "false",
                            "PYTHONUNBUFFERED": "1",
                            "COLUMNS": "110",
                        },
                    },
                    metadata={"hanji": package.kind, "name": package.name, "wheel": package.wheel_sha256},
                    entrypoint_num_cpus=package.cpus or None,
                    entrypoint_num_gpus=gpus or None,
                )
            except RuntimeError as error:
                # Two callers at once: the cluster takes one of them.
                if "already exists" in str(error):
                    return False
                raise
        return True

    def _submit(self, **job: Any) -> None:
        """Hand a job to Ray, again and again while no node's agent is ready for it.

        On a cluster that has just come up, or is very busy, Ray answers for a while that it has no agent.
        """
        limit = time.monotonic() + AGENT_SECONDS
        while True:
            try:
                self._client.submit_job(**job)
                return
            except RuntimeError as error:
                if "No available agent" not in str(error):
                    raise
                if time.monotonic() > limit:
                    raise RunError(
                        f"{self.address}: no node of the cluster has been ready to take a job for "
                        f"{AGENT_SECONDS:g} s. Ray's dashboard agent runs on every node; its log is "
                        "dashboard_agent.log in the logs of the session"
                    ) from None
            time.sleep(2.0)

    def find(self, submission_id: str) -> Job | None:
        """The job of that id, if the cluster knows it."""
        return next((job for job in self.jobs() if job.id == submission_id), None)

    def get(self, submission_id: str) -> Job:
        """The job of that id. Raises InputError naming the nearest ones if there is none."""
        jobs = self.jobs()
        for job in jobs:
            if job.id == submission_id:
                return job
        known = ", ".join(job.id for job in jobs[:5]) or "none"
        raise InputError(f"{self.address}: no job {submission_id!r}; the newest here: {known}")

    def jobs(self) -> list[Job]:
        """Jobs that were submitted to the cluster, newest first."""
        with self._explained():
            found = self._client.list_jobs()
        jobs = [_job(details) for details in found if details.submission_id]
        return sorted(jobs, key=lambda job: (-(job.started or 0.0), job.id))

    def logs(self, submission_id: str) -> str:
        """Everything that the job has said so far."""
        self.get(submission_id)
        with self._explained():
            return str(self._client.get_job_logs(submission_id))

    def follow(self, submission_id: str, show: Callable[[str], None]) -> Job:
        """Show what the job says until it ends. A connection that breaks is taken up again where it broke."""
        job = self.get(submission_id)
        shown = 0
        pause = 0.5
        while True:
            skip = shown
            with self._explained():
                try:
                    shown = asyncio.run(self._tail(submission_id, skip, show))
                except RuntimeError:
                    pause = min(pause * 2, 10.0)
            job = self.get(submission_id)
            if job.over:
                rest = self.logs(submission_id)
                if len(rest) > shown:
                    show(rest[shown:])
                return job
            time.sleep(pause)

    async def _tail(self, submission_id: str, skip: int, show: Callable[[str], None]) -> int:
        """Show the log behind the first ``skip`` characters; returns how many there were."""
        seen = 0
        async for chunk in self._client.tail_job_logs(submission_id):
            begin = max(0, skip - seen)
            seen += len(chunk)
            if begin < len(chunk):
                show(chunk[begin:])
        return max(seen, skip)

    def stop(self, submission_id: str, wait_seconds: float) -> Job:
        """Ask a job to stop and wait for it to end; it may go on for a few seconds."""
        job = self.get(submission_id)
        if job.over:
            return job
        with self._explained():
            self._client.stop_job(submission_id)
        deadline = time.monotonic() + wait_seconds
        while not job.over and time.monotonic() < deadline:
            time.sleep(0.5)
            job = self.get(submission_id)
        return job

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what Ray's client raises into errors that say what to do."""
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            if "Authentication required" in str(error):
                raise InputError(
                    f"{self.address}: the cluster wants a token and none was sent. Set RAY_AUTH_MODE=token and "
                    "RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token, or use --token-file"
                ) from None
            raise InputError(
                f"{self.address}: the cluster refused the token. It must be the one that the cluster was "
                "started with (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token or --token-file)"
            ) from None
        except (ConnectionError, requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
            raise InputError(f"{self.address}: the connection to the cluster failed: {error}") from None
        except (requests.exceptions.RequestException, ValueError, KeyError) as error:
            raise InputError(f"{self.address}: answers, but not as a Ray dashboard does: {error}") from None
        except RuntimeError as error:
            raise RunError(f"{self.address}: {error}") from None


def _checked(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RecipeError(
            f"--address: {address!r} is not allowed: the URL of the cluster's dashboard, as in http://HOST:8265"
        )
    return address.rstrip("/")


def _answers(address: str) -> None:
    """Whether anything listens: Ray's client would wait for minutes on a host that drops packets."""
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((str(parts.hostname), port), CONNECT_SECONDS).close()
    except OSError as error:
        raise InputError(
            f"{address}: nothing answers there ({error.strerror or error}); is the head running, with its "
            "dashboard on an address that this machine reaches (--dashboard-host=0.0.0.0)?"
        ) from None


def _token(path: Path) -> str:
    try:
        token = path.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"--token-file: {path}: {getattr(error, 'strerror', None) or error}") from None
    if not token or not token.isprintable():
        raise RecipeError(f"--token-file: {path} holds no token")
    return token


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


def _job(details: Any) -> Job:
    metadata = details.metadata or {}
    return Job(
        id=str(details.submission_id),
        status=str(getattr(details.status, "value", details.status)),
        name=metadata.get("name", ""),
        kind=metadata.get("hanji", ""),
        started=details.start_time / 1000 if details.start_time else None,
        ended=details.end_time / 1000 if details.end_time else None,
        message=details.message or "",
    )
