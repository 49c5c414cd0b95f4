"""From the recipe's engine settings to an engine."""

from __future__ import annotations

from hanji.curation.engines.base import Engine
from hanji.curation.engines.local import LocalEngine
from hanji.curation.recipe import EngineSettings


def make_engine(settings: EngineSettings) -> Engine:
    """Start the engine that the settings name. Raises InputError if a cluster's address does not answer."""
    if settings.name == "local":
        return LocalEngine(settings.workers, settings.max_in_flight, settings.retries)
    if settings.name == "spark":
        from hanji.curation.engines.spark import SparkEngine

        return SparkEngine(settings.address, settings.workers, settings.max_in_flight, settings.retries)
    from hanji.curation.engines.ray import RayEngine

    return RayEngine(settings.address, settings.workers, settings.max_in_flight, settings.retries)
