"""Which words and n-grams a linear model goes by, found in the texts that are evaluated.

fastText has no list of its n-grams: they share rows of a matrix by hash. So the texts are read as the model reads
them, and each word or n-gram that stands in them is attributed the weight of its row. The log-odds of a text are
the mean weight of its features; an n-gram's *contribution* is its share of them, Σ weight / features of the text,
over all texts, divided by their number: what it adds to the log-odds of the average text. N-grams of one row have
one weight, so none of them contributes more than their row does; rows are ranked first, and only the n-grams of
the foremost rows are told apart. The lists are exact for these texts, in memory that does not grow with them.

``row_ngrams`` says how many n-grams of these texts share the row, ``row_share`` which part of the row's uses is
this one. The heaviest n-grams are those whose row they have for the most part to themselves. What else was hashed
to a row in training is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from hanji.classifiers.linear import FAST, Features, LinearModel
from hanji.classifiers.preparing import prepare, without_surrogates

Batches = Callable[[], Iterator[tuple[list[str], np.ndarray | None]]]
"""Gives texts and which of them are good (bool[n], or None), a batch at a time, the same ones at every call."""
BYTES_AT_ONCE = 1 << 19
LEAST_SHARE, LEAST_TEXTS, LEAST_OF_ROW = 0.005, 5, 0.5
"""An n-gram counts among the heaviest if it stands in so large a share of the texts and in so many, and if so large
a share of its row's uses is its own."""
_MERGED_AT = 1 << 22


def readable(text: str) -> str:
    """A text on one line, without what a terminal or a page would obey or hide: controls, marks of direction."""
    return "".join(one if one.isprintable() else "\ufffd" for one in " ".join(text.split()))


@dataclass(frozen=True)
class _Rows:
    """Sums of the rows over all texts: float64[rows] contributions, int64[rows] uses, int64[rows] texts."""

    contributions: np.ndarray
    uses: np.ndarray
    texts: np.ndarray
    number: int


@dataclass(frozen=True)
class _Found:
    """The n-grams of chosen rows, by key: columns of equal length."""

    keys: np.ndarray
    rows: np.ndarray
    contributions: np.ndarray
    uses: np.ndarray
    good: np.ndarray
    others: np.ndarray


class Reader:
    """A linear model, one of its labels, and how texts are prepared for it."""

    def __init__(self, model: LinearModel, label: str, preparation: str) -> None:
        self.model, self.preparation = model, preparation
        self.weights = model.toward(label)

    def features(self, texts: list[str]) -> Features:
        """What the model reads in texts."""
        if self.preparation in FAST:
            lines, how = [without_surrogates(text) for text in texts], self.preparation
        else:
            lines, how = [prepare(text, self.preparation) for text in texts], "dclm"
        return self.model.features(pa.array(lines, pa.large_string()), how)

    def word(self, features: Features, place: int) -> str:
        return readable(features.word(place, self.preparation if self.preparation in FAST else "dclm"))


def weightiest(reader: Reader, batches: Batches, most: int) -> dict[str, Any]:
    """The ``most`` n-grams that add and take most (``up``, ``down``), and the heaviest of those that are not rare.

    Returns {"texts", "up", "down", "heaviest_up", "heaviest_down"}; each of the lists has rows of ``ngram``,
    ``weight``, ``contribution``, ``uses``, ``texts``, ``good`` and ``others`` (texts of either kind that have it),
    ``row_ngrams``, ``row_share``.
    """
    sums = _row_sums(reader, batches)
    least = max(LEAST_TEXTS, int(np.ceil(LEAST_SHARE * sums.number)))
    wide = 4 * most
    while True:
        chosen, enough = _chosen(reader, sums, wide, least)
        found = _ngrams(reader, batches, chosen)
        lists, exact = _lists(reader, sums, found, most, wide, least)
        if exact or enough:
            break
        wide *= 4
    wanted = np.unique(np.concatenate([found.keys[places] for places in lists.values()]))
    words = _words(reader, batches, wanted)
    of_row = np.bincount(np.unique(found.rows, return_inverse=True)[1])
    row_place = np.unique(found.rows, return_inverse=True)[1]
    told: dict[str, Any] = {"texts": sums.number, "least_texts": least}
    for name, places in lists.items():
        told[name] = [
            {
                "ngram": words[int(found.keys[place])],
                "weight": float(reader.weights[found.rows[place]]),
                "contribution": float(found.contributions[place] / max(1, sums.number)),
                "uses": int(found.uses[place]),
                "texts": int(found.good[place] + found.others[place]),
                "good": int(found.good[place]),
                "others": int(found.others[place]),
                "row_ngrams": int(of_row[row_place[place]]),
                "row_share": float(found.uses[place] / sums.uses[found.rows[place]]),
            }
            for place in places.tolist()
        ]
    return told


def explained(reader: Reader, text: str, most: int) -> list[dict[str, Any]]:
    """The ``most`` n-grams of one text that move its score most, either way: ``ngram`` and ``contribution``."""
    features = reader.features([text])
    if not len(features.rows):
        return []
    keys, first, place = np.unique(features.keys, return_index=True, return_inverse=True)
    shares = np.bincount(place, reader.weights[features.rows], len(keys)) / len(features.rows)
    order = np.lexsort((keys, -abs(shares)))[:most]
    order = order[shares[order] != 0]
    return [
        {"ngram": reader.word(features, int(first[one])), "contribution": float(shares[one])} for one in order
    ]


