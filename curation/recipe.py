"""The curation recipe: everything that decides what a run makes, in one typed tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from hanji.cluster import ClusterSettings
from hanji.curation.dedup.banding import optimal_bands
from hanji.curation.model_recipe import Domains as Domains
from hanji.curation.model_recipe import Perplexity as Perplexity
from hanji.curation.tier_recipe import Ensemble, as_models, check_patterns, check_tiers
from hanji.curation.tier_recipe import Language as Language
from hanji.curation.tier_recipe import Name as Name
from hanji.curation.tier_recipe import Share as Share
from hanji.curation.tier_recipe import Tier as Tier
from hanji.recipe import Settings, parse_recipe, read_yaml
from hanji.stages import Stage, StagePlan

Format = Literal["warc", "html", "jsonl", "parquet", "text"]


class Fields(Settings):
    """Names of the columns of a JSONL or Parquet source. Set ``html`` for pages, ``text`` for plain text.

    A dot leads into an object: ``metadata.url``.
    """

    text: str | None = Field("text", description="field with text; null when the source has pages")
    html: str | None = Field(None, description="field with HTML; takes precedence over text")
    id: str | None = Field("id", description="field that identifies the record within the source")
    url: str | None = "url"
    date: str | None = "date"


class Source(Settings):
    """A named set of inputs of one format and domain."""

    name: Name
    domain: Name = Field("web", description="web, code, encyclopaedic, academic, news, community, legal, …")
    format: Format
    paths: list[str] = Field(min_length=1, description="files, directories or globs; local or fsspec URLs")
    fields: Fields = Fields()
    layout: Literal["flat", "datatrove"] = Field(
        "flat", description="datatrove: url and date are taken from `metadata`, where its writers put them"
    )
    encoding: str | None = Field(
        None, description="charset of a text source or of pages, when it is known; null: found by the rules"
    )
    check_digests: bool = Field(
        False, description="compare WARC records with the digests in their headers; what differs is counted"
    )
    max_failed_share: Share | None = Field(
        None, description="share of failed records that this source may have; null: the recipe's"
    )


class Floor(Settings):
    """Rules that stop a document while it is read, so that nothing expensive is spent on it."""

    languages: list[Language] = Field(default=["ko", "en"], min_length=1)
    page_language: bool = Field(
        True, description="turn a page away unparsed where its bytes are plainly in another language"
    )
    min_language_score: Share = 0.5
    min_characters: int = Field(50, ge=0)
    max_characters: int = Field(1_000_000, ge=1, description="characters of extracted text")
    max_payload_bytes: int = Field(20_000_000, ge=1)
    max_replaced_share: Share = Field(0.01, description="U+FFFD among the characters after decoding")


PiiKind = Literal[
    "email",
    "phone",
    "rrn",
    "frn",
    "brn",
    "crn",
    "passport",
    "licence",
    "card",
    "account",
    "ip",
    "ssn",
    "itin",
]
PiiAction = Literal["mask", "tag", "drop", "off"]
ContaminationAction = Literal["drop", "mask", "report"]


class Pii(Settings):
    """What is done with personal data, for all kinds or by kind (docs/pii.md). ``pii: tag`` is short for all."""

    default: PiiAction = Field("mask", description="mask, tag, drop (the document falls) or off")
    email: PiiAction | None = Field(None, description="mail addresses; null: as the default")
    phone: PiiAction | None = None
    rrn: PiiAction | None = Field(None, description="Korean resident registration numbers")
    frn: PiiAction | None = Field(None, description="Korean foreigner registration numbers")
    brn: PiiAction | None = Field(None, description="Korean business registration numbers")
    crn: PiiAction | None = Field(None, description="Korean corporate registration numbers")
    passport: PiiAction | None = None
    licence: PiiAction | None = Field(None, description="Korean driving licences")
    card: PiiAction | None = None
    account: PiiAction | None = Field(None, description="bank accounts, IBAN")
    ip: PiiAction | None = Field(None, description="public IPv4 and IPv6 addresses")
    ssn: PiiAction | None = Field(None, description="American social security numbers")
    itin: PiiAction | None = Field(None, description="American taxpayer numbers of individuals")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """One word means all kinds. YAML reads a bare ``off`` as false."""
        if isinstance(value, str) or value is False:
            return {"default": "off" if value is False else value}
        if isinstance(value, dict):
            return {kind: "off" if action is False else action for kind, action in value.items()}
        return value

    def action(self, kind: PiiKind) -> PiiAction:
        """What is done with a kind."""
        own: PiiAction | None = getattr(self, kind)
        return own or self.default

    def actions(self) -> dict[PiiKind, PiiAction]:
        """What is done with each kind."""
        return {kind: self.action(kind) for kind in get_args(PiiKind)}


class Normalisation(Settings):
    """Steps of the normal form that a text gets before it becomes immutable; each is counted."""

    newlines: bool = Field(True, description="one kind of newline")
    invisible: bool = Field(True, description="remove control, zero-width and bidirectional characters")
    nfc: bool = Field(True, description="compose what has a composed form (NFC)")
    jamo: bool = Field(True, description="half-width and lone conjoining jamo to syllables and usual letters")
    compose_jamo: bool = Field(False, description="letters that spell whole syllables (ㅎㅏㄴㄱㅡㄹ) to them")
    fullwidth: bool = Field(True, description="full-width letters, digits and signs to ASCII")
    spaces: bool = Field(True, description="one space between words, none at the ends of lines")
    indent: bool = Field(True, description="keep the indent of lines")
    blank_lines: bool = Field(True, description="at most one blank line in a row")
    letter_runs: int | None = Field(
        4, ge=1, description="longest run of ㅋ, ㅎ, ㅠ, ㅜ, ㅡ, … to keep; null: any"
    )
    mark_runs: int | None = Field(4, ge=1, description="longest run of ! ? . ~ ; , … to keep; null: any")


class UrlList(Settings):
    """A list of hosts and URLs: a file of one a line, or a directory or .tar.gz of categories as UT1 has them."""

    path: str = Field(description="local path or fsspec URL; .gz and .tar.gz are understood")
    categories: list[str] = Field(default=[], description="categories of the directory to use; empty: all")


class Urls(Settings):
    """Rules on URLs, applied before anything is parsed. A record without a URL is not judged by them."""

    block: list[UrlList] = Field(
        default=[], description="lists of hosts (with subdomains) and URLs not to read"
    )
    blocked: list[str] = Field(default=[], description="further hosts and URLs not to read")
    allow: list[UrlList] = Field(default=[], description="lists whose hosts and URLs no block rule stops")
    allowed: list[str] = Field(default=[], description="further hosts and URLs that no block rule stops")
    only_allowed: bool = Field(False, description="read only what the allow-lists name")
    words: list[Literal["adult", "gambling", "spam"]] = Field(
        default=["adult", "gambling", "spam"],
        description="word lists for hosts and paths, Korean and English",
    )
    word_files: list[str] = Field(
        default=[], description="word lists of your own, local files (docs/url-rules.md)"
    )


class Text(Settings):
    """How text is made from pages."""

    extractor: Literal["hanji", "resiliparse", "trafilatura"] = "hanji"
    structure: Literal["markdown", "plain"] = Field(
        "markdown", description="whether headings, lists, tables, code and formulas keep their marks"
    )
    repair_mojibake: bool = Field(True, description="undo mis-decoding where that is certain")
    timeout_seconds: float = Field(
        20.0, gt=0, description="processor time a page may take; one that takes longer has failed"
    )
    memory_bytes: int = Field(
        4 << 30, ge=1 << 30, description="address space of the process that parses pages"
    )
    line_edits: bool = Field(True, description="remove boilerplate lines, as edits")
    pii: Pii = Pii()
    normalise: Normalisation = Normalisation()


class LanguageModels(Settings):
    """Language identification. ``auto`` finds lid.176.ftz in an installed package."""

    model: str = "auto"
    sha256: str | None = Field(None, description="expected SHA-256 of the model; null: the published ones")
    glotlid: str | None = Field(None, description="path of a GlotLID model, used instead when given")


class Rule(Settings):
    """Keep a document if a comparison holds. The signals are listed in docs/add-a-filter.md."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    signal: str = Field(description="a count, ratio or column that `hanji signals` lists")
    keep: Annotated[str, Field(pattern=r"^(>=|<=|>|<) -?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e-?[0-9]+)?$")] = Field(
        description='comparison and threshold of the documents to keep, for example "<= 0.1"'
    )
    why: str = Field(description="shown in the report and by `hanji why`")


