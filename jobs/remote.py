"""Where a submitted job starts: ``python -m hanji.jobs.remote job/job.json``, in the job's working directory.

``--facts TEXT`` stands for the file where no file can be brought along (Spark on Kubernetes).
With ``--nodes N --node K --host HOST`` it is node K's part of a training job, HOST being where node 0 is reached;
``--stopped-code`` is what to end with when the job was asked to stop before it was finished.

Nothing but the standard library is imported before it is known that this interpreter has the rest: a
cluster's ``python`` may be another one than Ray's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Run the job; returns the exit code."""
    try:
        from hanji.jobs.driver import drive
    except ImportError as error:
        print(
            f"hanji: {sys.executable} cannot run this job: {error}\n"
            "The cluster's `python` must be the one of Ray's or Spark's environment, with the project's "
            "dependencies in it: put that environment first on PATH where the cluster is started, or name it with "
            "`hanji submit --python PATH`.",
            file=sys.stderr,
        )
        return 1
    parser = argparse.ArgumentParser(prog="hanji.jobs.remote")
    parser.add_argument("job", type=Path, nargs="?")
    parser.add_argument("--facts")
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--node", type=int, default=0)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--stopped-code", type=int, default=0)
    given = parser.parse_args()
    if (given.job is None) == (given.facts is None):
        parser.error("give the file job.json, or --facts")
    place = None if given.nodes is None else (given.node, given.nodes, given.host)
    if given.facts is None:
        return drive(given.job, place, given.stopped_code)
    from hanji.jobs.spark_submit import unpacked_facts

    with tempfile.TemporaryDirectory(prefix="hanji-") as scratch:
        path = Path(scratch) / "job.json"
        path.write_bytes(unpacked_facts(given.facts))
        return drive(path, place, given.stopped_code)


if __name__ == "__main__":
    sys.exit(main())
