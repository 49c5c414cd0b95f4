"""Waits until a Ray cluster that is being started has so many nodes: ``python -m hanji.jobs.ray_ready NODES``.

The cluster's address is in ``RAY_ADDRESS``. Used by the Slurm script, which starts the nodes itself.
"""

from __future__ import annotations

import sys
import time

WAIT_SECONDS = 600.0


def main(nodes: int) -> int:
    """0 when the nodes are there, 1 when they did not come."""
    import ray

    limit, seen = time.monotonic() + WAIT_SECONDS, 0
    while time.monotonic() < limit:
        try:
            ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
            seen = sum(bool(node["Alive"]) for node in ray.nodes())
            if seen >= nodes:
                return 0
            ray.shutdown()
        except ConnectionError:
            pass  # the head is not up yet: ask again until the time is over
        time.sleep(1.0)
    print(f"hanji: {seen} of {nodes} Ray nodes came up within {WAIT_SECONDS:g} s", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
