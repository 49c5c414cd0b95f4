"""How well the classifier of domains tells sources apart that it never saw: ``python -m benchmarks.domains``.

A text's domain is that of its source; nobody labelled a text. Of a domain with several sites a third of them, and
at least one, is held out whole in each of five splits. Where a domain has one site only, a fifth of its texts is
held out, by hash: the figures of these domains are apart, for they are too good. Domains without data are named.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.classifier_mail import sites_of_mail
from benchmarks.harness import cpu_seconds, data_directory, machine, rows, say
from hanji.classifiers.domains.figures import confusion, f1, macro_f1, of_labels
from hanji.classifiers.domains.scoring import DOMAINS, DomainScorer
from hanji.classifiers.domains.training import train_domains
from hanji.classifiers.texts import Text, site_of
from hanji.classifiers.training import default_training
from hanji.curation.text.extract import extract

SPLITS = 5
OF_SITE, OF_DOMAIN = 400, 1200
"""Texts at most, by hash."""
LEAST = {"community": 1}
"""Characters of a text at least; 200 where nothing is said."""
Found = Iterator[tuple[str, str]]
"""(site, text)."""


def _files(*names: str, field: str = "text") -> Found:
    """Texts of files; a file is a site where its rows name no host."""
    for name in names:
        for row in rows(name):
            if row.get(field):
                yield (site_of({"url": row.get("url")}) or name), row[field]


def _manual(name: str) -> Found:
    for path in sorted((data_directory() / name).iterdir()):
        html = path.read_bytes().decode("euc-kr" if name.endswith("euckr") else "utf-8", "replace")
        yield name, extract(html, "hanji").text


def _documentation(language: str) -> Found:
    names = {
        "ko": ("d2l", "progit2", "rust_book_editions", "vue"),
        "en": ("progit2", "rust_book_editions", "vue"),
    }
    yield from _files(*(f"{language}_docs_{name}" for name in names[language]))
    if language == "en":
        yield from _files("en_gov_18f_handbook")
    yield from _manual("html_raw_httpd_ko_euckr" if language == "ko" else "html_raw_httpd_en")


def _comments() -> Found:
    for row in rows("ko_comments_korean_hate_speech"):
        if row.get("source") != "news_title":
            yield "comments on news", row["text"]


def _mail(label: str) -> Found:
    mails = list(rows("en_email_spamassassin"))
    for site, mail in zip(sites_of_mail(mails), mails, strict=True):
        if mail["label"] == label:
            text = mail["text"]
            yield site, extract(text, "hanji").text if mail["is_html"] else text


def _books() -> Found:
    for row in rows("en_gutenberg_books"):
        yield row["source"], row["text"]


def _posts() -> Found:
    for blog in ("cheese10yun", "d2fault", "homoefficio"):
        yield from _files(f"html_ko_{blog}", field="gold_text")


def _community() -> Found:
    yield from _files("ko_petitions", "ko_nsmc_reviews", "ko_curse_detection")
    yield from _comments()


def _english_community() -> Found:
    yield from _files("en_tweets_hate_davidson")
    yield from _mail("ham")


SOURCES: dict[str, dict[str, Callable[[], Found]]] = {
    "ko": {
        "encyclopaedic": lambda: _files("bench_korquad1_dev_wiki"),
        "instruction": lambda: _documentation("ko"),
        "news": lambda: _files("ko_news_dps_fixture"),
        "community": _community,
        "commerce": lambda: _files("ko_seo_affiliate_products"),
        "legal": lambda: _files("ko_court_precedents", "ko_statutes"),
        "web": _posts,
    },
    "en": {
        "code": lambda: _files("bench_humaneval"),
        "instruction": lambda: _documentation("en"),
        "news": lambda: _files("html_gold_scrapinghub_aeb", field="gold_text"),
        "community": _english_community,
        "commerce": lambda: _mail("spam"),
        "literature": _books,
    },
}


class Texts:
    """Texts of one domain, as a source of training texts."""

    def __init__(self, name: str, texts: Sequence[Text]) -> None:
        self.name = name
        self._texts = texts

    def identity(self) -> str:
        return str(len(self._texts))

    def __iter__(self) -> Iterator[Text]:
        return iter(self._texts)


def corpus(language: str) -> dict[str, list[Text]]:
    """The texts of each domain, each once, in the order of their hash."""
    found = {}
    for domain, find in SOURCES[language].items():
        by_site: dict[str, dict[bytes, Text]] = defaultdict(dict)
        for site, text in find():
            if len(text.strip()) >= LEAST.get(domain, 200):
                made = Text(text, domain, site)
                by_site[site][made.hash()] = made
        some = [texts[key] for texts in by_site.values() for key in sorted(texts)[:OF_SITE]]
        found[domain] = sorted(some, key=Text.hash)[:OF_DOMAIN]
    return found


def split(texts: Sequence[Text], number: int) -> tuple[list[Text], list[Text]]:
    """(training, test) of one domain."""
    sites = sorted({text.site for text in texts}, key=lambda site: _hash(f"{number} {site}"))
    if len(sites) == 1:
        test = {text.text for text in texts if _hash(f"{number} {text.text}")[0] < 51}
        return [t for t in texts if t.text not in test], [t for t in texts if t.text in test]
    held_out = set(sites[: max(1, len(sites) // 3)])
    return [t for t in texts if t.site not in held_out], [t for t in texts if t.site in held_out]


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def measure(language: str) -> None:
    """Train and test on each split; say what came out."""
    texts = corpus(language)
    labels = list(texts)
    sites = {domain: len({text.site for text in some}) for domain, some in texts.items()}
    several = [label for label in labels if sites[label] > 1]
    table = np.zeros((len(labels), len(labels) + 1), np.int64)
    figures: dict[str, list[float]] = defaultdict(list)
    sure_of, right_of, count_of = 0, 0, 0
    speeds = []
    for number in range(SPLITS):
        parts = {domain: split(some, number) for domain, some in texts.items()}
        with tempfile.TemporaryDirectory() as scratch:
            model = Path(scratch) / "model.bin"
            sources = [Texts(domain, train) for domain, (train, _) in parts.items()]
            train_domains(sources, model, language, hold_out="nothing")
            scorer = DomainScorer(model)
            test = [text for _, held_out in parts.values() for text in held_out]
            array = pa.array([text.text for text in test], pa.large_string())
            scorer.predict(array.slice(0, 8))
            names, probability = scorer.predict(array)
            speeds.append(
                pc.sum(pc.binary_length(array)).as_py()
                / 1e6
                / cpu_seconds(lambda scorer=scorer, array=array: scorer.predict(array))
            )  # type: ignore[misc]
        truth, told = [str(text.label) for text in test], names.fill_null("").to_pylist()
        made = confusion(truth, told, labels)
        table += made
        rows_of_several = [labels.index(label) for label in several]
        figures["all"].append(macro_f1(made))
        figures["several"].append(float(f1(made)[rows_of_several].mean()))
        sure = probability >= 0.5
        count_of, sure_of = count_of + len(test), sure_of + int(sure.sum())
        right_of += int((sure & (np.array(truth) == np.array(told))).sum())
    say(f"\n## Domains, {language}\n")
    say("| domain | texts | sites | precision | recall | F1 | held out |\n|---|---|---|---|---|---|---|")
    by_label = of_labels(table, labels)
    for label in labels:
        one = by_label[label]
        cells = " | ".join(
            "–" if one[name] is None else f"{one[name]:.3f}" for name in ("precision", "recall", "f1")
        )
        how = "sites" if sites[label] > 1 else "texts of the one site"
        say(f"| {label} | {len(texts[label]):,} | {sites[label]} | {cells} | {how} |")
    absent = [domain for domain in DOMAINS if domain not in texts]
    say(f"\nNo data: {', '.join(absent)}.\n")
    say("| confusion, rows by source | " + " | ".join(labels) + " |\n|---" * 1 + "|---" * len(labels) + "|")
    for label, row in zip(labels, table, strict=True):
        say(f"| {label} | " + " | ".join(f"{count:,}" for count in row[:-1].tolist()) + " |")
    say(
        f"\nmacro-F1 over {SPLITS} splits: {_spread(figures['several'])} of the {len(several)} domains with "
        f"several sites, {_spread(figures['all'])} of all {len(labels)}; {sure_of / count_of:.1%} of the texts "
        f"have a probability of at least 0.5, of these {right_of / max(sure_of, 1):.1%} are right; "
        f"{np.median(speeds):.0f} MB/s of processor time"
    )


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f} (least {min(values):.3f})"


OTHER_SETTINGS: dict[str, dict[str, int]] = {
    "as it is": {},
    "500,000 buckets": {"bucket": 500_000},
    "25 epochs, 500,000 buckets": {"epoch": 25, "bucket": 500_000},
    "bigrams, 500,000 buckets": {"word_ngrams": 2, "bucket": 500_000},
}


def compare_settings(language: str) -> None:
    """macro-F1 of other settings, on three splits that :func:`measure` does not use."""
    texts = corpus(language)
    labels = list(texts)
    several = [place for place, label in enumerate(labels) if len({text.site for text in texts[label]}) > 1]
    say(f"\n## Settings, {language}: macro-F1 of the domains with several sites; of all\n")
    for name, changed in OTHER_SETTINGS.items():
        figures = []
        for number in range(100, 103):
            parts = {domain: split(some, number) for domain, some in texts.items()}
            with tempfile.TemporaryDirectory() as scratch:
                model = Path(scratch) / "model.bin"
                settings = replace(default_training(language), **changed)  # type: ignore[arg-type]
                sources = [Texts(domain, train) for domain, (train, _) in parts.items()]
                train_domains(sources, model, language, settings, hold_out="nothing")
                test = [text for _, held_out in parts.values() for text in held_out]
                names, _ = DomainScorer(model).predict([text.text for text in test])
            made = confusion([str(text.label) for text in test], names.fill_null("").to_pylist(), labels)
            figures.append((float(f1(made)[several].mean()), macro_f1(made)))
        first, second = zip(*figures, strict=True)
        say(f"{name}: {_spread(first)}; {_spread(second)}")


def main() -> None:
    """``python -m benchmarks.domains``, or ``… settings`` to compare settings of the training."""
    say(machine())
    for language in SOURCES:
        (compare_settings if sys.argv[1:] == ["settings"] else measure)(language)


if __name__ == "__main__":
    main()