def _row_sums(reader: Reader, batches: Batches) -> _Rows:
    size = reader.model.rows
    sums = _Rows(np.zeros(size), np.zeros(size, np.int64), np.zeros(size, np.int64), 0)
    number = 0
    for features, _ in _read(reader, batches):
        np.add.at(sums.contributions, features.rows, _contributions(reader, features))
        np.add.at(sums.uses, features.rows, 1)
        pairs = np.unique(features.rows * len(features.counts) + features.text)
        np.add.at(sums.texts, pairs // len(features.counts), 1)
        number += len(features.counts)
    return _Rows(sums.contributions, sums.uses, sums.texts, number)


def _chosen(reader: Reader, sums: _Rows, wide: int, least: int) -> tuple[np.ndarray, bool]:
    """(bool[rows]: the ``wide`` foremost rows of each list, whether these are all the rows that are used)."""
    chosen = np.zeros(len(sums.uses), bool)
    used = np.flatnonzero(sums.uses)
    frequent = np.flatnonzero(sums.texts >= least)
    for rows, values in ((used, sums.contributions), (frequent, reader.weights)):
        order = rows[np.argsort(values[rows], kind="stable")]
        chosen[order[:wide]] = chosen[order[-wide:]] = True
    return chosen, len(used) <= wide


def _ngrams(reader: Reader, batches: Batches, chosen: np.ndarray) -> _Found:
    parts: list[list[np.ndarray]] = []
    for features, good in _read(reader, batches):
        mine = np.flatnonzero(chosen[features.rows])
        keys, first, place = np.unique(features.keys[mine], return_index=True, return_inverse=True)
        pairs = np.unique(place * len(features.counts) + features.text[mine])
        owner, text = pairs // len(features.counts), pairs % len(features.counts)
        is_good = np.zeros(len(pairs)) if good is None else good[text]
        parts.append(
            [
                keys,
                features.rows[mine][first],
                np.bincount(place, _contributions(reader, features)[mine], len(keys)),
                np.bincount(place, minlength=len(keys)),
                np.bincount(owner, is_good, len(keys)),
                np.bincount(owner, 1 - is_good, len(keys)),
            ]
        )
        if sum(len(part[0]) for part in parts) > _MERGED_AT:
            parts = [_merged(parts)]
    return _Found(*_merged(parts))


def _merged(parts: list[list[np.ndarray]]) -> list[np.ndarray]:
    if not parts:
        return [np.zeros(0, kind) for kind in (np.uint64, np.int64, float, np.int64, float, float)]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    keys, first, place = np.unique(columns[0], return_index=True, return_inverse=True)
    return [keys, columns[1][first], *(np.bincount(place, column, len(keys)) for column in columns[2:])]


def _lists(
    reader: Reader, sums: _Rows, found: _Found, most: int, wide: int, least: int
) -> tuple[dict[str, np.ndarray], bool]:
    """Places in ``found`` of each list, and whether no row that was not chosen can hold one that belongs there."""
    weights = reader.weights[found.rows]
    frequent = found.good + found.others >= least
    frequent &= found.uses >= LEAST_OF_ROW * sums.uses[found.rows]
    used = np.sort(sums.contributions[sums.uses > 0])
    bounds = {
        "up": used[-wide - 1] if len(used) > wide else -np.inf,
        "down": -used[wide] if len(used) > wide else -np.inf,
    }
    lists, exact = {}, True
    for name, values, fits in (
        ("up", found.contributions, found.contributions > 0),
        ("down", -found.contributions, found.contributions < 0),
        ("heaviest_up", weights, frequent & (weights > 0)),
        ("heaviest_down", -weights, frequent & (weights < 0)),
    ):
        places = np.flatnonzero(fits)
        places = places[np.lexsort((found.keys[places], -values[places]))][:most]
        lists[name] = places
        if name in bounds:
            last = values[places[-1]] if len(places) == most else 0.0
            exact &= bool(last >= bounds[name])
        else:
            # Rows were taken by weight: as many as are asked for, or all that can hold any.
            exact &= len(places) == most or int((sums.texts >= least).sum()) <= wide
    return lists, exact


def _words(reader: Reader, batches: Batches, wanted: np.ndarray) -> dict[int, str]:
    """How the n-grams of keys read where they stand first."""
    words: dict[int, str] = {}
    for features, _ in _read(reader, batches):
        mine = np.flatnonzero(np.isin(features.keys, wanted))
        keys, first = np.unique(features.keys[mine], return_index=True)
        for key, place in zip(keys.tolist(), mine[first].tolist(), strict=True):
            if key not in words:
                words[key] = reader.word(features, place)
        if len(words) == len(wanted):
            break
    return words


def _contributions(reader: Reader, features: Features) -> np.ndarray:
    return np.asarray(reader.weights[features.rows] / features.counts[features.text])


def _read(reader: Reader, batches: Batches) -> Iterator[tuple[Features, np.ndarray | None]]:
    """Texts as features, some hundred kilobytes of them at a time."""
    for texts, good in batches():
        sizes = np.cumsum([len(text.encode("utf-8", "replace")) for text in texts])
        cuts = np.flatnonzero(np.diff(sizes // BYTES_AT_ONCE, prepend=0)).tolist()
        for start, end in zip([0, *cuts], [*cuts, len(texts)], strict=True):
            if start < end:
                part = None if good is None else good[start:end]
                yield reader.features(texts[start:end]), part
