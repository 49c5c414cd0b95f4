"""The index of benchmark items: their units, and the seeds by which documents are searched for them.

It is built once a run and is one file (NumPy arrays without compression, the same bytes for the same items).
Which stretch of an item counts depends on the item's length L in units and the recipe's n:

========================  ====================================================================================
L >= 2n                   n units in a row
n <= L < 2n               0.4 L in a row, and no fewer than 0.6 n words or 0.5 n syllables
L < n                     the whole item; below that floor only where a sentence may begin (after a line end, a
                          full stop, a quote or the like), and below n / 3 only where one ends with it, too
a handful (``short``)     nothing: the item is not looked for, and the report says how many are not
========================  ====================================================================================

An n-gram does not count of which more than half stands in a source of the allow-list, or is an address.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hanji.curation.columns import text_buffers
from hanji.curation.contamination import kernels
from hanji.curation.contamination.benchmarks import Item
from hanji.curation.recipe import Language, Normalisation, Shingles
from hanji.curation.text.normalise import DEFAULT, normalise
from hanji.errors import RecipeError

VERSION = 1
_KINDS = {"word": kernels.WORD, "syllable": kernels.SYLLABLE}
_FLOORS = {"word": 0.6, "syllable": 0.5}
_HALF = 0.4
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
_HANGUL = re.compile(r"[가-힣]")
_LETTERS = re.compile(r"[^\W\d_]")
_MOST_MATCHES = 1 << 14


@dataclass(frozen=True)
class Lengths:
    """Lengths, in units, that follow from n; see the module's table."""

    n: int
    floor: int
    seed: int
    short: int

    @classmethod
    def of(cls, shingles: Shingles) -> Lengths:
        """Raises RecipeError where n is too small to tell a leak from a phrase."""
        n = shingles.n
        if n < 5:
            raise RecipeError(f"contamination.ngrams: n must be 5 or more, not {n}")
        seed = max(2, round(0.4 * n))
        short = seed if shingles.unit == "word" else max(2, n // 4)
        # Rounded first: 0.6 × 5 is a little more than 3 in binary.
        return cls(n, math.ceil(round(_FLOORS[shingles.unit] * n, 6)), seed, short)

    def need(self, length: int) -> int:
        """Units in a row that count in an item of this length."""
        if length >= 2 * self.n:
            return self.n
        if length >= self.n:
            return max(self.floor, math.ceil(round(_HALF * length, 6)))
        return length


@dataclass(frozen=True)
class ItemIndex:
    """Items that are cut into one kind of unit; arrays as :func:`kernels.find` takes them.

    ``numbers`` (int32) are the items' places in the whole index; ``excluded`` (uint8, one a unit) says of which
    units the n-gram that begins there does not count; ``countable`` (int32, one an item) is how many units of an
    item can count at all.
    """

    kind: np.ndarray
    lengths: np.ndarray
    numbers: np.ndarray
    hashes: np.ndarray
    seed_items: np.ndarray
    seed_places: np.ndarray
    bounds: np.ndarray
    units: np.ndarray
    points: np.ndarray
    ends: np.ndarray
    needs: np.ndarray
    alone: np.ndarray
    excluded: np.ndarray
    countable: np.ndarray

    def search(self, texts: pa.Array) -> Iterator[np.ndarray]:
        """Stretches that texts (large_string, no nulls) share with items: int64[matches, kernels.ROW] at a time."""
        yield from _search(self, texts)


@dataclass(frozen=True)
class BenchmarkIndex:
    """All items of a recipe: benchmark and id of each, and an index for each kind of unit in use."""

    benchmarks: list[str]
    of_item: list[int]
    ids: list[str]
    unchecked: list[int]
    """Items that are too short to be looked for, or of which nothing can count."""
    parts: list[ItemIndex]

    def benchmark(self, item: int) -> str:
        return self.benchmarks[self.of_item[item]]

    def to_bytes(self) -> bytes:
        """The index as a file: the same bytes for the same content."""
        names = json.dumps([self.benchmarks, self.of_item, self.ids, self.unchecked], ensure_ascii=False)
        arrays = {"names": np.frombuffer(names.encode("utf-8", "surrogatepass"), np.uint8)}
        for place, part in enumerate(self.parts):
            arrays |= {f"{place}_{field.name}": getattr(part, field.name) for field in fields(ItemIndex)}
        file = io.BytesIO()
        np.savez(file, **arrays)  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> BenchmarkIndex:
        with np.load(io.BytesIO(data)) as arrays:
            names = json.loads(arrays["names"].tobytes().decode("utf-8", "surrogatepass"))
            places = sorted({int(name.partition("_")[0]) for name in arrays.files if name != "names"})
            parts = [
                ItemIndex(**{field.name: arrays[f"{place}_{field.name}"] for field in fields(ItemIndex)})
                for place in places
            ]
        benchmarks, of_item, ids, unchecked = names
        return cls(benchmarks, of_item, ids, unchecked, parts)


def build_index(
    items: Sequence[Item],
    ngrams: dict[Language, Shingles],
    allowed: Iterable[pa.Array] = (),
    normal: Normalisation = DEFAULT,
) -> BenchmarkIndex:
    """The index of these items; ``allowed`` are batches of texts (large_string) of the allow-list, in
    the normal form ``normal`` that documents and items have.

    An item with a fair share of Hangul is cut as the recipe says for Korean, any other as for English. Raises
    RecipeError where n is too small.
    """
    benchmarks = sorted({item.benchmark for item in items})
    of_item = [benchmarks.index(item.benchmark) for item in items]
    by_language: dict[Language, list[int]] = {}
    texts = [normalise(item.text, normal).text for item in items]
    for number, text in enumerate(texts):
        by_language.setdefault(_language(text), []).append(number)
    parts, quoted, unchecked = [], [], set(range(len(items)))
    for language, numbers in sorted(by_language.items()):
        part, in_address = _item_index(numbers, [texts[number] for number in numbers], ngrams[language])
        parts.append(part)
        quoted.append(in_address)
    parts = [_exclude(part, units) for part, units in zip(parts, quoted, strict=True)]
    for batch in allowed:
        for part, units in zip(parts, quoted, strict=True):
            _mark_allowed(part, units, batch)
    parts = [_exclude(part, units) for part, units in zip(parts, quoted, strict=True)]
    for part in parts:
        part.countable[:] = _countable(part)
        unchecked -= set(part.numbers[part.countable > 0].tolist())
    return BenchmarkIndex(benchmarks, of_item, [item.id for item in items], sorted(unchecked), parts)


def _language(text: str) -> Language:
    """Korean is what has Hangul in at least a tenth of its letters."""
    return "ko" if 10 * len(_HANGUL.findall(text)) >= max(1, len(_LETTERS.findall(text))) else "en"


def _item_index(numbers: list[int], texts: list[str], shingles: Shingles) -> tuple[ItemIndex, np.ndarray]:
    """The index of some items, and which of their units stand in addresses."""
    lengths = Lengths.of(shingles)
    kind = _KINDS[shingles.unit]
    cut = [units_of(text, kind) for text in texts]
    sizes = np.array([len(one.units) for one in cut], np.int64)
    bounds = np.append(0, np.cumsum(sizes))
    characters = np.append(0, np.cumsum([len(one.points) for one in cut]))
    units = np.concatenate([one.units for one in cut])
    needs = np.array([lengths.need(size) for size in sizes.tolist()], np.int32)
    hashes, items, places = _seeds(units, bounds, needs, lengths)
    part = ItemIndex(
        np.array([kind]),
        np.array([lengths.n, lengths.floor, lengths.seed, lengths.short]),
        np.array(numbers, np.int32),
        hashes,
        items,
        places,
        bounds,
        units,
        np.concatenate([one.points for one in cut]),
        np.concatenate([one.ends + start for one, start in zip(cut, characters, strict=False)]),
        needs,
        (sizes < lengths.floor).astype(np.uint8) + (3 * sizes < lengths.n),
        np.zeros(len(units), np.uint8),
        np.where(sizes >= lengths.short, sizes, 0).astype(np.int32),
    )
    return part, np.concatenate([_addresses(text, one) for text, one in zip(texts, cut, strict=True)])


def _seeds(
    units: np.ndarray, bounds: np.ndarray, needs: np.ndarray, lengths: Lengths
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(hash, item, place) of the seeds, sorted: so many of each item that every stretch that counts holds one."""
    hashes, items, places = [], [], []
    for item, need in enumerate(needs.tolist()):
        start, size = int(bounds[item]), int(bounds[item + 1] - bounds[item])
        if size < lengths.short:
            continue
        n = lengths.seed if size >= lengths.seed else lengths.short
        at = np.arange(0, size - n + 1, need - n + 1) if need >= n else np.zeros(0, np.int64)
        window = units[start + at[:, None] + np.arange(n)]
        # A seed of one unit over and over (a table of zeros) would meet every other one.
        at = at[(window != window[:, :1]).any(axis=1)]
        found = np.empty(len(at), np.uint64)
        kernels.grams(units, start + at, n, found)
        hashes.append(found)
        items.append(np.full(len(at), item, np.int32))
        places.append(at.astype(np.int32))
    if not hashes:
        return np.zeros(0, np.uint64), np.zeros(0, np.int32), np.zeros(0, np.int32)
    joined = [np.concatenate(one) for one in (hashes, items, places)]
    order = np.lexsort((joined[2], joined[1], joined[0]))
    return joined[0][order], joined[1][order], joined[2][order]


@dataclass(frozen=True)
class Units:
    """The units of one text: hashes (uint64), the characters of them all (int32), where those of each end (int64),
    and the place of each in the text, in code points (int32)."""

    units: np.ndarray
    points: np.ndarray
    ends: np.ndarray
    begins: np.ndarray
    stops: np.ndarray


def units_of(text: str, kind: int) -> Units:
    """The units of a text, in lower case. Lower case is made character by character: positions stay."""
    data, offsets = text_buffers(pc.utf8_lower(pa.array([text], pa.large_string())))
    room = _Room(len(data))
    count = kernels.split(data, offsets[0], offsets[1], kind, *room.of_split)
    points, units, ends, begins, stops, _ = room.of_split
    kept = int(ends[count - 1]) if count else 0
    return Units(
        units[:count].copy(),
        points[:kept].copy(),
        ends[:count].astype(np.int64),
        begins[:count].copy(),
        stops[:count].copy(),
    )


class _Room:
    """What kernels write to while they search a text of so many bytes."""

    def __init__(self, size: int) -> None:
        self.of_split = (
            np.empty(size + 1, np.int32),
            np.empty(size + 1, np.uint64),
            np.empty(size + 1, np.int32),
            np.empty(size + 1, np.int32),
            np.empty(size + 1, np.int32),
            np.empty(size + 1, np.uint8),
        )
        self.prefixes = np.empty(size + 1, np.uint64)


def _look_ups(part: ItemIndex) -> tuple[np.ndarray, np.ndarray]:
    """The bits and the buckets of the hashes, for :func:`kernels.find`."""
    slots = (part.hashes >> np.uint64(64 - kernels.BIT_SPACE)).astype(np.int64)
    mask = np.zeros(1 << kernels.BIT_SPACE, bool)
    mask[slots] = True
    bits = np.packbits(mask, bitorder="little").view(np.uint64)
    upper = (part.hashes >> np.uint64(64 - kernels.BUCKET_SPACE)).astype(np.int64)
    return bits, np.searchsorted(upper, np.arange((1 << kernels.BUCKET_SPACE) + 1)).astype(np.int64)


_LOOK_UPS: dict[int, tuple[ItemIndex, tuple[np.ndarray, np.ndarray]]] = {}


def _search(part: ItemIndex, texts: pa.Array) -> Iterator[np.ndarray]:
    if not len(texts) or not len(part.hashes):
        return
    data, bounds = text_buffers(pc.utf8_lower(texts))
    if id(part) not in _LOOK_UPS or _LOOK_UPS[id(part)][0] is not part:
        if len(_LOOK_UPS) > 8:
            _LOOK_UPS.clear()
        _LOOK_UPS[id(part)] = (part, _look_ups(part))
    bits, buckets = _LOOK_UPS[id(part)][1]
    room = _Room(int(np.diff(bounds).max()))
    items = len(part.needs)
    capacity, first = _MOST_MATCHES, 0
    while first < len(texts):
        out = np.empty((capacity, kernels.ROW), np.int64)
        found, reached = kernels.find(
            data,
            bounds,
            first,
            int(part.kind[0]),
            int(part.lengths[2]),
            int(part.lengths[3]),
            bits,
            buckets,
            part.hashes,
            part.seed_items,
            part.seed_places,
            part.bounds,
            part.units,
            part.points,
            part.ends,
            part.needs,
            part.alone,
            *room.of_split,
            room.prefixes,
            np.full(items, -1, np.int64),
            np.full(items, -1, np.int64),
            out,
        )
        if reached == first:  # one document with more matches than there is room
            capacity *= 4
            continue
        first = reached
        yield out[:found]


def _addresses(text: str, cut: Units) -> np.ndarray:
    """Which units stand in addresses; uint8."""
    inside = np.zeros(len(cut.units), np.uint8)
    for match in _ADDRESS.finditer(text):
        inside[(cut.begins >= match.start()) & (cut.stops <= match.end())] = 1
    return inside


def _mark_allowed(part: ItemIndex, quoted: np.ndarray, texts: pa.Array) -> None:
    """Mark the units of items in stretches that stand in these texts."""
    for matches in part.search(texts):
        for item, first, last in matches[:, 1:4].tolist():
            start = int(part.bounds[item])
            quoted[start + first : start + last] = 1


def _exclude(part: ItemIndex, quoted: np.ndarray) -> ItemIndex:
    """Exclude the n-grams of which more than half of the units are quoted, and the seeds that lead to no other.

    An address that a thousand items share would cost a search a thousand stretches wherever it stands.
    """
    before = np.append(0, np.cumsum(quoted, dtype=np.int64))
    items = np.unique(np.searchsorted(part.bounds, np.flatnonzero(quoted), "right") - 1)
    for item in items.tolist():
        start, end, need = int(part.bounds[item]), int(part.bounds[item + 1]), int(part.needs[item])
        at = np.arange(start, end - need + 1)
        part.excluded[at] = 2 * (before[at + need] - before[at]) > need
    dead = np.zeros(len(part.hashes), bool)
    for seed in np.flatnonzero(np.isin(part.seed_items, items)).tolist():
        item, place = int(part.seed_items[seed]), int(part.seed_places[seed])
        start, need = int(part.bounds[item]), int(part.needs[item])
        size = int(part.bounds[item + 1]) - start
        n = int(part.lengths[2]) if size >= part.lengths[2] else int(part.lengths[3])
        first, last = max(0, place + n - need), min(place, size - need)
        dead[seed] = bool(part.excluded[start + first : start + last + 1].all())
    return replace(
        part,
        hashes=part.hashes[~dead],
        seed_items=part.seed_items[~dead],
        seed_places=part.seed_places[~dead],
    )


def _countable(part: ItemIndex) -> np.ndarray:
    """Units of each item that some n-gram covers that counts; int32."""
    countable = part.countable.copy()
    for item in np.unique(np.searchsorted(part.bounds, np.flatnonzero(part.excluded), "right") - 1).tolist():
        if countable[item]:
            runs = counted_runs(part, item, 0, int(part.bounds[item + 1] - part.bounds[item]))
            countable[item] = sum(end - start for start, end in runs)
    return countable


def counted_runs(part: ItemIndex, item: int, first: int, last: int) -> list[tuple[int, int]]:
    """The stretches of units [first, last) of an item that n-grams cover that count."""
    start, need = int(part.bounds[item]), int(part.needs[item])
    runs: list[tuple[int, int]] = []
    for place in (
        np.flatnonzero(part.excluded[start + first : start + last - need + 1] == 0) + first
    ).tolist():
        if runs and place <= runs[-1][1]:
            runs[-1] = (runs[-1][0], place + need)
        else:
            runs.append((place, place + need))
    return runs
