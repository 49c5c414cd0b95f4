"""Scripts, styles, comments and long attributes out of the raw bytes, before the parser has to carry them.

They are more than half of a news page. A small part of HTML's tokenizer (HTML Standard, 13.2.5) finds them; in
the few places where their end depends on what the tree builder knows, the page is left as it is.
"""

from __future__ import annotations

import numpy as np

from hanji.curation.signals.compiled import kernel
from hanji.curation.text.page.names import hash_letters, look_up
from hanji.curation.text.page.words import fnv, table

_SCRIPT, _STYLE, _PLAINTEXT = (np.uint64(fnv(name)) for name in ("script", "style", "plaintext"))
_TITLE, _TEXTAREA, _XMP, _IFRAME, _NOEMBED, _NOFRAMES = (
    np.uint64(fnv(name)) for name in ("title", "textarea", "xmp", "iframe", "noembed", "noframes")
)

_USELESS = (
    "src srcset sizes d points transform viewbox fill stroke width height target integrity crossorigin loading "
    "decoding style-src poster action method background bgcolor onclick ping media integrity nonce jsaction "
    "jsname jslog jscontroller x y cx cy r x1 x2 y1 y2 stroke-width stroke-linecap fill-rule clip-rule xlink:href "
    "xmlns:xlink aria-label aria-labelledby aria-describedby aria-controls aria-expanded aria-haspopup tabindex"
)
_KEYS, _VALUES = table(dict.fromkeys(_USELESS.split(), 1), 256)


@kernel
def _useless(data: np.ndarray, start: int, stop: int) -> bool:
    """Whether nothing here reads the attribute of this name: data-*, on*, and the names of ``_USELESS``."""
    if stop - start > 4 and data[start] | 32 == 100 and data[start + 4] == 45:  # data-
        return True
    if stop - start > 3 and data[start] | 32 == 111 and data[start + 1] | 32 == 110:  # on
        return True
    return look_up(hash_letters(data, start, stop), _KEYS, _VALUES) != 0


@kernel
def _tag_end(data: np.ndarray, i: int, link: bool, out: np.ndarray, state: np.ndarray) -> int:
    """Behind the ``>`` of the tag whose name ends at ``i``, the size if it has none.

    Attributes that nobody reads are left out, and the addresses of links: ``state`` holds how many bytes ``out``
    has and from where the page is not copied yet.
    """
    size = len(data)
    while i < size:
        while i < size and (data[i] <= 32 or data[i] == 47):
            i += 1
        if i >= size:
            break
        if data[i] == 62:
            return i + 1
        name = i
        i += 1
        while i < size and data[i] > 32 and data[i] != 61 and data[i] != 62 and data[i] != 47:
            i += 1
        name_stop = i
        while i < size and data[i] <= 32:
            i += 1
        value = i
        quoted = False
        if i < size and data[i] == 61:
            i += 1
            while i < size and data[i] <= 32:
                i += 1
            value = i
            if i < size and (data[i] == 34 or data[i] == 39):
                quoted = True
                value += 1
                quote = data[i]
                i += 1
                while i < size and data[i] != quote:
                    i += 1
                i = min(i + 1, size)
            else:
                while i < size and data[i] > 32 and data[i] != 62:
                    i += 1
        if not quoted or i >= size:
            continue
        if _useless(data, name, name_stop):
            _copy(data, name, out, state)
            state[1] = i
        elif link and name_stop - name == 4 and data[name] | 32 == 104 and data[name + 3] | 32 == 102:  # href
            _copy(data, value, out, state)
            state[1] = i - 1
    return size


@kernel
def _copy(data: np.ndarray, stop: int, out: np.ndarray, state: np.ndarray) -> None:
    """Copy the page up to ``stop``."""
    start, filled = state[1], state[0]
    # A loop: numba compiles two seconds of checks for an assignment of slices.
    for place in range(stop - start):
        out[filled + place] = data[start + place]
    state[0] = filled + stop - start
    state[1] = stop


