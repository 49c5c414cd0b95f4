"""Where a submitted job starts: ``python -m hanji.jobs.remote job/job.json``, in the job's working directory.

Nothing but the standard library is imported before it is known that this interpreter has the rest: a
cluster's ``python`` may be another one than Ray's.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Run the job; returns the exit code."""
    try:
        from hanji.jobs.driver import drive
    except ImportError as error:
        print(
            f"hanji: {sys.executable} cannot run this job: {error}\n"
            "The cluster's `python` must be the one of Ray's environment, with the project's dependencies in it: "
            "put that environment first on PATH where the cluster is started, or name it with "
            "`hanji submit --python PATH`.",
            file=sys.stderr,
        )
        return 1
    return drive(Path(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
