"""From the ledger to shards: the tokenizer, the tokens of kept documents, shards, their manifest."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from hanji.curation.delivery import partition_name, receiving_units, release
from hanji.curation.recipe import CurationRecipe
from hanji.curation.shards.indexed import dtype_for
from hanji.curation.shards.layout import Layout, plan_layout
from hanji.curation.shards.tokenizer import tokenizer_facts
from hanji.curation.steps import write
from hanji.curation.takedown.lists import TakedownList
from hanji.curation.takedown.search import LISTS, list_path
from hanji.curation.versions import STEP_VERSIONS
from hanji.curation.work import Commit, Runner, Step, Unit, task_with
from hanji.fingerprint import fingerprint
from hanji.manifest import Component, Manifest, Shard, TakenDown, TokenizerFacts, write_manifest
from hanji.shard_versions import keep_version
from hanji.stages import STAGES, StagePlan, write_stages
from hanji.storage import Storage, Written


class ShardWriting:
    """The write stage of a run. With ``written`` it goes on with the tokenizer that this manifest's shards have."""

    def __init__(
        self,
        recipe: CurationRecipe,
        run: Storage,
        runner: Runner,
        takedown: TakedownList,
        written: Manifest | None = None,
    ) -> None:
        self.recipe, self.run, self.runner, self.takedown = recipe, run, runner, takedown
        self.written = written
        self._encoded: list[Commit] | None = None
        self._made: tuple[Written, TokenizerFacts] | None = None

    def count_tokens(self, gathered: list[Commit], settled: list[Commit]) -> list[Commit]:
        """Encode what was settled to be kept, before it has tiers: what each document's tokens are asked for.

        Texts are encoded once: :meth:`write` takes the tokens from here.
        """
        kept_bytes = sum(commit.info["train_bytes"] for commit in settled)
        self._made = tokenizer, facts = self._tokenizer(gathered, settled, kept_bytes)
        step = Step(
            "encode",
            STEP_VERSIONS["write"],
            task_with(write.encode, tokenizer, facts),
            [facts],
            ("gigatoken", "tokenizers"),
        )
        self._encoded = self.runner.map(step, paired_units(gathered, settled))
        return self._encoded

    def write(self, gathered: list[Commit], ledger: list[Commit]) -> tuple[Manifest, list[Commit]]:
        """The manifest, and the commits that count the tokens of each document by partition."""
        tokenizer, facts = self._made or self._tokenizer(gathered, ledger, _train_bytes(ledger))
        totals: dict[str, int] = {}
        for commit in ledger:
            for name, (_, size) in commit.info["components"].items():
                totals[name] = totals.get(name, 0) + size
        layout = plan_layout(totals, self.recipe.shards.shard_tokens)
        dtype = dtype_for(facts.vocab_size)
        version = STEP_VERSIONS["write"]
        tokenise_step = Step(
            "tokenise",
            version,
            task_with(write.tokenise, tokenizer, facts, layout),
            [facts, layout.count],
            ("gigatoken", "tokenizers"),
        )
        units = paired_units(gathered, ledger)
        if self._encoded is not None:
            tokenise_step = Step(
                "tokenise", version, task_with(write.place, layout), ["placed", layout.count]
            )
            units = [
                Unit(unit.name, [encoded.content(), row.content()], (encoded, row))
                for unit, encoded, row in zip(units, self._encoded, ledger, strict=True)
            ]
        counts = self.runner.map(tokenise_step, units)
        shard_step = Step("shard", version, task_with(write.write_shard, dtype), dtype)
        units = receiving_units(
            self.runner, "shard", counts, "tokens", len(layout.places), works=layout.places
        )
        units = [
            dataclasses.replace(unit, inputs=[unit.inputs, dataclasses.asdict(place)])
            for unit, place in zip(units, layout.places, strict=True)
        ]
        shards = self.runner.map(shard_step, units)
        release(self.runner, counts, "tokens")
        manifest = self._manifest(facts, tokenizer, dtype, layout, shards, ledger)
        return manifest, counts

    def _tokenizer(
        self, gathered: list[Commit], rows: list[Commit], kept_bytes: int
    ) -> tuple[Written, TokenizerFacts]:
        """Given, or trained on kept documents: ``rows`` are of the ledger, or what was settled for it."""
        settings = self.recipe.shards.tokenizer
        if settings.file is not None:
            if self.written is None:
                facts = tokenizer_facts(settings.file, settings.eod_token)
                data = Path(settings.file).read_bytes()
            else:
                # The file that the recipe names may be gone, or be another one now.
                facts = self.written.tokenizer
                data = self.run.sub("shards").read_bytes(facts.file)
            written = self.run.write_bytes(f"tokenizer/{facts.sha256[:16]}.json", data)
            self.runner.keep(written.path)
            return written, facts.model_copy(update={"file": "tokenizer.json"})
        share = min(1.0, settings.train_bytes / kept_bytes) if kept_bytes else 1.0
        version = STEP_VERSIONS["write"]
        sample_step = Step("tokenizer-sample", version, task_with(write.sample_texts, share), share)
        samples = self.runner.map(sample_step, paired_units(gathered, rows, undisturbed=True))
        train_step = Step(
            "tokenizer",
            version,
            task_with(write.train_on_sample, settings.vocab_size, settings.eod_token),
            [settings.vocab_size, settings.eod_token],
            ("tokenizers",),
        )
        inputs = [commit.content() for commit in samples]
        (commit,) = self.runner.map(train_step, [Unit("all", inputs, samples)])
        return commit.files["tokenizer"], TokenizerFacts(**commit.info["facts"])

    def _manifest(
        self,
        facts: TokenizerFacts,
        tokenizer: Written,
        dtype: Any,
        layout: Layout,
        shards: list[Commit],
        ledger: list[Commit],
    ) -> Manifest:
        by_component: dict[tuple[str, str, str, str], list[Shard]] = {}
        for place, commit in zip(layout.places, shards, strict=True):
            key = (place.language, place.domain, place.tier, place.split)
            by_component.setdefault(key, []).append(Shard.model_validate(commit.info["shard"]))
        components = [
            Component(
                language=language,
                domain=domain,
                tier=tier,
                split=split,
                documents=sum(shard.documents for shard in some),
                tokens=sum(shard.tokens for shard in some),
                bytes=sum(shard.bytes for shard in some),
                shards=some,
            )
            for (language, domain, tier, split), some in sorted(by_component.items())
            # A component of which a takedown left nothing is none.
            if any(shard.documents for shard in some)
        ]
        manifest = Manifest(
            recipe=self.recipe.name,
            curation=fingerprint([commit.content() for commit in ledger]),
            tokenizer=facts,
            dtype=dtype,
            takedown=self._taken_down(ledger),
            components=components,
        )
        storage = self.run.sub("shards")
        storage.write_bytes(facts.file, self.run.read_written(tokenizer))
        if self.recipe.stages is not None:
            write_stages(storage, StagePlan(stages=self.recipe.stages))
        else:
            storage.remove(STAGES)
        keep_version(self.run, manifest)
        self.run.sync()  # what it lists is on the disk before it is
        write_manifest(storage, manifest)
        self._remove_unlisted(storage, manifest)
        return manifest

    def _taken_down(self, ledger: list[Commit]) -> TakenDown | None:
        taken = [cell for commit in ledger for cell in commit.info.get("taken", {}).values()]
        if not len(self.takedown):
            return None
        return TakenDown(
            of=fingerprint([_undisturbed(commit) for commit in ledger]),
            entries=len(self.takedown),
            sha256=self.takedown.sha256,
            documents=sum(documents for documents, _ in taken),
            bytes=sum(size for _, size in taken),
        )

    def _remove_unlisted(self, storage: Storage, manifest: Manifest) -> None:
        """Remove shards of earlier decisions, which the new manifest does not list, and other takedown lists."""
        listed = {"manifest.json", manifest.tokenizer.file}
        for component in manifest.components:
            for shard in component.shards:
                listed |= {shard.bin.path, shard.idx.path, shard.docs.path}
        stands = None if manifest.takedown is None else list_path(manifest.takedown.sha256)
        for path in self.run.walk(LISTS):
            if path != stands:
                self.run.remove(path)
        for path in storage.walk():
            if path not in listed and path.endswith((".bin", ".idx", ".docs.parquet")):
                storage.remove(path)


def _train_bytes(ledger: list[Commit]) -> int:
    """Bytes of the texts of documents to train on, those that a takedown takes among them."""
    return sum(
        size
        for commit in ledger
        for name, (_, size) in commit.info["components"].items()
        if name.endswith("/train")
    )


def paired_units(gathered: list[Commit], ledger: list[Commit], *, undisturbed: bool = False) -> list[Unit]:
    """Texts and ledger rows by range of ids; ``undisturbed``: keyed by the rows as they are without takedown."""
    return [
        Unit(
            partition_name(number),
            [g.files["text"].sha256, _undisturbed(row) if undisturbed else row.content()],
            (g, row),
        )
        for number, (g, row) in enumerate(zip(gathered, ledger, strict=True))
    ]


def _undisturbed(ledger: Commit) -> dict[str, str]:
    """The content of the ledger's rows before a takedown."""
    content: dict[str, str] = ledger.info.get("undisturbed") or ledger.content()
    return content
