"""What reading a hostile file of 1 GB costs: memory above that of the process before, CPU, and how it is told.

The file is made while it is read, and never lies anywhere. Each form is read by a process of its own, whose peak is
that of the kernel's books. Run it as ``python bench/hostile.py``; the tests read less of the same forms.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from worker.core.x12.batch import read_batch
from worker.core.x12.envelope import FileEnd

PIECE = 256 * 1024
ISA = b"ISA*00*          *00*          *ZZ*CLEARING       *ZZ*HOSPITAL       *260304*0343*^*00501*000000001*0*P*:~"
HEADER = ISA + b"GS*HB*CLEARING*HOSPITAL*20260304*0343*1*X*005010X279A1~"
TRAILER = b"GE*1*1~IEA*1*000000001~"
BLANKS = b"ST*271*0001~BHT*0022*11*1~MSG*%s-~SE*4*0001 ~" % (b" " * 16_000)
SMALL = b"BHT*0022*11*1~HL*1**20*1~NM1*PR*2*P~HL*2*1*21*1~HL*3*2*22*0~NM1*IL*1*N~EB*1~"


def numbered(start: bytes, end: bytes, width: int) -> Iterator[bytes]:
    """Pieces of one text again and again, each with another number."""
    number = 0
    while True:
        yield b"".join([b"%s%0*d%s" % (start, width, n, end) for n in range(number, number + 4000)])
        number += 4000


def endless(text: bytes) -> Iterator[bytes]:
    return repeat(text * (PIECE // len(text)))


def sets() -> Iterator[bytes]:
    number = 0
    while True:
        yield b"".join([b"ST*271*%09d~%sSE*9*%09d~" % (n, SMALL, n) for n in range(number, number + 2000)])
        number += 2000


# What the file begins with, what goes on without end, and what it ends with.
FORMS: dict[str, tuple[bytes, Iterator[bytes], bytes]] = {
    "one endless segment": (HEADER + b"ST*271*0001~MSG*", endless(b"A"), b""),
    "an endless segment that ends": (HEADER + b"ST*271*0001~MSG*", endless(b"A"), b"~SE*3*0001~" + TRAILER),
    "no terminator": (ISA, endless(b"WORDS AND *:^ WORDS "), b""),
    "a million sets": (HEADER, sets(), TRAILER),
    "a million sets without anything": (HEADER, numbered(b"ST*271*", b"~SE*2*0001~", 9), TRAILER),
    "a million sets without an end": (HEADER, numbered(b"ST*271*", b"~", 9), TRAILER),
    "a million groups": (HEADER, numbered(b"GE*1*1~GS*HB*A*B*20260304*0343*", b"*X*005010X279A1~", 9), TRAILER),
    "a set without an end": (HEADER + b"ST*271*0001~", endless(b"EB*1**30^88~"), TRAILER),
    "a set of hierarchies": (HEADER + b"ST*271*0001~", endless(b"HL*1**20~"), b"SE*9*0001~" + TRAILER),
    "sets of blanks": (HEADER, endless(BLANKS), TRAILER),
    "no interchange": (b"", endless(b"WORDS AND WORDS "), b""),
    "false interchanges": (HEADER, endless(b"~ISA*"), b""),
    "padding": (HEADER + b"ST*271*0001~SE*2*0001~" + TRAILER, endless(b"\0"), b""),
}


class Made:
    """This many bytes of a form, between its beginning and its end."""

    def __init__(self, form: str, size: int) -> None:
        start, middle, end = FORMS[form]
        self._pieces = chain([start], self._until(middle, size), [end])
        self._piece = b""

    def _until(self, pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            size -= len(piece)
            if size <= 0:
                return

    def read(self, size: int, /) -> bytes:
        while not self._piece:
            found = next(self._pieces, None)
            if found is None:
                return b""
            self._piece = found
        out, self._piece = self._piece[:size], self._piece[size:]
        return out


def memory(what: str) -> int:
    """KiB that this process has (VmRSS), or ever had at most (VmHWM)."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1])


def measure(form: str, size: int) -> dict[str, object]:
    """Read it in this process: how it ended, what of its sets, and what it took."""
    verdicts: dict[str, int] = {}
    before, began = memory("VmRSS"), time.process_time()
    for one in read_batch(Made(form, size)):
        if isinstance(one.item, FileEnd):
            end = one.item
            continue
        verdicts[one.verdict] = verdicts.get(one.verdict, 0) + 1
        if one.parsed is not None:
            for _ in one.parsed.answers():
                pass
    took = time.process_time() - began
    return {
        "form": form,
        "state": end.state,
        "reason": end.reason,
        "codes": sorted({issue.code for issue in end.issues}),
        "verdicts": verdicts,
        "bytes": end.size,
        "peak_kib": memory("VmHWM") - before,
        "cpu_s": round(took, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--form", choices=FORMS, help="this one alone, in this process, as JSON")
    given = parser.parse_args()
    if given.form:
        print(json.dumps(measure(given.form, given.mib * 1024 * 1024)))
        return
    for form in FORMS:
        line = [sys.executable, __file__, "--mib", str(given.mib), "--form", form]
        found = json.loads(subprocess.run(line, check=True, capture_output=True).stdout)
        print(
            f"{form:<32} {found['bytes'] / 2**20:6.0f} MiB read in {found['cpu_s']:7.2f} s, "
            f"{found['peak_kib'] / 1024:5.1f} MiB more; {found['state']}. {found['reason']} {found['verdicts']}"
        )


if __name__ == "__main__":
    main()
