"""The zip that Pulumi's engine would make of an archive."""

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
    """Zip the files that an archive lists; the same names and contents give the same bytes.

    Raises:
        TypeError: for an asset that is not a file.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, asset in sorted(archive.assets.items()):
            if not isinstance(asset, pulumi.FileAsset):
                raise TypeError(f"{name} is a {type(asset).__name__}: add it to sandbox/archive.py")
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            file.writestr(entry, Path(asset.path).read_bytes())
    return buffer.getvalue()
