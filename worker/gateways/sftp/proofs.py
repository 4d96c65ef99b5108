"""Proving who we are: by key, by password, or by both as the server wants it. No agent, nothing from ~/.ssh."""

from collections.abc import Callable

import paramiko

from worker.gateways.sftp.failure import SftpFailed
from worker.gateways.sftp.guard import Guard
from worker.gateways.sftp.known_hosts import fingerprint
from worker.gateways.sftp.server import Server, cut_or


class Proofs:
    """One login: the key first, then the password, in one go or in sequence, as the server wants it."""

    def __init__(self, transport: paramiko.Transport, server: Server, guard: Guard) -> None:
        self._transport = transport
        self._server = server
        self._guard = guard
        self._wants: list[str] = []  # after a part was accepted: what else; after a refusal: what is taken at all
        self._accepted: list[str] = []
        self._refused: list[str] = []
        self._asked_for_more = False

    def offer(self, key: paramiko.PKey | None, password: str | None) -> None:
        user, transport = self._server.username, self._transport
        if password is not None:
            self._ask_what_is_taken()
        if key is not None and not transport.is_authenticated():
            self._try("the key", lambda: transport.auth_publickey(user, key))
        if not transport.is_authenticated() and password is not None:
            self._with_password(password)
        if not transport.is_authenticated():
            failure = self._failure(key, password)
            failure.after_proof = True
            raise failure

    def _ask_what_is_taken(self) -> None:
        """Ask for the ways to log in by the one that proves nothing, as every client does: to send the password in a
        way that the server does not take counts as an attempt with some, and then it would be sent twice."""
        try:
            self._transport.auth_none(self._server.username)
        except paramiko.BadAuthenticationType as refusal:
            self._wants = list(refusal.allowed_types)
        except paramiko.AuthenticationException:
            if not self._transport.is_active():
                raise cut_or(EOFError(), self._guard, self._server, "logging in") from None
        except Exception as error:
            raise cut_or(error, self._guard, self._server, "logging in") from None

    def _with_password(self, password: str) -> None:
        user, transport = self._server.username, self._transport
        if not self._wants or "password" in self._wants:
            self._try("the password", lambda: transport.auth_password(user, password, fallback=False))
        elif "keyboard-interactive" in self._wants:
            answers = [password]

            def answer(_title: str, _text: str, questions: list[tuple[str, bool]]) -> list[str]:
                # The password answers one question that is not echoed, once: a second one is about something else.
                if len(questions) == 1 and not questions[0][1] and answers:
                    return [answers.pop()]
                self._asked_for_more |= bool(questions)
                return [""] * len(questions)

            self._try("the password", lambda: transport.auth_interactive(user, answer))

    def _try(self, proof: str, attempt: Callable[[], list[str]]) -> None:
        try:
            self._wants = attempt()
        except paramiko.BadAuthenticationType as refusal:
            self._wants = list(refusal.allowed_types)
        except paramiko.AuthenticationException:
            if not self._transport.is_active():
                raise self._ended(EOFError()) from None
            self._refused.append(proof)
        except Exception as error:
            raise self._ended(error) from None
        else:
            self._accepted.append(proof)

    def _ended(self, error: Exception) -> SftpFailed:
        """The connection ended after a proof was sent. Some servers refuse so."""
        failure = cut_or(error, self._guard, self._server, "logging in")
        failure.after_proof = failure.code != "stopped"
        return failure

    def _failure(self, key: paramiko.PKey | None, password: str | None) -> SftpFailed:
        server = self._server
        wants = ", ".join(name[:40] for name in self._wants if name.isascii() and name.isprintable()) or "nothing else"
        if self._asked_for_more:
            hint = "cdpoll works unattended: ask for an account that logs in with a key or a password alone"
            return SftpFailed("auth", f"{server.name} asks {server.username} for more than a password", hint)
        if self._accepted and not self._refused:
            missing = "password" if password is None and {"password", "keyboard-interactive"} & set(self._wants) else ""
            missing = "key_file" if key is None and "publickey" in self._wants else missing
            hint = f"set {missing} under [sftp] too" if missing else "ask the server's side what else it wants"
            accepted = " and ".join(self._accepted)
            return SftpFailed("auth_partial", f"{server.name} accepted {accepted}, and also wants: {wants}", hint)
        if self._refused:
            accepted = f"accepted {' and '.join(self._accepted)}, but " if self._accepted else ""
            what = " and ".join(dict.fromkeys(self._refused))
            return SftpFailed("auth", f"{server.name} {accepted}refused {server.username} with {what}", self._hint(key))
        have = " and ".join(["a key"] * (key is not None) + ["a password"] * (password is not None))
        hint = "set what it takes under [sftp]: key_file, password, or both"
        return SftpFailed("auth", f"{server.name} takes {wants}; configured is {have}", hint)

    def _hint(self, key: paramiko.PKey | None) -> str:
        if "the key" not in self._refused or key is None:
            return "check username and password under [sftp]; is the account locked, or the password expired?"
        hint = f"check username; is this key registered there: {fingerprint(key.asbytes())}?"
        if key.get_name() == "ssh-rsa":
            hint += " A server that knows SHA-1 signatures alone refuses RSA keys: use an Ed25519 or ECDSA key"
        return hint
