"""Pulumi's command, played in memory: places with state, what is in AWS, and being killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from infra.bootstrap.cli import CommandError, Pulumi

BUCKET = "indent-deploy-state-210987654321-dev"
PASSPHRASE = "passphrase"
BUCKET_TYPE = "aws:s3/bucket:Bucket"
BUCKET_URN = f"urn:pulumi:dev::oncall-approvals::of$it${BUCKET_TYPE}::state"
# Of all that a stack makes: what has a name of its own, and what AWS names.
OTHERS = ("urn:function", "urn:secret")
SECRET = "INDENT_WEBHOOK_SECRET"


class Killed(BaseException):
    """This process is gone, as by SIGKILL."""


@dataclass(frozen=True)
class State:
    """What lies at a place."""

    provider: str
    time: int = 0
    things: frozenset[tuple[str, str]] = frozenset()
    cut_short: bool = False

    def exported(self) -> str:
        """Write it as the command does."""
        types = {BUCKET_URN: BUCKET_TYPE}
        resources = [
            {"type": types.get(urn, "aws:x:X"), "urn": urn, "id": id_}
            for urn, id_ in sorted(self.things)
        ]
        pending = {"type": BUCKET_TYPE, "urn": BUCKET_URN, "inputs": {"bucket": BUCKET}}
        pending["parent"] = "urn:component"
        begun = [{"type": "creating", "resource": pending}] if self.cut_short else []
        manifest = {"time": f"2026-11-25T00:00:00.{self.time:06}001Z"}
        deployment = {"manifest": manifest, "resources": resources, "pending_operations": begun}
        return json.dumps({"deployment": {**deployment, "provider": self.provider}})


def imported(text: str) -> State:
    """Read it again."""
    deployment = json.loads(text)["deployment"]
    things = {(each["urn"], each["id"]) for each in deployment["resources"]}
    time = int(deployment["manifest"]["time"].partition(".")[2][:6])
    return State(deployment["provider"], time, frozenset(things))


@dataclass
class World:
    """All that outlives a process.

    Attributes:
        places: the state by address; an address is in a bucket or on this machine.
        made: what is in AWS, by URN.
        told: each command, and where.
        kill: at which command to be killed, counted from 0, and when: before, amid, after.
    """

    places: dict[str, State] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    kill: tuple[int, str] = (-1, "")
    clock: int = 0

    @contextmanager
    def forgetting(self, place: str) -> Iterator[None]:
        """Have no state there after this, as its folder is gone."""
        try:
            yield
        finally:
            self.places.pop(place, None)


def write_stack_file(path: Path, provider: str, **settings: str) -> None:
    """Write a stack's file whose one secret is encrypted by the provider."""
    config: dict[str, Any] = {"aws:region": "eu-north-1"}
    config |= {f"oncall-approvals:{key}": value for key, value in settings.items()}
    config[f"oncall-approvals:{SECRET}"] = {"secure": provider}
    loaded: dict[str, Any] = {"config": config}
    if provider == PASSPHRASE:
        loaded["encryptionsalt"] = "salt"
    else:
        loaded |= {"secretsprovider": provider, "encryptedkey": "key"}
    path.write_text(yaml.safe_dump(loaded), encoding="utf-8")


def readable_by(path: Path) -> str:
    """Give what decrypts a stack's file, which is what encrypted its secret."""
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    provider: str = loaded.get("secretsprovider", PASSPHRASE)
    assert loaded["config"][f"oncall-approvals:{SECRET}"] == {"secure": provider}
    return provider


