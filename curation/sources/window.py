"""The stretch of a web archive's content that is being looked at: plain bytes, or gzip members unpacked.

Bytes are read once, in order, and kept only from ``at`` on, so memory is bounded by what a caller needs at a
time. A gzip member that begins with a record ends whatever record came before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import IO, Any

from hanji.curation.sources.compressed import Damaged
from hanji.curation.sources.members import Members, next_member

CHUNK = 1 << 20
# What may stand between records: line ends, blanks, and the zeros of padded or repaired files.
BLANK = re.compile(rb"[\r\n \t\0]*")


class Plain:
    """Pieces of a file as it is, or of a stream that was decompressed elsewhere."""

    def __init__(self, raw: IO[bytes], size: int | None) -> None:
        self._raw = raw
        # One raw read of a stream, so that what stands before a broken byte is handed out first.
        self._read = raw.read if size is not None else raw.read1  # type: ignore[attr-defined]
        self.size = size
        self._behind = 0
        self._over = False
        self.fresh = False
        self.member = 0
        self.damage: str | None = None

    def piece(self) -> bytes:
        """The next bytes; b"" at the end or at damage."""
        if self.damage is not None or self._over:
            return b""
        try:
            data: bytes = self._read(CHUNK)
        except Damaged as damage:
            self.damage = damage.reason
            return b""
        self._behind += len(data)
        return data

    def finish(self) -> None:
        """Give nothing more, and forget the damage."""
        self._over, self.damage = True, None

    def peek(self, position: int, count: int) -> bytes:
        """Bytes at a position of the file, without moving on."""
        self._raw.seek(position)
        data = self._raw.read(count)
        self._raw.seek(self._behind)
        return data

    def jump(self, position: int) -> None:
        self._raw.seek(position)
        self._behind = position


class Window:
    """``data[at:]`` is what is known of the content from the present position on.

    ``begins(data, at)`` says whether a record begins there, given ``longest_line`` bytes. Where something is in
    the file: its own position in a plain file, the member's where one begins with it, else its position in the
    decompressed content.
    """

    def __init__(
        self, pieces: Plain | Members, begins: Callable[[bytes, int], bool], longest_line: int
    ) -> None:
        self._pieces = pieces
        self._begins = begins
        self._longest_line = longest_line
        self.data = b""
        self.at = 0
        self._base = 0  # position in the content of data[0]
        self._next: tuple[bytes, bool, int] | None = None
        self._held: tuple[bytes, bool, int] | None = None
        # Position in the content and in the file of the last member that begins in data.
        self._member = (0, 0)

    # -- where we are ------------------------------------------------------------------------------------

    def position(self) -> int:
        """Where ``at`` is in the file."""
        here = self._base + self.at
        return self._member[1] if self.at_member() else here

    def at_member(self) -> bool:
        """Whether a gzip member begins at ``at``."""
        return isinstance(self._pieces, Members) and self._member[0] == self._base + self.at

    @property
    def damage(self) -> str | None:
        """The fault at which the content that is known ends, if it is one."""
        return None if self._ahead() is not None else self._pieces.damage

    @property
    def damaged_member(self) -> int:
        return self._pieces.member

    @property
    def ended(self) -> bool:
        """Whether no more content follows what is known: the file's end, or damage."""
        return self._ahead() is None

    def at_boundary(self) -> bool:
        """Whether what is known ends where the content, or the content before the next record's member, does."""
        ahead = self._ahead()
        return ahead is None or (ahead[1] and self._begins(ahead[0], 0))

    def at_member_end(self) -> bool:
        """Whether what is known ends where a gzip member or the content does."""
        ahead = self._ahead()
        return ahead is None or ahead[1]

    # -- reading -----------------------------------------------------------------------------------------

    def need(self, count: int) -> bool:
        """Whether ``count`` bytes from ``at`` on are there, having read on as far as that takes.

        It is not read into a member that begins with a record of its own, unless nothing else is left.
        """
        have = len(self.data) - self.at
        if have >= count:
            return True
        parts: list[bytes] = []
        while have < count:
            ahead = self._ahead()
            if ahead is None or (have and ahead[1] and self._begins(ahead[0], 0)):
                break
            content, fresh, member = ahead
            if fresh:
                self._member = (self._base + self.at + have, member)
            parts.append(content)
            have += len(content)
            self._held = None
        if parts:
            known = self.data[self.at :]
            self.data = b"".join([known, *parts]) if known or len(parts) > 1 else parts[0]
            self._base += self.at
            self.at = 0
        return have >= count

    def skip_blank(self) -> None:
        """Move over what may stand between records."""
        while True:
            end = BLANK.match(self.data, self.at).end()  # type: ignore[union-attr]
            self.at = end
            if end < len(self.data) or not self.need(1):
                return

    def resume(self) -> bool:
        """Behind damage, go on at the next sound member that begins with a record; False if there is none."""
        pieces = self._pieces
        if not isinstance(pieces, Members):
            pieces.finish()
            return False
        raw, damaged, reached = pieces.raw, pieces.member, pieces.position()
        # The next member may begin before the fault: a member that is cut off reads on into it. But a file made
        # of members within members must not be inflated again and again.
        pieces.wasted += reached - damaged
        start = damaged + 1 if pieces.wasted <= 64 * CHUNK else max(reached, damaged + 1)
        found = next_member(raw, start, lambda content: self._begins(content, 0), self._longest_line)
        self._base += len(self.data)
        self.data, self.at, self._held, self._next = b"", 0, None, None
        if found is None:
            pieces.finish()
            return False
        pieces.restart(found)
        return True

    def jump(self, count: int) -> bool:
        """Move ``count`` bytes on in a plain file if a record or the end of the file is there."""
        pieces = self._pieces
        if not isinstance(pieces, Plain) or pieces.size is None:
            return False
        target = self._base + self.at + count
        if target > pieces.size:
            return False
        ahead = pieces.peek(target, 4096)
        place = BLANK.match(ahead).end()  # type: ignore[union-attr]
        if place < len(ahead) and not self._begins(ahead, place):
            return False
        pieces.jump(target)
        self.data, self.at, self._base, self._held, self._next = b"", 0, target, None, None
        return True

    def _ahead(self) -> tuple[bytes, bool, int] | None:
        """The content that follows what is known, as one piece: a whole member where it is small."""
        if self._held is not None:
            return self._held
        first = self._next or self._pull()
        self._next = None
        if first is None:
            return None
        content, fresh, member = first
        if isinstance(self._pieces, Members):
            parts, size = [content], len(content)
            while size < CHUNK and (more := self._pull()) is not None:
                if more[1]:
                    self._next = more
                    break
                parts.append(more[0])
                size += len(more[0])
            content = b"".join(parts) if len(parts) > 1 else content
        self._held = (content, fresh, member)
        return self._held

    def _pull(self) -> tuple[bytes, bool, int] | None:
        content = self._pieces.piece()
        return (content, self._pieces.fresh, self._pieces.member) if content else None


def pieces_of(raw: Any, compressed: bool, size: int | None) -> Plain | Members:
    """The pieces of an open file; ``size`` is None for a stream that cannot be sought in."""
    return Members(raw) if compressed else Plain(raw, size)
