"""From nothing into the bucket and back: whole, and killed at every command on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from infra.bootstrap.cli import CommandError, LockedError
from infra.bootstrap.plan import StuckError
from infra.bootstrap.scratch import FOLDER, scratch
from infra.bootstrap.session import Session
from infra.bootstrap.stack_file import SetupError, places, read_stack_file
from tests.infra.played_pulumi import (
    BUCKET,
    BUCKET_URN,
    PASSPHRASE,
    Killed,
    PlayedPulumi,
    State,
    World,
    readable_by,
    write_stack_file,
)

HERE = "file:///home/somebody"
THERE = f"s3://{BUCKET}?region=eu-north-1&awssdk=v2"
KEY = "awskms://alias/oncall-state?region=eu-north-1&awssdk=v2"
BY_KEY = {"KMS_KEY_ALIAS": "oncall-state"}
MANY = 60  # commands; no run has as many


@dataclass
class Runs:
    """A project, and the world that its runs leave behind."""

    folder: Path
    world: World

    @property
    def file(self) -> Path:
        """The stack's file."""
        return self.folder / "Pulumi.dev.yaml"

    def run(self, *, back: bool = False, url: str = HERE) -> None:
        """Run once, as `make bootstrap` or `make unbootstrap` does, to the end or its death."""
        environment = {"PULUMI_BACKEND_URL": url, "HOME": "/home/somebody"}
        file = read_stack_file(self.folder, "dev", environment)
        here, there = places(environment)
        with scratch(file, "dev") as tried, self.world.forgetting(tried.backend):
            Session(
                pulumi=PlayedPulumi(self.world, self.folder),
                file=file,
                scratch=tried,
                environment=environment,
                here=here,
                there=there,
                back=back,
            ).run()

    def config(self) -> Mapping[str, object]:
        """What is set in the stack's file, in clear."""
        loaded = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        return {key: value for key, value in loaded["config"].items() if isinstance(value, str)}

    def lies_only_at(self, place: str, provider: str) -> None:
        """Check the end: one whole state, and a config, encrypted by that."""
        assert self.world.places.keys() == {place}
        state = self.world.places[place]
        assert state.things == frozenset(self.world.made.items())
        assert (state.provider, readable_by(self.file)) == (provider, provider)
        assert not list((self.folder / FOLDER / "dev").parent.glob("dev/*"))


@pytest.fixture
def make(tmp_path: Path) -> Callable[[Mapping[str, str]], Runs]:
    """Give what makes a project with some settings, and an empty world."""

    def make(settings: Mapping[str, str]) -> Runs:
        folder = tmp_path / f"project-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text("name: oncall-approvals\n", encoding="utf-8")
        write_stack_file(folder / "Pulumi.dev.yaml", PASSPHRASE, MEMORY_MB="256", **settings)
        return Runs(folder, World())

    return make


Make = Callable[[Mapping[str, str]], Runs]
both = pytest.mark.parametrize(
    ("settings", "provider"), [({}, PASSPHRASE), (BY_KEY, KEY)], ids=["passphrase", "key"]
)


@both
def test_from_nothing_to_the_bucket_and_back(
    make: Make, settings: Mapping[str, str], provider: str
) -> None:
    """All is made once; state and config are where and what they should be, no setting is lost."""
    runs = make(settings)
    before = runs.config()
    runs.run()
    runs.lies_only_at(THERE, provider)
    assert runs.config() == before
    made = dict(runs.world.made)
    runs.run(back=True, url=THERE)
    runs.lies_only_at(HERE, PASSPHRASE)
    assert runs.config() == before
    runs.run()
    runs.lies_only_at(THERE, provider)
    assert runs.world.made == made


@both
@pytest.mark.parametrize("when", ["before", "amid", "after"])
def test_killed_at_any_command_the_next_run_finishes(
    make: Make, settings: Mapping[str, str], provider: str, when: str
) -> None:
    """There, after each command in turn; the config can be read at all times."""
    for number in range(MANY):
        runs = make(settings)
        before = runs.config()
        runs.world.kill = (number, when)
        try:
            runs.run()
        except Killed:
            assert readable_by(runs.file) in {PASSPHRASE, provider}
            assert runs.config() == before
            runs.run()
            runs.lies_only_at(THERE, provider)
            assert runs.config() == before
            continue
        break
    assert 10 < number < MANY


@both
@pytest.mark.parametrize("when", ["before", "amid", "after"])
def test_killed_on_the_way_back_the_next_run_finishes(
    make: Make, settings: Mapping[str, str], provider: str, when: str
) -> None:
    """The same out of the bucket; while it lasts, one place or the other holds all."""
    del provider
    for number in range(MANY):
        runs = make(settings)
        runs.run()
        made = frozenset(runs.world.made.items())
        runs.world.told.clear()
        runs.world.kill = (number, when)
        try:
            runs.run(back=True, url=THERE)
        except Killed:
            assert made in {state.things for state in runs.world.places.values()}
            runs.run(back=True, url=THERE)
            runs.lies_only_at(HERE, PASSPHRASE)
            continue
        break
    assert 5 < number < MANY


def test_done_is_done(make: Make) -> None:
    """Once more from anywhere: it is verified, and nothing is made, moved or deployed."""
    runs = make(BY_KEY)
    runs.run()
    state = dict(runs.world.places)
    for url in (THERE, HERE):
        runs.world.told.clear()
        runs.run(url=url)
        assert runs.world.places == state
        assert {"up --yes", "stack import"}.isdisjoint(name for name, _ in runs.world.told)
        assert ("preview --expect-no-changes", THERE) in runs.world.told


