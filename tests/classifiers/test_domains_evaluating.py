"""hanji classifier evaluate-domain: its figures, what it leaves out, warns of and refuses, and what it writes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from curation_corpus import corpus_rows, make_recipe, write_rows
from test_domains import HOW, KINDS

from hanji.classifiers import training
from hanji.classifiers.domains.evaluating.asked import MIN_PROBABILITY, Asked
from hanji.classifiers.domains.evaluating.by_label import drawn, label_figures
from hanji.classifiers.domains.evaluating.coverage import coverage_curve, coverage_table, placed
from hanji.classifiers.domains.evaluating.evaluate import evaluate_domains
from hanji.classifiers.domains.evaluating.models import open_domain_models
from hanji.classifiers.domains.evaluating.page import render
from hanji.classifiers.domains.evaluating.scoring import Told
from hanji.classifiers.domains.training import train_domains
from hanji.classifiers.fasttext_model import Training
from hanji.classifiers.texts import TextFile
from hanji.classifiers.trained_on import read_trained_on
from hanji.curation.model_recipe import Domains
from hanji.curation.scoring import PREDICTED, PROBABILITY, chosen_domain
from hanji.errors import InputError, RecipeError
from hanji.jobs.cli import run
from hanji.jobs.commands.classifier_evaluate_domain_lines import lines

SCRIPT = "<script>alert(1)</script>"
Rows = list[dict[str, str]]


def rows_of(numbers: range, where: str, sites: int = 4) -> Rows:
    """Texts of every kind, those of a kind on ``sites`` hosts of their own."""
    return [
        {
            "text": f"{text.format(n=n)} {where} {n}번째 글",
            "label": label,
            "url": f"https://{label}{n % sites}.{where}/{n}",
        }
        for label, text in KINDS.items()
        for n in numbers
    ]


def write(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models a and b (eojeol, without news), the texts that they know, others, and some of no label."""
    home = tmp_path_factory.mktemp("evaluate-domain")
    known = write(home / "known.jsonl", rows_of(range(24), "old", sites=6))
    some = write(home / "some.jsonl", [row for row in rows_of(range(24), "old") if row["label"] != "news"])
    new = rows_of(range(100, 112), "new")
    # Of one label the model is wrong about a whole site, and one label has one site alone.
    for row in new:
        if row["url"].startswith("https://legal0."):
            row["text"] = KINDS["commerce"].format(n=row["url"])
        if row["label"] == "news":
            row["url"] = f"https://press.new/{row['url'][-3:]}"
    write(home / "new.jsonl", new)
    write(home / "pool.jsonl", [row | {"label": "any"} for row in rows_of(range(200, 210), "pool")])
    train_domains([TextFile(str(known))], home / "a.bin", "ko", HOW, hold_out="nothing")
    train_domains([TextFile(str(some))], home / "b.bin", "ko", HOW, hold_out="nothing", preparation="eojeol")
    return home


@pytest.fixture(scope="module")
def account(home: Path) -> dict[str, Any]:
    return evaluate_domains(
        open_domain_models([home / "a.bin", home / "b.bin"]),
        [TextFile(str(home / "new.jsonl"))],
        [TextFile(str(home / "pool.jsonl"), "pool"), TextFile(str(home / "new.jsonl"), "pool")],
        Asked(ngrams=3, samples=2, by="site"),
    )


def test_figures_by_label_are_those_counted_by_hand_and_one_site_has_no_interval() -> None:
    # Label 0: two sites, of which one is all right and one all wrong; label 1: one site.
    truth = np.array([0, 0, 0, 0, 1, 1])
    told = np.array([0, 0, 1, 1, 1, 2])
    site = np.array([0, 0, 1, 1, 2, 2])
    found = label_figures(truth, told, site, drawn(truth, told, site, 2), ["a", "b"])
    assert found["accuracy"] == 0.5 and found["confusion"]["texts"] == [[2, 2, 0], [0, 1, 1]]
    a, b = found["by_label"]
    assert (a["precision"], a["recall"], a["f1"], a["sites"]) == (1.0, 0.5, 2 / 3, 2)
    assert (b["precision"], b["recall"], b["f1"], b["sites"]) == (1 / 3, 0.5, 0.4, 1)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0.4) / 2) and found["macro_f1_of_several"] == a["f1"]
    assert b["intervals"] == {"precision": None, "recall": None, "f1": None}
    assert found["intervals"]["macro_f1"] is None and found["labels_of_several"] == 1
    # A draw has the right site, the wrong one, or both.
    assert a["intervals"]["recall"] == [0.0, 1.0] == found["intervals"]["macro_f1_of_several"]


