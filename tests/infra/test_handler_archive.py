"""The function's zip is a function of handler/'s Python files."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pulumi
import pytest

from handler.app import POLICY_FILE
from infra.archive import POLICY_IN_ZIP, handler_archive
from sandbox.lambda_url.archive import build_zip, read_from_zip

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a copy of the project's handler/, to be changed."""
    shutil.copytree(
        ROOT / "handler", tmp_path / "handler", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def built(root: Path, policy: str = "") -> bytes:
    """Build the zip of a project."""
    return build_zip(handler_archive(root, policy))


def test_the_same_files_give_the_same_bytes_anywhere(project: Path) -> None:
    """Two builds, in two places, with other times and modes, are one zip."""
    for path in (project / "handler").rglob("*.py"):
        path.chmod(0o600)
        path.touch()
    assert built(project) == built(project) == built(ROOT)


def test_zip_holds_the_files_as_they_are(project: Path) -> None:
    """Names and bytes are those of handler/, so that anybody can compare what is deployed."""
    (project / "handler" / "crlf.py").write_bytes(b"# \xc3\xbc\r\n")
    with zipfile.ZipFile(io.BytesIO(built(project))) as zipped:
        assert zipped.namelist() == sorted(zipped.namelist())
        assert {name: zipped.read(name) for name in zipped.namelist()} == {
            path.relative_to(project).as_posix(): path.read_bytes()
            for path in (project / "handler").rglob("*.py")
        }


@pytest.mark.parametrize(
    "stray",
    [
        "handler/__pycache__/app.cpython-313.pyc",
        "handler/app.py~",
        "handler/.app.py.swp",
        "handler/#app.py#",
        "handler/.#app.py",
        "handler/.ipynb_checkpoints/app.py",
        "handler/app-old.py",
        "handler/notes.md",
        "handler/policy.json",
        "infra/new.py",
        "app.py",
    ],
)
def test_stray_file_changes_nothing(project: Path, stray: str) -> None:
    """What tests and editors leave behind does not deploy the function anew."""
    before = built(project)
    path = project / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("print('stray')\n", encoding="utf-8")
    assert built(project) == before


def test_policy_lies_where_the_function_looks_for_it() -> None:
    """Another policy is another zip; without one there is no such file, whatever lies around."""
    with zipfile.ZipFile(io.BytesIO(built(ROOT, '{"rules":[]}'))) as zipped:
        name = Path(POLICY_FILE).relative_to(ROOT).as_posix()
        assert zipped.read(name) == b'{"rules":[]}'
        assert zipped.namelist() == sorted(zipped.namelist())
    assert built(ROOT, '{"rules":[]}') == built(ROOT, '{"rules":[]}')
    assert len({built(ROOT), built(ROOT, "{}"), built(ROOT, '{"rules":[]}')}) == 3


def test_policy_is_read_out_of_the_zip_again() -> None:
    """As the sandbox does, to say what the function was given."""
    assert read_from_zip(built(ROOT, '{"rules":[]}'), POLICY_IN_ZIP) == '{"rules":[]}'
    assert read_from_zip(built(ROOT), POLICY_IN_ZIP) is None


def test_asset_of_another_kind_is_told() -> None:
    """What nothing here can zip is not left out in silence."""
    archive = pulumi.AssetArchive({"handler/x": pulumi.RemoteAsset("https://example.com")})
    with pytest.raises(
        TypeError, match=r"handler/x is a RemoteAsset: add it to sandbox/lambda_url/archive\.py"
    ):
        build_zip(archive)


def test_changed_new_and_removed_files_change_it(project: Path) -> None:
    """Each change of a Python file of handler/ is another zip."""
    zips = [built(project)]
    settings = project / "handler" / "settings.py"
    settings.write_bytes(settings.read_bytes() + b"\n")
    zips.append(built(project))
    extra = project / "handler" / "sources" / "extra.py"
    extra.parent.mkdir(exist_ok=True)
    extra.write_bytes(b"")
    zips.append(built(project))
    settings.unlink()
    zips.append(built(project))
    assert len(set(zips)) == 4
