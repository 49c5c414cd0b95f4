"""This installation as a wheel, made from the package as it is imported.

A job must run the code that submitted it, whether that is a checkout, an editable install or a wheel. So
the wheel is packed from the imported files, needs no build tool, and is the same, byte for byte, for the
same files: its hash names the code.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

import hanji

SUFFIXES = {".py", ".typed", ".yaml", ".css", ".js", ".html", ".txt", ".tsv"}
# Files of the checkout that are no code: the sample corpus is megabytes, and no job reads it.
LEFT_OUT = {("jobs", "sample")}
EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_wheel(directory: Path) -> Path:
    """Write hanji-VERSION-py3-none-any.whl into a directory and return its path."""
    root = Path(hanji.__file__).parent
    version = hanji.__version__
    info = f"hanji-{version}.dist-info"
    files = {f"hanji/{path.relative_to(root).as_posix()}": path.read_bytes() for path in _sources(root)}
    files[f"{info}/METADATA"] = _metadata(version)
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: hanji\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\nhanji = hanji.jobs.cli:main\n"
    records = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*records, f"{info}/RECORD,,", ""]).encode()
    target = directory / f"hanji-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return target


def _sources(root: Path) -> list[Path]:
    """Files of the package, in order; the rooms of a checkout are links, which are followed."""
    found: list[Path] = []
    waiting = [root]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            relative = path.relative_to(root).parts
            if path.is_dir():
                if path.name != "__pycache__" and relative not in LEFT_OUT:
                    waiting.append(path)
            elif path.suffix in SUFFIXES:
                found.append(path)
    return sorted(found)


def _metadata(version: str) -> bytes:
    """The installed METADATA. A package that is only on the path has the least that is allowed."""
    try:
        distribution = metadata.distribution("hanji")
    except metadata.PackageNotFoundError:
        return f"Metadata-Version: 2.1\nName: hanji\nVersion: {version}\n".encode()
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    return text.encode()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
