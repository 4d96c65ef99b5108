"""The program of docs/operations.md that sends a mail, with a mail server on loopback."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cdpoll_process import DEADLINE, ROOT
from tests.support.loopback import Asked, Loopback, Peer


@pytest.mark.skipif(shutil.which("curl") is None, reason="the Debian package curl is missing")
def test_the_mail_arrives(tmp_path: Path) -> None:
    page = (ROOT / "docs/operations.md").read_text()
    (script,) = re.findall(r"^```sh\n(#!/bin/sh\n.*?)^```", page.split("\n## Alerts\n")[1], re.MULTILINE | re.DOTALL)
    assert len(script.splitlines()) == 3
    heard: list[str] = []

    def converse(peer: Peer) -> None:
        """As a mail server does."""
        peer.send(b"220 mail\r\n")
        in_mail = False
        with peer.sock.makefile("r", newline="\r\n") as lines:
            for line in lines:
                heard.append(line.rstrip("\r\n"))
                if in_mail:
                    in_mail = heard[-1] != "."
                    if not in_mail:
                        peer.send(b"250 taken\r\n")
                elif heard[-1] == "DATA":
                    in_mail = True
                    peer.send(b"354 go on\r\n")
                else:
                    peer.send(b"221 bye\r\n" if heard[-1] == "QUIT" else b"250 well\r\n")
        peer.close()

    def nothing(_asked: Asked, _peer: Peer) -> bytes:
        return b""

    with Loopback(nothing, greet=converse) as server:
        program = tmp_path / "page-me"
        program.write_text(script.replace("smtp://mail.example.com", f"smtp://127.0.0.1:{server.port}"))
        program.chmod(0o755)
        subprocess.run([program], input=b'{"event": "problem"}\n', check=True, timeout=DEADLINE)
    assert "MAIL FROM:<cdpoll@example.com>" in heard[1]
    assert [line for line in heard if line.startswith("Subject: cdpoll on ")]
    assert '{"event": "problem"}' in heard
