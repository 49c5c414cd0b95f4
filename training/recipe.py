"""The training recipe: what is trained, on which shards, in which stages, over which ranks.

Checks that need only the recipe happen here, when it is read; those that need the shards (patterns that
match nothing, vocabulary, components too small) in ``hanji.training.data``.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from hanji.cluster import ClusterSettings
from hanji.errors import RecipeError
from hanji.fingerprint import fingerprint
from hanji.recipe import Settings
from hanji.stages import is_pattern
from hanji.storage import is_url
from hanji.training.loop.schedule import AnySchedule, Schedule, build_schedule
from hanji.training.model.fp8_check import check_fp8
from hanji.training.model.shape import VOCABULARY_MULTIPLE, ModelShape
from hanji.training.parallel import ParallelSettings, check_layout
from hanji.training.presets import PRESETS
from hanji.training.stages import PackingSettings, StageSettings


class RopeScalingSettings(Settings):
    """Llama 3's rule for rotary positions beyond the original length (hanji.training.model.shape.RopeScaling)."""

    factor: float = 8.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192


class ModelSettings(Settings):
    """A preset, explicit sizes, or a preset with some sizes changed."""

    preset: str | None = Field(default=None, description="a name of hanji.training.presets")
    layers: int | None = None
    hidden: int | None = None
    ffn: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    tied: bool | None = None
    rope_theta: float | None = None
    rope_scaling: RopeScalingSettings | None = None
    norm_eps: float | None = None
    init_std: float | None = None
    seq_length: int | None = None
    spec: Literal["auto", "torch", "transformer_engine"] = Field(
        default="auto",
        description="whose layers compute: auto is Transformer Engine's where it is installed, else torch's; a "
        "checkpoint of one loads in the other",
    )
    recompute: Literal["none", "selective", "full"] = Field(
        default="none",
        description="what the backward pass computes again to save memory: nothing, the product of SwiGLU, or "
        "whole layers",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"preset": value} if isinstance(value, str) else value

    @field_validator("preset")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in PRESETS:
            raise ValueError(f"presets are {', '.join(PRESETS)}")
        return value

    def shape(self) -> ModelShape:
        """The sizes, preset and changes put together. Raises RecipeError for what is missing."""
        given = {
            k: v for k, v in self.model_dump(exclude={"preset", "spec", "recompute"}).items() if v is not None
        }
        base = PRESETS[self.preset].as_dict() if self.preset else {}
        missing = [name for name in ModelShape.required() if name not in base and name not in given]
        if missing:
            raise RecipeError(f"model: without a preset these fields are required: {', '.join(missing)}")
        return ModelShape.from_dict({**base, **given})


class BatchSettings(Settings):
    """Samples in an optimizer step and in one forward pass of a rank."""

    global_size: int = Field(default=16, ge=1)
    micro_size: int = Field(default=4, ge=1)


class OptimizerSettings(Settings):
    """AdamW. Defaults are the paper's (decay, z-loss) and DeepSeek LLM's (betas, clipping)."""

    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.95)
    eps: float = Field(default=1e-8, gt=0, allow_inf_nan=False)
    clip: float = Field(default=1.0, gt=0, description="largest global gradient norm")
    weight_decay: float = Field(
        default=1e-4,
        ge=0,
        le=1,
        description="independent of the learning rate: a step shrinks weights by s·decay",
    )
    z_loss: float = Field(
        default=5e-6, ge=0, allow_inf_nan=False, description="weight of the squared log-partition"
    )


class CheckpointSettings(Settings):
    """When to save; the end of every stage is saved too and kept."""

    every: int = Field(default=100, ge=1, description="steps")
    keep: int = Field(default=2, ge=1, description="newest checkpoints to keep beside the ends of stages")
    keep_every: int | None = Field(
        default=None, ge=1, description="steps: checkpoints at multiples of this are kept too"
    )
    asynchronous: bool = Field(
        default=True,
        description="whether training goes on while a checkpoint is written; costs a copy of it in host memory",
    )
    verify: Literal["full", "sizes"] = Field(
        default="full",
        description="before a checkpoint is loaded: SHA-256 of every file, or only that each is there and whole",
    )

    @model_validator(mode="after")
    def _kept_are_saved(self) -> CheckpointSettings:
        if self.keep_every is not None and self.keep_every % self.every:
            raise RecipeError(
                f"checkpoint.keep_every: {self.keep_every} is not a multiple of checkpoint.every = {self.every}: "
                "at most of its multiples nothing would be saved that could be kept"
            )
        return self