class PlayedPulumi(Pulumi):
    """The command in one process of ours, in a world that stays."""

    def __init__(self, world: World, project: Path) -> None:
        super().__init__("dev", {})
        self.world = world
        self.project = project

    def run(self, *arguments: str, at: str, folder: Path, heard: bool = False) -> str:
        """Play a command, and be killed where the world says so."""
        del heard
        world = self.world
        number, name = len(world.told), " ".join(arguments[:2])
        world.told.append((name, at))
        if world.kill == (number, "before"):
            raise Killed
        amid = world.kill == (number, "amid")
        file = folder / "Pulumi.dev.yaml"
        if "--config-file" in arguments:
            file = Path(arguments[arguments.index("--config-file") + 1])
        try:
            return self._play(name, arguments, at, file, amid=amid)
        finally:
            if amid or world.kill == (number, "after"):
                raise Killed

    def _play(
        self, name: str, arguments: tuple[str, ...], at: str, file: Path, *, amid: bool
    ) -> str:
        places = self.world.places
        if at.startswith("s3://") and BUCKET_URN not in self.world.made:
            raise CommandError("no bucket", errors="NoSuchBucket: The specified bucket ...")
        match name:
            case "stack ls":
                return json.dumps([{"name": "dev"}] if at in places else [])
            case "stack export":
                return places[at].exported()
            case "stack init":
                self._init(arguments, at, file)
            case "stack import":
                self._import(arguments, at)
            case "stack change-secrets-provider":
                self._change_provider(arguments[2], at, file, amid=amid)
            case "stack rm":
                del places[at]
                assert "--preserve-config" in arguments
            case _:
                return self._work(name, arguments, at, file, amid=amid)
        return ""

    def _work(
        self, name: str, arguments: tuple[str, ...], at: str, file: Path, *, amid: bool
    ) -> str:
        """Play what talks to AWS."""
        if name.startswith("preview"):
            return self._preview(arguments, at, file)
        state = self.world.places[at]
        if name == "up --yes":
            self._up(at, file, amid=amid)
        elif name == "import --file":
            read = json.loads(Path(arguments[2]).read_text(encoding="utf-8"))
            resource = {"type": BUCKET_TYPE, "name": "state", "id": BUCKET, "parent": "its"}
            assert read == {"resources": [resource], "nameTable": {"its": "urn:component"}}
            if (BUCKET_URN, BUCKET) in state.things:
                raise CommandError("`import` failed: it is there already")
            taken = state.things | {(BUCKET_URN, BUCKET)}
            self.world.places[at] = replace(state, things=taken)
        else:
            assert name == "refresh --yes"
            self.world.clock += 1
            self.world.places[at] = replace(state, time=self.world.clock, cut_short=False)
        return ""

    def _import(self, arguments: tuple[str, ...], at: str) -> None:
        state = imported(Path(arguments[3]).read_text(encoding="utf-8"))
        assert self.world.places[at].things <= state.things | set(self.world.made.items())
        self.world.places[at] = state

    def _preview(self, arguments: tuple[str, ...], at: str, file: Path) -> str:
        made = frozenset(self.world.made.items())
        if "--json" not in arguments:
            assert readable_by(file) == self.world.places[at].provider
            if "--expect-no-changes" in arguments and self.world.places[at].things != made:
                raise CommandError("`preview` failed: changes are there")
        state = {"type": BUCKET_TYPE, "inputs": {"bucket": BUCKET}}
        return json.dumps({"steps": [{"newState": {"type": "aws:x:X"}}, {"newState": state}]})

    def _init(self, arguments: tuple[str, ...], at: str, file: Path) -> None:
        assert at not in self.world.places, "it would be an error"
        provider = PASSPHRASE
        if "--secrets-provider" in arguments:
            assert not file.exists(), "its key would be overwritten"
            provider = arguments[arguments.index("--secrets-provider") + 1]
        else:
            assert readable_by(file) == PASSPHRASE, "its key would be overwritten"
        self.world.places[at] = State(provider)

    def _change_provider(self, provider: str, at: str, file: Path, *, amid: bool) -> None:
        assert file.parent != self.project, "cut short, it would leave a config nobody can read"
        assert imported(self.world.places[at].exported()).provider == readable_by(file)
        if provider.startswith("awskms://alias/oncall-state?"):
            assert "urn:key" in self.world.made, "the key has to be there"
        text = file.read_text(encoding="utf-8")
        settings = {
            key.partition(":")[2]: value
            for key, value in yaml.safe_load(text)["config"].items()
            if isinstance(value, str) and not key.startswith("aws:")
        }
        write_stack_file(file, provider, **settings)
        if not amid:
            self.world.places[at] = replace(self.world.places[at], provider=provider)

    def _up(self, at: str, file: Path, *, amid: bool) -> None:
        world = self.world
        state = world.places[at]
        assert not state.cut_short, "its bucket would be made once more, which AWS refuses"
        assert readable_by(file) == state.provider
        has = dict(state.things)
        if amid:  # the bucket is there, but nobody has noted it
            world.made[BUCKET_URN] = BUCKET
            world.places[at] = replace(state, cut_short=BUCKET_URN not in has)
            return
        assert BUCKET_URN in has or BUCKET_URN not in world.made, "AWS refuses it"
        wanted = {BUCKET_URN: BUCKET, **{urn: f"{urn}-1" for urn in OTHERS}}
        if "KMS_KEY_ALIAS" in file.read_text(encoding="utf-8"):
            wanted["urn:key"] = "key-1"
        world.made.update(wanted)
        world.clock += 1
        world.places[at] = State(state.provider, world.clock, frozenset(world.made.items()))