def test_an_interval_is_as_narrow_as_sites_are_alike() -> None:
    truth = np.repeat([0, 1], 40)
    told = np.tile([0, 0, 0, 1], 20)
    alike = np.arange(80) // 4  # every site has three texts that are taken for 0, and one for 1
    found = label_figures(truth, told, alike, drawn(truth, told, alike, 2), ["a", "b"])
    assert found["by_label"][0]["intervals"]["recall"] == pytest.approx([0.75, 0.75])
    apart = np.where(told == 0, 0, 1) + 2 * truth
    found = label_figures(truth, told, apart, drawn(truth, told, apart, 2), ["a", "b"])
    low, high = found["by_label"][0]["intervals"]["recall"]
    assert low == 0.0 and high == 1.0


def test_what_a_probability_places_is_what_a_run_places() -> None:
    assert Domains(ko="m.bin").min_probability == MIN_PROBABILITY
    draw = np.random.default_rng(3)
    told = Told(draw.integers(0, 4, 500), np.round(draw.random(500), 2))  # 3: it knows nothing
    told.probability[told.label == 3] = 0.0
    names = pa.array(["a", "b", "c"])
    table = pa.table(
        {
            PREDICTED: names.take(pa.array(told.label, mask=told.label == 3)),
            PROBABILITY: pa.array(told.probability, mask=told.label == 3),
        }
    )
    for least in (0.0, 0.25, 0.5, 0.9):
        domains = Domains(ko="m.bin", apply="component", min_probability=least)
        chosen = chosen_domain(pa.array(["own"] * 500), table, domains).to_pylist()
        assert [one != "own" for one in chosen] == placed(told, least, 3).tolist()


def test_coverage_and_accuracy_are_those_of_a_plain_count() -> None:
    draw = np.random.default_rng(7)
    truth = draw.integers(0, 3, 300)
    told = Told(np.where(draw.random(300) < 0.6, truth, draw.integers(0, 4, 300)), draw.random(300).round(1))
    told.probability[told.label == 3] = 0.0
    site = draw.integers(0, 9, 300)
    pairs = [
        (p, label == right, label < 3)
        for p, label, right in zip(told.probability, told.label, truth, strict=True)
    ]
    rows = coverage_table(truth, told, site, ["a", "b", "c"], [0.0, 0.5, 0.9])
    for row in rows:
        mine = [right for p, right, known in pairs if known and p >= row["min_probability"]]
        assert row["coverage"] == pytest.approx(len(mine) / 300) and row["texts"] == len(mine)
        assert row["accuracy"] == pytest.approx(sum(mine) / len(mine))
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1]
        b = row["by_label"][1]
        taken = placed(told, row["min_probability"], 3) & (told.label == 1)
        assert b["placed"] == taken.sum() and b["precision"] == pytest.approx((truth[taken] == 1).mean())
    told = Told(told.label, np.where(told.label == truth, 0.9, told.probability))
    found = coverage_curve(truth, told, 3)["most_coverage"]
    for accuracy, pair in found.items():
        fits = []
        for least in np.unique(told.probability[told.label < 3]):
            mine = placed(told, least, 3)
            if (truth == told.label)[mine].mean() >= float(accuracy):
                fits.append((mine.mean(), least))
        assert (pair is None and not fits) or pair == pytest.approx(list(max(fits)))