@kernel
def _raw_end(data: np.ndarray, i: int, name: np.uint64, length: int) -> int:
    """Where the end tag of a raw-text element begins, the size if there is none."""
    size = len(data)
    while i + 1 < size:
        if data[i] == 60 and data[i + 1] == 47 and i + 2 + length <= size:
            stop = i + 2 + length
            if hash_letters(data, i + 2, stop) == name and (
                stop == size or data[stop] <= 32 or data[stop] == 62 or data[stop] == 47
            ):
                return i
        i += 1
    return size


@kernel
def _comment_end(data: np.ndarray, i: int) -> int:
    """Behind the comment whose ``<!--`` ends at ``i``."""
    size = len(data)
    if i < size and data[i] == 62:
        return i + 1
    if i + 1 < size and data[i] == 45 and data[i + 1] == 62:
        return i + 2
    while i + 2 < size:
        if data[i] == 45 and data[i + 1] == 45:
            if data[i + 2] == 62:
                return i + 3
            if data[i + 2] == 33 and i + 3 < size and data[i + 3] == 62:
                return i + 4
        i += 1
    return size


@kernel
def _holds(data: np.ndarray, start: int, stop: int, first: int, second: int, third: int) -> bool:
    """Whether three bytes stand in a row."""
    i = start
    while i + 2 < stop and not (data[i] == first and data[i + 1] == second and data[i + 2] == third):
        i += 1
    return i + 2 < stop


@kernel
def _holds_script(data: np.ndarray, start: int, stop: int) -> bool:
    """Whether ``<sc`` stands within, in any case."""
    i = start
    while i + 2 < stop and not (data[i] == 60 and data[i + 1] | 32 == 115 and data[i + 2] | 32 == 99):
        i += 1
    return i + 2 < stop


@kernel
def strip(data: np.ndarray) -> np.ndarray:
    """The page (uint8[bytes]) without comments, attributes that nobody reads, and what scripts and styles hold.

    The same array is returned where the end of something depends on more than its bytes: self-closed scripts
    (closed in SVG, open in HTML), scripts with a script in a comment in them, CDATA sections.
    """
    size = len(data)
    out = np.empty(size, np.uint8)
    state = np.zeros(2, np.int64)  # bytes in ``out``; bytes of the page that are copied or left out
    i = 0
    while i < size:
        if data[i] != 60 or i + 1 >= size:
            i += 1
            continue
        c = data[i + 1]
        letter = 97 <= c <= 122 or 65 <= c <= 90
        if c == 33:
            if i + 3 < size and data[i + 2] == 45 and data[i + 3] == 45:
                _copy(data, i, out, state)
                i = _comment_end(data, i + 4)
                state[1] = i
                continue
            if i + 3 < size and data[i + 2] == 91 and (data[i + 3] == 67 or data[i + 3] == 99):
                return data
            while i < size and data[i] != 62:
                i += 1
            continue
        if not letter and not (
            c == 47 and i + 2 < size and (97 <= data[i + 2] <= 122 or 65 <= data[i + 2] <= 90)
        ):
            i += 1
            continue
        start = i + 1 if letter else i + 2
        stop = start
        while stop < size and data[stop] > 32 and data[stop] != 62 and data[stop] != 47:
            stop += 1
        end = _tag_end(data, stop, stop - start == 1 and c | 32 == 97, out, state)
        i = end
        length = stop - start
        if not letter or length < 3 or length > 9:
            continue
        name = hash_letters(data, start, stop)
        if name in (_SCRIPT, _STYLE):
            if data[end - 2] == 47 and data[end - 1] == 62:
                return data
            close = _raw_end(data, end, name, length)
            if name == _SCRIPT and _holds(data, end, close, 60, 33, 45) and _holds_script(data, end, close):
                return data
            if not _holds(data, stop, end, 47, 116, 101):  # math/tex
                _copy(data, end, out, state)
                state[1] = close
            i = close
        elif name == _PLAINTEXT:
            break
        elif name in (_TITLE, _TEXTAREA, _XMP, _IFRAME, _NOEMBED, _NOFRAMES):
            i = _raw_end(data, end, name, length)
    _copy(data, size, out, state)
    return out[: state[0]]