def test_local_copy_stays_until_the_new_one_is_verified(make: Make) -> None:
    """A preview that shows changes ends the run, with the state where it was."""
    runs = make({})
    runs.run()
    runs.run(back=True, url=THERE)
    runs.world.told.clear()
    moving = PlayedPulumi._play

    def drifting(self: PlayedPulumi, name: str, *rest: object, **more: object) -> str:
        said = moving(self, name, *rest, **more)  # type: ignore[arg-type] # handed on as they came
        if name == "stack import":
            self.world.made["urn:drift"] = "made by hand"
        return said

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlayedPulumi, "_play", drifting)
        with pytest.raises(CommandError, match="changes are there"):
            runs.run()
    assert runs.world.places.keys() == {HERE, THERE}


def test_lock_ends_the_run_before_what_was_begun_is_forgotten(make: Make) -> None:
    """The name of a half-made bucket stays noted, until it was looked for."""
    runs = make({})
    runs.world.made[BUCKET_URN] = BUCKET
    runs.world.places[HERE] = State(PASSPHRASE, cut_short=True)
    moving = PlayedPulumi._play

    def locked(self: PlayedPulumi, name: str, *rest: object, **more: object) -> str:
        if name == "import --file":
            raise LockedError("the stack is locked")
        return moving(self, name, *rest, **more)  # type: ignore[arg-type] # handed on as they came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlayedPulumi, "_play", locked)
        with pytest.raises(LockedError):
            runs.run()
    assert runs.world.places[HERE].cut_short
    runs.run()
    runs.lies_only_at(THERE, PASSPHRASE)


def test_step_that_changes_nothing_is_not_done_for_ever(make: Make) -> None:
    """A command that ends well and does nothing ends the run, too."""
    runs = make({})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlayedPulumi, "_init", lambda *_: None)
        runs.world.kill = (4, "before")  # it would begin the same again
        with pytest.raises(StuckError, match="makes an empty stack, has changed nothing"):
            runs.run()


def test_a_later_local_deploy_moves_again(make: Make) -> None:
    """Where the copy in the bucket is older, the state on this machine is the one that counts."""
    runs = make({})
    runs.run()
    older = runs.world.places[THERE]
    runs.world.clock += 1
    later = State(older.provider, runs.world.clock, older.things)
    runs.world.places[HERE] = later
    runs.run()
    runs.lies_only_at(THERE, PASSPHRASE)
    assert runs.world.places[THERE].time > later.time


def test_alias_that_is_set_later_needs_the_way_back_first(make: Make) -> None:
    """What lies in the bucket already is not encrypted anew under way; it says what to run."""
    runs = make({})
    runs.run()
    write_stack_file(runs.file, PASSPHRASE, **BY_KEY)
    with pytest.raises(StuckError, match="run `make unbootstrap`, then `make bootstrap`"):
        runs.run(url=THERE)
    runs.run(back=True, url=THERE)
    runs.run()
    runs.lies_only_at(THERE, KEY)


def test_other_bucket_is_refused(make: Make) -> None:
    """A bucket in the environment that is not the stack's own."""
    runs = make({})
    runs.run()
    runs.world.places["s3://elsewhere"] = runs.world.places[THERE]
    with pytest.raises(StuckError, match=f"bucket elsewhere, and the stack's own is {BUCKET}"):
        runs.run(url="s3://elsewhere")


def test_nothing_to_bring_back(make: Make) -> None:
    """Without a state anywhere the way back says what is missing."""
    with pytest.raises(StuckError, match="export PULUMI_BACKEND_URL='s3://BUCKET"):
        make({}).run(back=True)


def test_config_that_was_edited_meanwhile_is_left_alone(make: Make) -> None:
    """The newly encrypted config never takes the place of an edit."""
    runs = make(BY_KEY)
    moving = PlayedPulumi._play

    def edited(self: PlayedPulumi, name: str, *rest: object, **more: object) -> str:
        if name == "preview --config-file":
            write_stack_file(runs.file, PASSPHRASE, MEMORY_MB="1024", **BY_KEY)
        return moving(self, name, *rest, **more)  # type: ignore[arg-type] # handed on as they came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlayedPulumi, "_play", edited)
        with pytest.raises(SetupError, match="was edited meanwhile"):
            runs.run()
    assert runs.config()["oncall-approvals:MEMORY_MB"] == "1024"
    runs.run()
    runs.lies_only_at(THERE, KEY)
    assert runs.config()["oncall-approvals:MEMORY_MB"] == "1024"


def test_mode_of_the_stack_file_stays(make: Make) -> None:
    """Who could read it can read it."""
    runs = make(BY_KEY)
    runs.file.chmod(0o640)
    runs.run()
    assert runs.file.stat().st_mode & 0o777 == 0o640


def test_what_lies_on_disk_meanwhile_is_private(make: Make) -> None:
    """The export is its user's alone, and gone at the end; another run has to wait."""
    runs = make({})
    modes: list[int] = []
    moving = PlayedPulumi._play

    def looking(
        self: PlayedPulumi, name: str, arguments: tuple[str, ...], *rest: object, **more: object
    ) -> str:
        if name == "stack import":
            file = Path(arguments[3])
            modes.extend(each.stat().st_mode & 0o777 for each in (file, file.parent))
            modes.append((runs.folder / FOLDER).stat().st_mode & 0o777)
            with pytest.raises(SetupError, match="another run moves the state of dev already"):
                runs.run()
        return moving(self, name, arguments, *rest, **more)  # type: ignore[arg-type] # handed on as they came

    before = os.umask(0o022)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlayedPulumi, "_play", looking)
        runs.run()
    os.umask(before)
    assert modes == [0o600, 0o700, 0o700]
    runs.lies_only_at(THERE, PASSPHRASE)
