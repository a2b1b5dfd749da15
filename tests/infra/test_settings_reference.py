"""What repeats the table of settings is as the table has it."""

from __future__ import annotations

import pytest
import yaml

from infra.settings import ALL_SETTINGS
from infra.settings_reference import DOCUMENT, PROJECT, updated_document, updated_project


def test_project_declares_the_plain_settings() -> None:
    """`make settings` changes nothing: each plain key, described, with its default, and no secret.

    None has a type: the CLI would refuse a list by itself, without the remedy.
    """
    text = PROJECT.read_text(encoding="utf-8")
    assert updated_project(text) == text
    declared = yaml.safe_load(text)["config"]
    assert {key: schema["default"] for key, schema in declared.items()} == {
        row.name: row.default for row in ALL_SETTINGS if not row.secret
    }
    assert all(schema.keys() == {"description", "default"} for schema in declared.values())


def test_document_lists_the_settings() -> None:
    """`make settings` changes nothing there, either; a row may hold no end of a cell."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert updated_document(text) == text
    with pytest.raises(ValueError, match="there are no lines <!-- settings"):
        updated_document("# Settings\n")
    assert not [row.name for row in ALL_SETTINGS if "|" in row.doc or "\n" in row.doc]