class Preset(Settings):
    """A set of rules with a name, as the presets of the project and files of `hanji calibrate` have it."""

    preset: Name = Field(description="name; its rules are called NAME.RULE")
    source: str = Field(description="where the rules and their values come from")
    notes: str = ""
    rules: list[Rule] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules: each name may stand once; twice: {', '.join(twice)}")
        return self


class Rules(Settings):
    """Which rules judge each language: presets, rules of the recipe's own, and changes of single rules."""

    presets: dict[Language, list[str | Preset]] = Field(
        default={"ko": ["hanji_ko"], "en": ["hanji_en"]},
        description="names that `hanji rules` lists, or paths of files in the same form (my_ko.yaml), whose "
        "content becomes part of the recipe",
    )
    own: dict[Language, list[Rule]] = Field(default={}, description="further rules, named own.NAME")
    thresholds: dict[str, float] = Field(default={}, description="rule name → threshold")
    off: list[str] = Field(default=[], description="names of rules that are not applied")

    @field_validator("presets", mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        """A path is replaced by what the file holds, so that a run and a submitted job need the file no more."""
        if not isinstance(value, dict):
            return value
        return {
            language: [read_preset(one) if is_preset_path(one) else one for one in named]
            if isinstance(named, list)
            else named
            for language, named in value.items()
        }

    @field_validator("thresholds", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """``{gopher: {min_words: 60}}`` and ``gopher.min_words=60`` on the command line mean the same."""
        if not isinstance(value, dict):
            return value
        flat: dict[Any, Any] = {}
        for preset, inner in value.items():
            flat |= (
                {f"{preset}.{k}": v for k, v in inner.items()} if isinstance(inner, dict) else {preset: inner}
            )
        return flat


def is_preset_path(value: Any) -> bool:
    """Whether this names a file with a preset rather than a preset of the project."""
    return isinstance(value, str) and value.endswith((".yaml", ".yml"))


def read_preset(path: str) -> Preset:
    """The preset in a YAML file. Raises RecipeError that names the file."""
    return parse_recipe(read_yaml(Path(path)), Preset, origin=path)


class Block(Settings):
    """A filter or formatter of datatrove, or a class of your own with that interface (docs/blocks.md)."""

    datatrove: str = Field(
        description="class name: one of datatrove's own, or with its module (my_team.filters.MyFilter)"
    )
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] | None = Field(
        None, description="name in the ledger (block.NAME); null: the class's"
    )
    language: Language | Annotated[list[Language], Field(min_length=1)] | None = Field(
        None, description="asked about documents of this language, or these; null: about all"
    )
    args: dict[str, Any] = Field(default={}, description="arguments of the class")
    model: str | None = Field(
        None,
        description="model file of LanguageFilter or FastTextClassifierFilter; auto: the recipe's own lid.176",
    )
    all: bool = Field(False, description="asked about documents too that an earlier block dropped")
    timeout_seconds: float = Field(60.0, gt=0, description="per document; one that takes longer has failed")


class Shingles(Settings):
    """What a document's set is made of: n-grams of words, or of syllables (letters and digits without spaces).

    Texts are compared in NFC and without regard to case.
    """

    unit: Literal["word", "syllable"]
    n: int = Field(ge=1, le=50)


class MinHash(Settings):
    """Near-duplicate search. A pair collides with probability 1 − (1 − s^rows)^bands at Jaccard s.

    Bands and rows are given, or follow from a threshold and a number of permutations (dedup/banding.py).
    """

    enabled: bool = True
    bands: int = Field(14, ge=1, le=512)
    rows: int = Field(8, ge=1, le=512)
    threshold: float | None = Field(
        None,
        gt=0.0,
        lt=1.0,
        description="Jaccard that the search aims at; bands and rows are then datasketch's optimum for it",
    )
    permutations: int = Field(112, ge=1, le=512, description="most that bands · rows may be with a threshold")
    shingles: dict[Language, Shingles] = {
        "ko": Shingles(unit="syllable", n=8),
        "en": Shingles(unit="word", n=5),
    }
    min_jaccard: Share = Field(0.7, description="verified likeness from which a document is a duplicate")
    min_containment: Share = Field(
        0.9, description="or this share of the smaller document's shingles is in the larger"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_threshold(cls, value: Any) -> Any:
        """With a threshold, bands and rows are computed; those of a recipe that was written out must agree."""
        if not isinstance(value, dict) or not isinstance(value.get("threshold"), float):
            return value
        permutations = value.get("permutations", cls.model_fields["permutations"].default)
        if not 0.0 < value["threshold"] < 1.0 or not isinstance(permutations, int) or permutations < 1:
            return value  # the fields' own checks say what is wrong
        bands, rows = optimal_bands(value["threshold"], permutations)
        for name, computed in (("bands", bands), ("rows", rows)):
            if value.get(name, computed) != computed:
                raise ValueError(
                    f"{name} follows from threshold and would be {computed}: give bands and rows, or threshold"
                )
        return value | {"bands": bands, "rows": rows}


class UrlDuplicates(Settings):
    """Versions of one page: documents whose URLs have one normal form (docs/dedup.md) and whose texts are alike."""

    enabled: bool = True
    min_jaccard: Share = Field(
        0.5, description="verified likeness from which a version is a duplicate; 0: the same URL is enough"
    )


class LineThresholds(Settings):
    """How often a line stands in the texts of a language: in how many documents, copies counted once."""

    green: int = Field(ge=1, description="most documents that a line of ordinary text has")
    red: int = Field(ge=1, description="a line of more documents than this is repeated for certain")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.red < self.green:
            raise ValueError(f"red {self.red} is below green {self.green}")
        return self


class RepeatedLines(Settings):
    """Lines that many documents repeat, removed by the pattern in which they stand (docs/repeated-lines.md)."""

    enabled: bool = False
    domains: list[Name] | None = Field(
        ["web"], description="domains of sources whose lines are counted and removed; null: all"
    )
    thresholds: dict[Language, LineThresholds] = Field(
        default={"ko": LineThresholds(green=3, red=50), "en": LineThresholds(green=3, red=1000)},
        min_length=1,
        description="by language; the lines of others are left alone",
    )
    bridge: int = Field(
        3, ge=0, le=1000, description="most repeated lines in a row that stay between two stretches of text"
    )
    keep_single: bool = Field(
        True, description="keep a line of ordinary text that stands alone; the method as published removes it"
    )
    keep_headings: bool = Field(True, description="keep a heading whose text stays")
    min_letters: int = Field(
        4, ge=0, description="a repeated line with fewer letters and digits goes only with its neighbours"
    )
    max_share: Share = Field(
        0.5, description="a document that would lose more than this share of its letters is left as it is"
    )


class Dedup(Settings):
    exact: bool = True
    url: UrlDuplicates = UrlDuplicates()
    minhash: MinHash = MinHash()
    lines: RepeatedLines = RepeatedLines()
    max_source_loss: Share = Field(
        0.9, description="share of a source's passing documents that duplicates may take without an alarm"
    )
    on_source_loss: Literal["warn", "fail"] = Field(
        "warn", description="at that alarm: warn, or fail before any shard is written"
    )
    max_cluster: int | None = Field(
        1000, ge=1, description="a cluster of more documents than this is told as oversized; null: none is"
    )
    max_cluster_action: Literal["warn", "keep"] = Field(
        "warn",
        description="of an oversized cluster: warn only, or keep its near-duplicates too (exact ones still fall)",
    )


class Benchmark(Settings):
    """A benchmark whose items must not be trained on: JSON Lines files, or a data set of Hugging Face."""

    name: Name
    path: str | None = Field(
        None, description="JSON Lines files, plain or compressed: a path, glob, directory or fsspec URL"
    )
    huggingface: str | None = Field(
        None, description="name of a data set (openai/gsm8k); needs the package datasets and the network"
    )
    config: str | None = Field(None, description="configuration of that data set")
    splits: list[str] = Field(default=["test"], min_length=1, description="splits of that data set")
    revision: str | None = Field(None, description="commit or tag of that data set; null: the newest")
    id: str | None = Field("id", description="field with the item's name; null: its number")
    text: list[str] = Field(
        default=["text"],
        description="fields that make an item, joined by line ends; a dot leads into an object or a list of them",
    )
    each: list[str] = Field(default=[], description="fields of which each text is an item of its own")
    where: dict[str, list[str]] = Field(
        default={}, description="only rows whose field has one of these values: {split: [test]}"
    )
    action: ContaminationAction | None = Field(None, description="for this benchmark; null: as for all")
    min_share: Share | None = Field(None, description="for this benchmark; null: as for all")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.huggingface is None):
            raise ValueError(f"benchmark {self.name}: give path or huggingface")
        if not self.text and not self.each:
            raise ValueError(f"benchmark {self.name}: give fields in text or each")
        return self


class AllowedTexts(Settings):
    """Texts that benchmarks quote and anyone may: an n-gram that stands in them does not count."""

    path: str = Field(description="JSON Lines files: a path, glob, directory or fsspec URL")
    text: str = Field("text", description="field with the text")


class Contamination(Settings):
    """Overlap with benchmarks, and what is done about it (docs/decontamination.md)."""

    benchmarks: list[Benchmark] = Field(min_length=1)
    allow: list[AllowedTexts] = Field(
        default=[], description="public sources that benchmarks quote, such as statutes"
    )
    ngrams: dict[Language, Shingles] = Field(
        default={"ko": Shingles(unit="syllable", n=25), "en": Shingles(unit="word", n=13)},
        description="units in a row that count; for items with Hangul and for all others",
    )
    min_share: Share = Field(0.4, description="share of an item in a document from which something is done")
    action: ContaminationAction = Field(
        "drop", description="drop the document, mask what it shares with the item, or report it"
    )
    replacement: str = Field("", description="what a masked stretch becomes")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [benchmark.name for benchmark in self.benchmarks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"contamination.benchmarks: each name may stand once; twice: {', '.join(twice)}")
        missing = sorted(set(get_args(Language)) - set(self.ngrams))
        if missing:
            raise ValueError(f"contamination.ngrams: missing: {', '.join(missing)}")
        return self


class Takedown(Settings):
    """Documents that must go: lists of ids, addresses and hosts (docs/takedown.md)."""

    lists: list[str] = Field(min_length=1, description="files with an entry a line: paths or fsspec URLs")
    duplicates: bool = Field(True, description="kept documents that are truly like a listed one go too")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        """``takedown: legal.txt`` and a list of paths mean the lists."""
        if isinstance(value, str):
            return {"lists": [value]}
        return {"lists": value} if isinstance(value, list) else value


class Tokenizer(Settings):
    """The tokenizer of the shards: a given tokenizer.json, or a byte-level BPE trained on kept documents."""

    file: str | None = None
    eod_token: str = Field("<|end_of_text|>", description="token written after each document")
    vocab_size: int = Field(16_384, ge=300, description="when one is trained")
    train_bytes: int = Field(50_000_000, ge=1000, description="text to train on, taken by id hash")


class Shards(Settings):
    tokenizer: Tokenizer = Tokenizer()
    shard_tokens: int = Field(100_000_000, ge=1000, description="tokens that a shard aims at")
    valid_share: Share = Field(0.001, description="share of clusters held out, by hash of the cluster id")


class EngineSettings(Settings):
    """Where the work runs. The result is the same everywhere."""

    name: Literal["local", "ray", "spark"] = "ray"
    address: str | None = Field(
        None,
        description="cluster to join: Ray's (auto, host:port) or Spark's master (spark://host:port, yarn, "
        "k8s://https://…, local[2]); null starts one here, or takes the master of spark-submit",
    )
    workers: int | None = Field(
        None, ge=1, description="processes of a local engine or cores of embedded Ray and Spark"
    )
    max_in_flight: int | None = Field(None, ge=1, description="bound on tasks handed out at a time")
    retries: int = Field(3, ge=0, description="how often a task is tried again when a worker dies")
    task_memory_bytes: int | None = Field(None, ge=1, description="memory that a task asks of the scheduler")


class CurationRecipe(Settings):
    """Raw data to tiered shards: the file that ``hanji curate`` takes."""

    kind: Literal["curation"] = "curation"
    name: Name
    run: str = Field(description="directory of the run: a path or an fsspec URL")
    sources: list[Source] = Field(min_length=1)
    floor: Floor = Floor()
    urls: Urls = Urls()
    text: Text = Text()
    language: LanguageModels = LanguageModels()
    blocks: list[Block] = Field(default=[], description="datatrove filters and formatters, in this order")
    rules: Rules = Rules()
    dedup: Dedup = Dedup()
    contamination: Contamination | None = Field(
        None, description="decontamination against benchmarks; null: none"
    )
    takedown: Takedown | None = Field(None, description="documents that must not be in the shards")
    quality: dict[Language, str | dict[Name, str]] = Field(
        default={},
        description="fastText quality classifier by language: path of a model made by "
        "`hanji classifier train`, with a label `high`; or several, by name: {edu: PATH, web: PATH}",
    )
    ensembles: dict[Language, Ensemble] = Field(
        default={}, description="how the scores of a language's several models become one (docs/tiers.md)"
    )
    perplexity: dict[Language, Perplexity] = Field(
        default={},
        description="language model by language, whose perplexity is a signal; needs hanji[perplexity]",
    )
    domains: Domains | None = Field(None, description="classifiers of domains; null: none")
    tiers: list[Tier] = Field(
        default=[Tier(name="high", top_share=0.3), Tier(name="medium", top_share=0.7), Tier(name="low")],
        min_length=1,
    )
    stages: tuple[Stage, ...] | None = Field(
        None,
        min_length=1,
        description="which tiers feed which stage of training: shards/stages.json (docs/tiers.md)",
    )
    shards: Shards = Shards()
    engine: EngineSettings = EngineSettings()
    cluster: ClusterSettings = Field(
        ClusterSettings(), description="where `hanji submit` runs it; decides nothing of what it makes"
    )
    partitions: int | None = Field(
        None,
        ge=1,
        le=65_536,
        description="parts of the id space that exchanges use; null: 16, or as many more as the documents and "
        "their bytes ask for, once they are read (docs/scale.md)",
    )
    keep_exchange: bool = Field(
        True,
        description="keep what tasks sent to each other, so that a run that is started again sends nothing again; "
        "false: remove it as soon as it was received, which saves most of the disk that a run takes at its height",
    )
    split_bytes: int = Field(128_000_000, ge=1_000, description="input bytes that one split aims at")
    rewrite_bytes: int | None = Field(
        256_000_000,
        ge=0,
        description="compressed JSONL files from this size on are first rewritten into pieces that many workers "
        "can read; 0 or null: never",
    )
    max_failed_share: Share = Field(
        0.01, description="failed documents a source and step before the run fails"
    )
    verify_inputs: bool = Field(False, description="hash every input before trusting earlier work on it")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"sources: each name may stand once; twice: {', '.join(twice)}")
        check_tiers(self.tiers, self.quality, self.ensembles, self._names(), self.perplexity)
        if self.stages is not None:
            check_patterns(StagePlan(stages=self.stages), self._names(), self.tiers)
        return self

    @field_validator("quality", mode="before")
    @classmethod
    def _models(cls, value: Any) -> Any:
        """A language's models may be a list, each with name and path."""
        return {key: as_models(one) for key, one in value.items()} if isinstance(value, dict) else value

    def _names(self) -> dict[str, set[str] | None]:
        """The names that documents may have by language, domain and source; None where models say them."""
        by_model = self.domains is not None and self.domains.apply == "component"
        return {
            "language": set(self.floor.languages),
            "domain": None if by_model else {source.domain for source in self.sources},
            "source": {source.name for source in self.sources},
        }