class ValidationSettings(Settings):
    """Held-out bits per byte; always measured before the first step and after each stage."""

    every: int | None = Field(default=None, ge=1, description="steps; unset: only around stages")
    micro_size: int = Field(default=8, ge=1)
    shards: str | None = Field(
        default=None,
        description="shards of another curation run whose valid text is held out instead, so that runs over "
        "different shards are measured on the same text; of the same tokenizer",
    )
    components: tuple[str, ...] = Field(
        default=(), description="patterns language/domain/tier of what is measured; without any, all of it"
    )

    @field_validator("components")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not is_pattern(pattern):
                raise ValueError(f"{pattern!r} is not a pattern; write language/domain/tier, as in ko/*/high")
        return value


class HealthSettings(Settings):
    """What is done when a step, a rank or a machine goes wrong; may change between two starts."""

    skip_sigmas: float | None = Field(
        default=6.0,
        gt=0,
        description="a step whose loss or gradient norm is more standard deviations above the mean of the last "
        "`window` steps is skipped; unset: only steps that are not finite",
    )
    window: int = Field(default=128, ge=4, description="steps that the statistics look back")
    skips_in_a_row: int = Field(default=8, ge=1, description="as many skipped steps in a row end the run")
    skips_in_window: int = Field(
        default=32, ge=1, description="as many of the last `window` steps end it too"
    )
    slow_share: float = Field(
        default=0.5, ge=0, lt=1, description="tokens/s below this share of their median are told; 0: never"
    )
    hang_seconds: float | None = Field(
        default=480.0,
        gt=0,
        description="a rank that gets no further for so long says where and ends; unset: nobody watches. "
        "Start, checkpoints and validation may take four times as long",
    )
    restarts: int = Field(
        default=3, ge=0, description="starts after a crash or a hang without a new checkpoint in between"
    )


class Fp8Settings(Settings):
    """How precision: fp8 computes the matrices of the layers; all else stays in BF16."""

    recipe: Literal["delayed", "tensorwise", "blockwise"] = Field(
        default="tensorwise",
        description="what shares a scale: a tensor, by earlier steps (delayed) or by itself (tensorwise), or "
        "blocks of 1 × 128 and 128 × 128 numbers (blockwise; Hopper)",
    )
    provider: Literal["auto", "transformer_engine", "torch"] = Field(
        default="auto",
        description="auto: Transformer Engine where it is installed, else torch's own products",
    )
    first_last_bf16: int = Field(
        default=0, ge=0, description="as many first and as many last layers stay in BF16; not with delayed"
    )
    fast_gradients: bool = Field(
        default=False,
        description="sum the products of the backward pass in the matrix units' own accumulator, as those of the "
        "forward pass are: faster and less exact (provider torch)",
    )


class ShadowSettings(Settings):
    """BF16 shadow of precision: fp8: now and then a micro-batch is run in both, with the same weights."""

    every: int | None = Field(default=None, ge=1, description="steps; unset: never")
    alarm: float = Field(
        default=0.02, gt=0, description="relative difference of the two losses that is told as an alarm"
    )


