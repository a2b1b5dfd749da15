"""Zips an archive as Pulumi's engine does."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi

if TYPE_CHECKING:
    from pulumi.asset import AssetArchive

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold
_UNIX = 3
_MODE = 0o644 << 16


def build_zip(archive: AssetArchive) -> bytes:
    """Zip what an archive lists; the same names and contents give the same bytes.

    Raises:
        TypeError: for an asset that is neither a file nor a text.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, asset in sorted(archive.assets.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            file.writestr(entry, _contents(name, asset))
    return buffer.getvalue()


def _contents(name: str, asset: object) -> bytes:
    match asset:
        case pulumi.FileAsset(path=path):
            return Path(path).read_bytes()
        case pulumi.StringAsset(text=text):
            return text.encode()
    raise TypeError(f"{name} is a {type(asset).__name__}: add it to sandbox/lambda_url/archive.py")


def read_from_zip(data: bytes, name: str) -> str | None:
    """Read a text file out of a zip; None where there is none of that name."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return file.read(name).decode() if name in file.namelist() else None
