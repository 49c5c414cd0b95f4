"""What a file is by its first bytes, where its format or name says something else."""

from __future__ import annotations

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"Obj\x01", "Avro"),
    (b"SQLite format 3\0", "SQLite"),
    (b"%PDF-", "PDF"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "sound, video or an image"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document"),
    (b"\x7fELF", "a program"),
    (b"HWP Document File", "an HWP document"),
)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def other_than_text(head: bytes) -> str | None:
    """What a file is that begins so, if it can be neither text nor a page; None if it can."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head and not head.strip(b"\0"):
        return "a stretch of zeros"
    return None


def other_than_lines(head: bytes) -> str | None:
    """What a file is that begins so, if it cannot be lines of JSON in UTF-8; None if it can."""
    found = other_than_text(head)
    if found is None and head.startswith(_UTF_16):
        return "UTF-16; it has to be UTF-8"
    if found is None and b"\0" in head:
        return "binary data"
    return found