class TrainingRecipe(Settings):
    """A whole training run."""

    name: str = Field(min_length=1)
    run: str = Field(description="directory of this run; every rank must see it")
    shards: str = Field(description="directory with manifest.json, as `hanji curate` writes it")
    init_from: str | None = Field(
        default=None,
        description="checkpoint whose weights a new run starts from: an imported model, or another run's",
    )
    init_with: Literal["weights", "state"] = Field(
        default="weights",
        description="what is taken from init_from: its weights alone, or its optimizer's moments and its place in "
        "the data too, so that the run goes on where that one was, by a schedule and a blend of its own",
    )
    model: ModelSettings
    parallel: ParallelSettings = ParallelSettings()
    stages: tuple[StageSettings, ...] = Field(
        default=(), description="in their order; without any, those of the shards' stages.json"
    )
    batch: BatchSettings = BatchSettings()
    schedule: AnySchedule
    optimizer: OptimizerSettings = OptimizerSettings()
    attention: Literal["across", "within"] = Field(
        default="across",
        description="whether a token attends to all earlier tokens of its sample, or to those of its own document; "
        "a document ends with its EOD",
    )
    packing: PackingSettings = PackingSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    validation: ValidationSettings = ValidationSettings()
    health: HealthSettings = HealthSettings()
    cluster: ClusterSettings = Field(
        default=ClusterSettings(),
        description="where `hanji submit` runs it; decides nothing of what it makes",
    )
    deterministic: bool = Field(
        default=False, description="the same bits in every run of the same layout, at some cost in speed"
    )
    precision: Literal["fp32", "bf16", "fp8"] = "fp32"
    fp8: Fp8Settings = Fp8Settings()
    shadow: ShadowSettings = ShadowSettings()
    seed: int = Field(default=1, ge=0, lt=2**63)
    check_shards: Literal["sizes", "sampled", "hashes"] = Field(
        default="sizes",
        description="before the first step, besides the tokenizer, indices and a few documents of every shard: "
        "sizes of all files, SHA-256 of some that the seed chooses, or of all",
    )
    tables: str | None = Field(
        default=None,
        description="directory for the tables of up-sampled documents, which runs on the same shards can share; "
        "unset: in the run's",
    )
    log_every: int = Field(
        default=10,
        ge=1,
        description="steps between two lines on the console, and between two intervals in metrics",
    )
    tensorboard: bool = Field(
        default=False, description="whether metrics are written for TensorBoard too; needs hanji[tensorboard]"
    )

    @model_validator(mode="after")
    def _fits(self) -> TrainingRecipe:
        check_layout(
            self.parallel,
            self.shape,
            vocabulary_multiple=VOCABULARY_MULTIPLE,
            global_size=self.batch.global_size,
            micro_size=self.batch.micro_size,
        )
        self._check_fp8()
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise RecipeError(f"stages: names must differ, these do not: {', '.join(names)}")
        if self.resolved:
            for stage in self.stages:
                if (stage.stop_after or 0) > self.planned_steps(stage):
                    raise RecipeError(
                        f"stages.{stage.name}.stop_after: {stage.stop_after}, but the stage is planned for "
                        f"{self.planned_steps(stage)} steps"
                    )
            self.learning_rates()
        if self.init_with == "state" and self.init_from is None:
            raise RecipeError("init_with: state needs init_from, the checkpoint whose state it is")
        for field, path in (
            ("run", self.run),
            ("shards", self.shards),
            ("init_from", self.init_from),
            ("tables", self.tables),
            ("validation.shards", self.validation.shards),
        ):
            if path is not None and is_url(path):
                raise RecipeError(
                    f"{field}: {path!r} is a URL; training maps shards into memory and writes checkpoints "
                    "to a file system that all ranks share, so name a local or mounted directory"
                )
        return self

    def _check_fp8(self) -> None:
        if self.shadow.every is not None and self.precision != "fp8":
            raise RecipeError(f"shadow.every: a BF16 shadow needs precision: fp8, not {self.precision}")
        if self.precision == "fp8":
            check_fp8(self.fp8, self.shape, self.parallel)

    @property
    def shape(self) -> ModelShape:
        return self.model.shape()

    @property
    def fp8_options(self) -> Fp8Settings | None:
        """How to compute in FP8; None in another precision."""
        return self.fp8 if self.precision == "fp8" else None

    @property
    def tokens_per_step(self) -> int:
        return self.batch.global_size * self.shape.seq_length

    @property
    def resolved(self) -> bool:
        """Whether the recipe says all of its stages, and leaves none of it to the shards' stages.json."""
        return bool(self.stages) and all(stage.blend is not None for stage in self.stages)

    def steps_of(self, stage: StageSettings) -> int:
        """Optimizer steps of a stage, its tokens rounded up to whole steps."""
        planned = self.planned_steps(stage)
        return planned if stage.stop_after is None else min(planned, stage.stop_after)

    def planned_steps(self, stage: StageSettings) -> int:
        """Those that it would have without ``stop_after``, by which its shares are."""
        if stage.steps is not None:
            return stage.steps
        tokens = stage.tokens if stage.tokens is not None else sum(stage.weights().values())
        return math.ceil(tokens / self.tokens_per_step)

    @property
    def total_steps(self) -> int:
        return sum(self.steps_of(stage) for stage in self.stages)

    def learning_rates(self) -> Schedule:
        """The learning rate by step, over all stages."""
        return build_schedule(self.schedule, [(stage.name, self.steps_of(stage)) for stage in self.stages])

    def identity(self) -> dict[str, Any]:
        """What must stay the same for a checkpoint of this run to be continued.

        Layout, micro-batch, logging, checkpoint and validation settings and paths may change in between.
        """
        described = self.model_dump(
            mode="json",
            include={
                "name",
                "stages",
                "schedule",
                "optimizer",
                "attention",
                "packing",
                "precision",
                "seed",
            },
        )
        return {**described, "model": self.shape.as_dict(), "global_size": self.batch.global_size}

    def identity_fingerprint(self) -> str:
        """Fingerprint of :meth:`identity`."""
        return fingerprint(self.identity())