def test_the_account_tells_of_labels_sites_a_pool_and_both_models(account: dict[str, Any]) -> None:
    a, b = account["models"]
    assert account["texts"]["labelled"]["labels"] == {"commerce": 12, "legal": 12, "news": 12}
    by_label = {row["label"]: row for row in a["figures"]["by_label"]}
    assert by_label["legal"]["recall"] == 0.75 and by_label["news"]["f1"] == 1.0
    assert by_label["news"]["sites"] == 1 and by_label["news"]["intervals"]["f1"] is None
    assert by_label["legal"]["intervals"]["recall"][0] < 0.75
    worst = a["confusion"]["rows"][0]
    assert (worst["name"], worst["label"], worst["right"]) == ("legal0.new", "legal", 0)
    assert worst["told"] == {"commerce": 3}
    # b does not know news.
    assert {row["label"]: row["recall"] for row in b["figures"]["by_label"]}["news"] == 0.0
    assert sum(row["documents"] for row in a["pool"]["domains"]) == account["texts"]["pool"]["texts"] == 66
    for row in a["pool"]["domains"]:
        assert sum(row["by_probability"]) == row["documents"]
    assert [row["variant"] for row in a["variants"]][2:] == ["spaces removed", "spaces doubled"]
    assert a["variants"][2]["changing"] == 0.0  # syllables do not see spaces
    assert sum(row["texts"] for row in a["lengths"]) == 36
    right = account["sides"]["right"]
    assert right["only_a"] >= 12 and sum(right[k] for k in ("both", "only_a", "only_b", "neither")) == 36
    less = right["a_less_b"]["accuracy"]
    assert less["difference"] == pytest.approx(a["figures"]["accuracy"] - b["figures"]["accuracy"])
    assert less["interval"][0] <= less["difference"] <= less["interval"][1]
    assert account["sides"]["on"] == "pool" and account["sides"]["samples"][0]["told"][0]["reasons"]
    assert sum(map(sum, account["sides"]["table"])) == 66
    said = " ".join(account["warnings"])
    assert "all texts of news are of one site" in said and "b.bin does not know news" in said
    assert a["mistakes"][0]["label"] == "legal" and a["mistakes"][0]["told"][0]["label"] == "commerce"


def test_files_of_one_name_are_sources_of_their_own(home: Path, tmp_path: Path) -> None:
    """One file a label, all of one name in directories of their own, is how labelled data often lies."""
    files = []
    for label in KINDS:
        (tmp_path / label).mkdir()
        some = [row for row in rows_of(range(3), "x") if row["label"] == label]
        files.append(TextFile(str(write(tmp_path / label / "part-0.jsonl", some)), label))
    found = evaluate_domains(open_domain_models([home / "a.bin"]), files, [], Asked(ngrams=0, samples=0))
    told = {row["name"]: row["label"] for row in found["models"][0]["confusion"]["rows"]}
    assert told == {f"{label}/part-0.jsonl": label for label in KINDS}
    assert len(found["data"]["labelled"]) == 3


def test_calibration_is_of_the_label_that_is_told_and_of_each(account: dict[str, Any], home: Path) -> None:
    (model,) = open_domain_models([home / "a.bin"])
    texts = list(TextFile(str(home / "new.jsonl")))
    found = np.nan_to_num(model.scorer.probabilities([text.text for text in texts]))
    truth = np.array([model.scorer.labels.index(str(text.label)) for text in texts])
    told = account["models"][0]["calibration"]
    sharp = np.zeros_like(found)
    sharp[np.arange(len(truth)), truth] = 1
    assert told["brier"] == pytest.approx(float(np.square(found - sharp).sum(1).mean()), abs=1e-6)
    assert told["brier_of_shares"] == pytest.approx(2 / 3)
    assert told["mean_probability"] == pytest.approx(float(found.max(1).mean()))
    assert sum(row["texts"] for row in told["bins"]) == 36 and set(told["by_label"]) == set(KINDS)


