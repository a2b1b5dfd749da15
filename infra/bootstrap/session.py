"""Carries out one step after the other, and looks again after each."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.bootstrap.cli import CommandError, InterruptedCommandError, LockedError
from infra.bootstrap.looking import bucket_to_be, copy_at
from infra.bootstrap.plan import Found, Step, StuckError, next_step_back, next_step_there
from infra.bootstrap.stack_file import BACKEND, PASSPHRASE, bucket_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from infra.bootstrap.cli import Pulumi
    from infra.bootstrap.copies import Copy
    from infra.bootstrap.scratch import Scratch
    from infra.bootstrap.stack_file import StackFile


@dataclass(slots=True, kw_only=True)
class Session:
    """One run, in one direction.

    Attributes:
        pulumi: the command.
        file: the stack's file, as it was at the start.
        scratch: where things are tried.
        environment: of this process.
        here: where the state lies on this machine.
        there: where it lies in the bucket; empty while that is not known.
        back: whether it goes from the bucket to this machine.
    """

    pulumi: Pulumi
    file: StackFile
    scratch: Scratch
    environment: Mapping[str, str]
    here: str
    there: str
    back: bool = False

    def run(self) -> None:
        """Go from what there is to the end.

        Raises:
            StuckError: a person has to do something.
            CommandError: Pulumi has not done what it was told.
            SetupError: something of the project or the environment is not as it has to be.
        """
        found = self._look()
        plan = next_step_back if self.back else next_step_there
        before = None
        while (step := plan(found)) is not Step.DONE:
            if step is before:
                raise StuckError(f"what it did, which {step.value}, has changed nothing")
            self._say(step, found)
            found = self._do(step, found)
            before = step

    @property
    def source(self) -> str:
        """Where the state leaves."""
        return self.there if self.back else self.here

    @property
    def target(self) -> str:
        """Where the state goes."""
        return self.here if self.back else self.there

    @property
    def wanted(self) -> str:
        """What is to encrypt the secrets at the end; empty leaves that as it is."""
        if not self.file.key:
            return ""
        if not self.back:
            return self.file.key
        return PASSPHRASE if self.file.is_encrypted_by(self.file.key) else ""

    def _look(self) -> Found:
        source, target = self._copy(self.source), self._copy(self.target)
        return self._knowing_bucket(
            Found(
                source=source,
                target=target,
                target_known=bool(self.target),
                settled=not self.wanted or self.file.is_encrypted_by(self.wanted),
            )
        )

    def _knowing_bucket(self, found: Found) -> Found:
        """Find the bucket in what the stack says of itself."""
        names = {each.bucket for each in (found.source, found.target) if each and each.bucket}
        if not names:
            return found
        return self._going_to(names.pop(), found)

    def _going_to(self, bucket: str, found: Found) -> Found:
        if not self.there:
            self.there = bucket_url(bucket, self.file.region, self.environment)
            there = self._copy(self.there)
            if self.back:
                return replace(found, source=there)
            return replace(found, target=there, target_known=True)
        given = urlsplit(self.there).netloc
        if given != bucket:
            raise StuckError(
                f"{BACKEND} names the bucket {given}, and the stack's own is {bucket}: "
                f"run `unset {BACKEND}`"
            )
        return found

    def _copy(self, at: str) -> Copy | None:
        return copy_at(self.pulumi, at, self.scratch.project) if at else None

    def _do(self, step: Step, found: Found) -> Found:
        doing: dict[Step, Callable[[Found], Found]] = {
            Step.INIT: self._init,
            Step.PREVIEW: self._preview,
            Step.RECOVER: self._recover,
            Step.UP: self._up,
            Step.MOVE: self._move,
            Step.VERIFY: self._verify,
            Step.SETTLE: self._settle,
            Step.REMOVE: self._remove,
        }
        return doing[step](found)

    def _init(self, found: Found) -> Found:
        if self.file.provider == PASSPHRASE:
            # Writes the salt into the stack's file, unless that holds one.
            self._of_user("stack", "init", at=self.source)
        else:
            self._init_beside(self.source, self.file.provider)
        return replace(found, source=self._copy(self.source))

    def _init_beside(self, at: str, provider: str) -> None:
        """Make a stack, but not a key for it in the stack's file, which holds one already."""
        options = ("--no-select", "--secrets-provider", provider)
        self._run("stack", "init", *options, at=at, folder=self.scratch.bare)

    def _preview(self, found: Found) -> Found:
        return self._going_to(bucket_to_be(self.pulumi, self.source, self._project), found)

    def _recover(self, found: Found) -> Found:
        """Take over what was made under the name that we gave it, then forget what was begun.

        What Pulumi or AWS named is not to be found by its name, so it is named to the user.
        """
        options = ("--yes", "--skip-preview", "--generate-code=false")
        for each in found.source.cut_short if found.source else ():
            if not each.id:
                self._tell(f"it may be in AWS, unknown to Pulumi: {each.urn}")
                continue
            self.scratch.keep(self.scratch.imported, each.import_file())
            try:
                file = str(self.scratch.imported)
                self._of_user("import", "--file", file, *options, at=self.source)
            except (InterruptedCommandError, LockedError):
                raise
            except CommandError:
                self._tell(f"that is no error if {each.id} is not there, or is known already")
        # Last, so that whoever is cut short here finds again what to look for.
        refresh = ("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        self._of_user(*refresh, at=self.source)
        return replace(found, source=self._copy(self.source))

    def _up(self, found: Found) -> Found:
        self._of_user("up", "--yes", at=self.source)
        known = replace(found, source=self._copy(self.source), up_to_date=True)
        return self._knowing_bucket(known)

    def _move(self, found: Found) -> Found:
        """Copy the state, newly encrypted on the way where that is wanted."""
        self.scratch.keep(self.scratch.state, self._run("stack", "export", at=self.source))
        load = ("stack", "import", "--file", str(self.scratch.state))
        if not found.settled:
            self._init_beside(self.scratch.backend, PASSPHRASE)
            self._run(*load, at=self.scratch.backend)
            self._run("stack", "change-secrets-provider", self.wanted, at=self.scratch.backend)
            newly = self._run("stack", "export", at=self.scratch.backend)
            self.scratch.keep(self.scratch.state, newly)
        if found.target is None:
            self._init_beside(self.target, self.wanted or self.file.provider)
        self._run(*load, at=self.target)
        return replace(found, target=self._copy(self.target), moved=True)

    def _verify(self, found: Found) -> Found:
        options = [] if found.settled else ["--config-file", str(self.scratch.stack_file)]
        if not self.back:
            options.append("--expect-no-changes")
        self._of_user("preview", *options, at=self.target)
        return replace(found, verified=True)

    def _settle(self, found: Found) -> Found:
        self.scratch.settle()
        return replace(found, settled=True)

    def _remove(self, found: Found) -> Found:
        self._run("stack", "rm", "--yes", "--force", "--preserve-config", at=self.source)
        return replace(found, source=self._copy(self.source))

    def _of_user(self, *arguments: str, at: str) -> None:
        """Run a command on the user's own project, for him to see."""
        self.pulumi.run(*arguments, at=at, folder=self._project, heard=True)

    def _run(self, *arguments: str, at: str, folder: Path | None = None) -> str:
        """Run a command in the scratch project, where it cannot write into a file of the user's."""
        return self.pulumi.run(*arguments, at=at, folder=folder or self.scratch.project)

    @property
    def _project(self) -> Path:
        return self.file.path.parent

    def _say(self, step: Step, found: Found) -> None:
        what = {
            Step.INIT: f" at {self.source}",
            Step.UP: f", with the state at {self.source}",
            Step.MOVE: f" from {self.source} to {self.target}",
            Step.REMOVE: f" at {self.source}",
        }.get(step, "")
        if step is Step.MOVE and not found.settled:
            what += f", encrypted by {self.wanted}"
        self._tell(f"{step.value}{what} ...")

    def _tell(self, text: str) -> None:
        sys.stdout.write(f"{self.pulumi.stack}: {text}\n")
        sys.stdout.flush()
