"""What a run will do, and what it made: what the command line shows of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hanji.curation.sources.splits import Split
from hanji.curation.versions import STEP_VERSIONS


@dataclass(frozen=True)
class CurationSummary:
    """What a run made. ``components`` maps language/domain/tier/split to (documents, tokens)."""

    run: str
    records: int
    documents: int
    kept: int
    dropped: int
    failed: int
    tokens: int
    components: dict[str, tuple[int, int]]
    report_path: str
    manifest_path: str
    seconds: float
    units: int
    skipped: int
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What a run would read and what of it is done already; ``rewrite`` is what is first to be rewritten."""

    run: str
    splits: list[Split]
    bytes: int
    done: int
    rewrite: list[Split] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The plan as text: splits and bytes by source, and what would be skipped."""
        by_source: dict[str, list[Split]] = {}
        for split in self.splits:
            by_source.setdefault(split.source, []).append(split)
        width = max(len(name) for name in by_source)
        rows = [
            f"  {name:<{width}}  {len(splits):>6} splits  {sum(s.size for s in splits) / 1e6:>12,.1f} MB"
            f"  largest {max(s.size for s in splits) / 1e6:,.1f} MB"
            for name, splits in by_source.items()
        ]
        rewritten = [
            f"rewrite    {split.paths[0]} ({split.size / 1e6:,.1f} MB, compressed) is first rewritten into pieces"
            for split in self.rewrite
        ]
        return [
            f"run        {self.run}",
            f"inputs     {len(self.splits)} splits, {self.bytes / 1e6:,.1f} MB",
            *rows,
            *rewritten,
            f"read       {self.done} of {len(self.splits)} splits are done and would be skipped",
            "steps      " + " → ".join(STEP_VERSIONS),
        ]