def test_the_account_does_not_depend_on_the_order_of_rows_or_files(
    home: Path, account: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("new", "pool"):
        rows = (home / f"{name}.jsonl").read_text("utf-8").splitlines()
        (tmp_path / f"{name}.jsonl").write_text("\n".join(reversed(rows)) + "\n", "utf-8")
    again = evaluate_domains(
        open_domain_models([home / "a.bin", home / "b.bin"]),
        [TextFile(str(tmp_path / "new.jsonl"))],
        [TextFile(str(tmp_path / "new.jsonl"), "pool"), TextFile(str(tmp_path / "pool.jsonl"), "pool")],
        Asked(ngrams=3, samples=2, by="site"),
    )
    # But for the hashes of the files, which follow the order of their rows.
    assert {**again, "data": 0, "key": 0} == {**account, "data": 0, "key": 0}


def test_texts_of_sites_of_the_training_are_left_out_and_what_that_leaves_is_said(
    home: Path, tmp_path: Path
) -> None:
    known = read_trained_on(home / "a.bin")
    assert known is not None and len(known.texts) == 72 and len(known.sites) == 18
    (model,) = open_domain_models([home / "a.bin"])
    old, asked = TextFile(str(home / "known.jsonl")), Asked(ngrams=0, samples=0)
    with pytest.raises(RecipeError, match="all 72 texts are of sites that a model was trained on"):
        evaluate_domains([model], [old], [], asked)
    more = write(tmp_path / "more.jsonl", [row for row in rows_of(range(9), "x") if row["label"] == "legal"])
    found = evaluate_domains([model], [old, TextFile(str(more))], [], asked)
    assert found["split"]["left_out_of_labels"] == {"commerce": 24, "legal": 24, "news": 24}
    said = " ".join(found["warnings"])
    assert "commerce and news: no text is left" in said and "all texts are of one label" in said
    assert found["models"][0]["figures"]["by_label"][0]["f1"] is None
    whole = evaluate_domains([model], [old], [], Asked(split="none", ngrams=0, samples=0))
    assert "include 72 texts of sites that a model was trained on, and 72 of them" in whole["warnings"][0]
    rows = [json.loads(line) for line in more.read_text("utf-8").splitlines()]
    both = write(tmp_path / "both.jsonl", [*rows, rows[0] | {"label": "news"}])
    found = evaluate_domains([model], [TextFile(str(both))], [], asked)
    assert found["texts"]["labelled"]["texts"] == 8 and found["split"]["disputed"] == 1


def test_labels_that_no_model_has_and_models_of_another_kind_are_refused(home: Path, tmp_path: Path) -> None:
    (model,) = open_domain_models([home / "a.bin"])
    odd = write(tmp_path / "odd.jsonl", [{"text": "글 하나", "label": "academic"}])
    with pytest.raises(InputError, match="text 1: label 'academic' is none that the model has: commerce, le"):
        evaluate_domains([model], [TextFile(str(odd))], [])
    bare = write(tmp_path / "bare.jsonl", [{"text": "글 하나"}])
    with pytest.raises(InputError, match="text 1: no field 'label'; --label DOMAIN=FILE"):
        evaluate_domains([model], [TextFile(str(bare))], [])
    with pytest.raises(RecipeError, match=r"a pool \(--pool\), or both"):
        evaluate_domains([model], [], [])
    two = [
        {"text": f"{text.format(n=n)}", "label": label}
        for label, text in (("high", KINDS["legal"]), ("low", KINDS["commerce"]))
        for n in range(20)
    ]
    quality = tmp_path / "quality.bin"
    how = Training(lr=0.5, dim=4, epoch=2, bucket=200)
    training.train([write(tmp_path / "two.jsonl", two)], quality, "ko", how)
    with pytest.raises(
        RecipeError, match="model of the kind 'quality', not of domains; `hanji classifier ev"
    ):
        open_domain_models([quality])
    quality.with_suffix(".json").unlink()
    with pytest.raises(RecipeError, match="its labels are high and low, which are no domains"):
        open_domain_models([quality], "ko")


def test_the_command_writes_page_json_and_card_and_the_same_evaluation_once(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in home.glob("a.*"):
        shutil.copyfile(path, tmp_path / path.name)
    model = str(tmp_path / "a.bin")
    split = {label: tmp_path / f"{label}.jsonl" for label in KINDS}
    for label, path in split.items():
        rows = [row for row in rows_of(range(300, 308), "<b>y") if row["label"] == label]
        write(path, [{"text": f"{SCRIPT} {row['text']}", "url": row["url"]} for row in rows])
    asked = ["classifier", "evaluate-domain", model, "--pool", str(home / "pool.jsonl"), "--quiet"]
    asked += [part for label, path in split.items() for part in ("--label", f"{label}={path}")]
    asked += ["--min-probability", "0.7", "--ngrams", "2", "--samples", "1"]
    files = ["--json", str(tmp_path / "out.json"), "--report", str(tmp_path / "out.html")]
    assert run([*asked, *files]) == 0 and run(asked) == 0
    said = capsys.readouterr().out
    assert "0.7 *" in said and "n-grams that add most" in said and "\x1b" not in said
    account = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert account["format"] == "hanji-domain-evaluation/1" and account["min_probability"] == 0.7
    html = (tmp_path / "out.html").read_text("utf-8")
    assert html.startswith("<!doctype html>") and html.count("<svg") >= 4
    assert not re.search(r"<script|<b>y|src=|url\(|http-equiv=.refresh", html)
    assert re.findall(r"href=.(.)", html) == ["#"] * html.count("href=")
    card = json.loads((tmp_path / "a.json").read_text("utf-8"))
    (one,) = card["evaluations"]
    figures = account["models"][0]["figures"]
    assert (
        one["figures"]["macro-F1"] == figures["macro_f1"]
        and "F1 of news (8 texts, 4 sites)" in one["figures"]
    )
    hashes = [row["hash"] for row in one["data"]]
    assert len(hashes) == 4 and all(sha in (tmp_path / "a.md").read_text("utf-8") for sha in hashes)
    assert run(["classifier", "evaluate", model, "--pool", str(home / "pool.jsonl")]) == 2
    assert "evaluate-domain" in capsys.readouterr().err


def test_a_second_model_is_shown_beside_the_first_and_a_pool_alone_is_enough(
    account: dict[str, Any], home: Path
) -> None:
    html, said = render(account), "\n".join(lines(account))
    assert "Side by side" in html and "A less B" in said and "side by side on the pool" in said
    (model,) = open_domain_models([home / "a.bin"])
    found = evaluate_domains(
        [model], [], [TextFile(str(home / "pool.jsonl"), "pool")], Asked(ngrams=0, samples=0)
    )
    assert found["split"] is None and "figures" not in found["models"][0]
    assert "Probability" not in render(found) and "the pool by predicted domain" in "\n".join(lines(found))


@pytest.mark.slow
def test_the_tokens_of_a_pool_by_domain_are_those_of_the_components_of_a_run(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that goes by the model makes the components that the evaluation foretold on its documents."""
    from hanji.curation.pipeline import curate
    from hanji.manifest import read_manifest

    (model,) = open_domain_models([home / "a.bin"])
    korean = [row["text"] for row in corpus_rows() if str(row["id"]).startswith("ko-")]
    least = float(np.median(model.scorer.probabilities(korean).max(axis=1)))
    domains = {"ko": str(home / "a.bin"), "apply": "component", "min_probability": least}
    rows = [write_rows(tmp_path / "rows.jsonl", corpus_rows())]
    curate(make_recipe(tmp_path / "run", rows, domains=domains))
    asked = ["classifier", "evaluate-domain", str(home / "a.bin"), "--pool", str(tmp_path / "run")]
    asked += ["--min-probability", repr(least), "--json", "-", "--no-card", "--quiet", "--samples", "0"]
    assert run(asked) == 0
    found = json.loads(capsys.readouterr().out)
    manifest, _ = read_manifest(str(tmp_path / "run/shards"))
    made: dict[str, list[int]] = {}
    for one in manifest.components:
        if one.language == "ko":
            amounts = made.setdefault(one.domain, [0, 0, 0])
            for place, amount in enumerate((one.documents, one.tokens, one.bytes)):
                amounts[place] += amount
    told = {
        row["domain"]: [row[f"{what}_placed"] for what in ("documents", "tokens", "bytes")]
        for row in found["models"][0]["pool"]["domains"]
        if row["documents_placed"]
    }
    assert told and told == {name: amounts for name, amounts in made.items() if name in KINDS}
    assert sum(amounts[1] for amounts in made.values()) == found["texts"]["pool"]["tokens"]
