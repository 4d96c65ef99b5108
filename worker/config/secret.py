"""Secrets: written as a reference, resolved when they are first needed, never shown."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from worker.core.errors import BadConfiguration
from worker.files import open_regular
from worker.ownership import obstacle

FORMS = "{credential NAME}, {file PATH} or {env NAME}"
_REFERENCE = re.compile(r"\{\s*(credential|file|env)\s+([^{}]*[^{}\s])\s*\}")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_@:.-]{1,255}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOLD_VARIABLE = re.compile(r"[A-Z]+(_[A-Z0-9]+)*")
_VISIBLE = re.compile(r"[ -~\u00a1-\u00ac\u00ae-\u00ff]+")
_LARGEST_BYTES = 8192


class OutOfReach(BadConfiguration):
    """A secret that is kept from this user, or that systemd hands to the service alone (``by_systemd``)."""

    by_systemd = False


class _AtTheService(OutOfReach):
    by_systemd = True


class _Absent(BadConfiguration):
    """Its file is not there, or is empty."""


class Secret:
    """A value that is looked up when it is needed; until then only its place is known.

    ``where`` is the key as people know it (``[api] client_secret``); ``form`` is ``credential``, ``file``, ``env``,
    ``literal`` or ``missing``; ``shown`` is what may be displayed. ``check`` gets the resolved text and raises
    ValueError, without repeating it, when it cannot be used.
    """

    __slots__ = ("_argument", "_check", "_environ", "form", "shown", "where")

    def __init__(
        self,
        where: str,
        form: str,
        argument: str = "",
        *,
        environ: Mapping[str, str] | None = None,
        shown: str | None = None,
        check: Callable[[str], object] | None = None,
    ) -> None:
        self.where = where
        self.form = form
        self.shown = shown or ("(not set)" if form == "missing" else f"{{{form} {argument}}}")
        self._argument = argument
        self._environ = {} if environ is None else environ
        self._check = check

    def __repr__(self) -> str:
        return f"<secret {self.where}: {self.shown}>"

    def __eq__(self, other: object) -> bool:
        """Whether both are looked up in the same place; a literal one: whether it is the same."""
        return isinstance(other, Secret) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)

    @property
    def _place(self) -> tuple[str, str, str]:
        return self.where, self.form, self._argument

    def __bool__(self) -> bool:
        """Whether anything was configured at all; it may still turn out not to be readable."""
        return self.form != "missing"

    @property
    def file(self) -> Path | None:
        """The file that this secret is taken from, if it is one that the configuration names."""
        return Path(self._argument) if self.form == "file" else None

    @property
    def credential(self) -> str | None:
        """The name of the systemd credential that this secret is, if it is one."""
        return self._argument if self.form == "credential" else None

    @property
    def variable(self) -> str | None:
        """The environment variable this secret is taken from, if it is."""
        return self._argument if self.form == "env" else None

    def reveal(self) -> str:
        """The secret itself, looked up at every call: a file that is mended or rotated needs no restart.

        Raises BadConfiguration with the cure.
        """
        match self.form:
            case "missing":
                raise BadConfiguration(f"{self.where} is not set", f"write it as {FORMS}")
            case "literal":
                return self._checked(self._argument)
            case "env":
                return self._checked(self._from_environment())
            case "credential":
                return self._checked(self._from_file(self._credential()))
        return self._checked(self._from_file(Path(self._argument)))

    def revealed(self) -> "Secret":
        """The same, looked up now: for what goes on as a user that may not. Raises as :meth:`reveal`."""
        return Secret(self.where, "literal", self.reveal(), shown=self.shown)

    def reveal_if_there(self) -> str | None:
        """The same of a secret that need not be there: ``None`` without one, and where its file is missing or empty."""
        try:
            return self.reveal() if self else None
        except _Absent:
            return None

    def _from_environment(self) -> str:
        try:
            return self._environ[self._argument]
        except KeyError:
            # A secret may stand where the name belongs. What is written like a variable's name is told.
            name = f" {self._argument}" if _TOLD_VARIABLE.fullmatch(self._argument) else " that it names"
            raise BadConfiguration(
                f"{self.where}: the environment variable{name} is not set",
                "set it where this process is started, or write the secret as {file PATH} or {credential NAME}",
            ) from None

    def _credential(self) -> Path:
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        # The commands of ExecReload= may have the variable, and not see the folder.
        if not folder or not os.path.isdir(folder):  # noqa: PTH112 - this one never raises
            why = "names no folder that can be seen" if folder else "is not set"
            raise _AtTheService(
                f"{self.where}: systemd handed over no credentials ($CREDENTIALS_DIRECTORY {why})",
                f"run this as a unit with LoadCredential={self._argument}:/path, or write the secret as {{file PATH}}",
            )
        return Path(folder, self._argument)

    def _from_file(self, path: Path) -> str:
        try:
            with open_regular(path) as file:
                data = file.read(_LARGEST_BYTES + 1)
        except PermissionError:
            found = obstacle(path, write=False)
            raise OutOfReach(
                f"{self.where}: {path} cannot be read: {found.words if found else 'permission denied'}",
                "let this user read it (chown, chmod), or hand it over with systemd's LoadCredential=",
            ) from None
        except (OSError, ValueError) as error:
            kind = _Absent if isinstance(error, FileNotFoundError) else BadConfiguration
            raise self._unusable(path, (getattr(error, "strerror", None) or "not a path").lower(), kind) from None
        if len(data) > _LARGEST_BYTES:
            raise self._unusable(path, f"larger than {_LARGEST_BYTES} bytes")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise self._unusable(path, "not UTF-8 text") from None
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text

    def _unusable(self, path: Path, reason: str, kind: type[BadConfiguration] = BadConfiguration) -> BadConfiguration:
        hint = f"put the secret, one line, into {path}"
        if self.form == "credential":
            hint = f"see LoadCredential={self._argument}:/path in the unit: that file must hold the secret, one line"
        return kind(f"{self.where}: {path} cannot be used: {reason}", hint)

    def _checked(self, text: str) -> str:
        try:
            one_visible_line(text)
            if self._check is not None:
                self._check(text)
        except ValueError as error:
            hint = "write the value alone, on one line"
            if not text and self.form == "credential":
                hint = f"put it, one line, into the file that LoadCredential={self._argument}:… of the unit names"
                hint += ", and restart the service"
            kind = BadConfiguration if text else _Absent
            raise kind(f"{self.where}: {self.shown}: {error}", hint) from None
        return text


def one_visible_line(text: str) -> None:
    """Raise ValueError, without repeating the text, unless it is one line of visible Latin-1 characters."""
    if not text:
        raise ValueError("is empty")
    if not _VISIBLE.fullmatch(text):
        raise ValueError("is more than one line, or has characters that are not visible Latin-1")
    if text != text.strip():
        raise ValueError("begins or ends with a blank")


def read_reference(
    where: str,
    text: str,
    folder: Path | None,
    environ: Mapping[str, str],
    check: Callable[[str], object] | None = None,
) -> Secret | None:
    """The secret that a reference names, unresolved; None when the text is no reference but a literal.

    A relative ``{file PATH}`` is relative to ``folder``. Raises ValueError for a reference that is not well-formed,
    and for any other text that begins with a brace: it is far more often a misspelt reference than a secret.
    """
    if not text.startswith("{"):
        return None
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a reference to a secret; write {FORMS}")
    form, argument = match.groups()
    if form == "file":
        argument = str(full_path(argument, folder))
    elif form == "env" and not _VARIABLE.fullmatch(argument):
        raise ValueError("not the name of an environment variable; write {env NAME}")
    elif form == "credential" and (not _CREDENTIAL.fullmatch(argument) or argument in (".", "..")):
        raise ValueError("not the name of a credential; write {credential NAME}, without slashes")
    return Secret(where, form, argument, environ=environ, check=check)


def full_path(text: str, folder: Path | None) -> Path:
    """A path as written, made absolute against the folder of the file that says it (None: the environment says it)."""
    if text.startswith("~"):
        raise ValueError("~ is not expanded; write the path in full")
    path = Path(text)
    if not path.is_absolute():
        # The daemon and a command have different working directories, so a relative path would name two files.
        if folder is None:
            raise ValueError("a relative path in an environment variable; write it in full, from /")
        path = folder / path
    return path
