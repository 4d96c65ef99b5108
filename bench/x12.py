"""What reading a 271 batch costs: CPU as a multiple of the least any reader must do, and memory.

The floor is reading the file in pieces of 256 KiB and splitting them at the terminator. Floor and reader take turns in
one process, and the medians of their CPU times are compared. The reader makes every answer whole, with all of its
benefits, dates, references and entities: nothing is left for later. What ingest keeps of an answer besides, the flat
columns and the JSON, is measured too, as "and JSON". Memory is the peak of a process of its own that reads the
file, above the peak of one that imports nothing.

pyx12, where it is installed, reads the segments of a smaller file, and no more: it knows no 271. The floor depends on
the processor and on the size of the pieces; beside pyx12 one sees what the multiples mean.

Run it as ``python bench/x12.py --sets 50000``. Amounts, dates, names and numbers differ from set to set.
"""

import argparse
import importlib.util
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from worker.core.x12.answer_columns import answer_columns
from worker.core.x12.answer_json import answer_json
from worker.core.x12.batch import read_batch
from worker.core.x12.envelope import TransactionSet

READ = """
import sys
from worker.core.x12.batch import read_batch
with open(sys.argv[1], "rb") as file:
    for found in read_batch(file):
        if found.parsed is not None:
            for _ in found.parsed.answers():
                pass
"""
PIECE = 256 * 1024
HEADER = (
    "ISA*00*          *00*          *ZZ*CLEARING       *ZZ*HOSPITAL       *260304*0343*^*00501*000000001*0*P*:~"
    "GS*HB*CLEARING*HOSPITAL*20260304*0343*1*X*005010X279A1~"
)


def word(dice: random.Random, length: int) -> str:
    """A name."""
    return "".join(dice.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=length))


def transaction_set(number: int, dice: random.Random) -> str:
    """A set of about 1,300 characters: one subscriber with sixteen benefits."""
    payer = dice.randrange(40)
    clinic = dice.randrange(300)
    year = dice.randrange(2015, 2026)
    lines = [
        f"ST*271*{number:09d}*005010X279A1",
        f"BHT*0022*11*{dice.randrange(10**12):012d}*20260304*0343",
        "HL*1**20*1",
        f"NM1*PR*2*HEALTH PLAN NUMBER {payer}*****PI*{60000 + payer}",
        "HL*2*1*21*1",
        f"NM1*1P*2*CLINIC {clinic}*****XX*{1_000_000_000 + clinic}",
        "HL*3*2*22*0",
        f"TRN*2*{dice.randrange(10**10):010d}*9123456789",
        f"TRN*1*{dice.randrange(10**10):010d}*9CLEARING1",
        f"NM1*IL*1*{word(dice, 9)}*{word(dice, 6)}*Q***MI*{dice.randrange(10**11):011d}",
        f"REF*6P*{dice.randrange(10**6)}*EMPLOYER {dice.randrange(10**4)}",
        f"N3*{dice.randrange(10**4)} SOME STREET",
        f"N4*SPRINGFIELD*IL*{dice.randrange(10**5):05d}",
        f"DMG*D8*{dice.randrange(1930, 2020)}{dice.randrange(1, 13):02d}{dice.randrange(1, 29):02d}*F",
        "INS*Y*18*001*25",
        "DTP*291*D8*20260304",
        "EB*1**30^1^33^35^47^48^50^86^88^98^AL^MH^UC*C1*GOLD PLAN",
        f"DTP*346*D8*{year}0101",
        "MSG*COVERAGE IS SUBJECT TO THE TERMS OF THE POLICY",
    ]
    for service, period in (("30", 23), ("30", 29), ("47", 23), ("50", 23), ("98", 27), ("88", 23), ("UC", 27)):
        lines.append(f"EB*C*IND*{service}*C1**{period}*{dice.randrange(40) * 50}*****Y")
        lines.append("DTP*292*RD8*20260101-20261231")
    for service in ("30", "48", "50", "98"):
        lines.append(f"EB*A*IND*{service}*C1**27**.{dice.randrange(10)}****Y")
    for service in ("98", "UC", "86", "88"):
        lines.append(f"EB*B*IND*{service}*C1**27*{dice.randrange(20) * 5}*****Y")
    lines += [
        "EB*R**88*OT",
        f"REF*18*S{dice.randrange(10**4):04d}",
        "LS*2120",
        f"NM1*PR*2*PHARMACY PLAN {dice.randrange(100)}",
        "LE*2120",
    ]
    lines.append(f"SE*{len(lines) + 1}*{number:09d}")
    return "~".join(lines) + "~"


def write(path: Path, sets: int) -> None:
    """The file to measure with, the same at every run."""
    dice = random.Random(271)  # noqa: S311
    with path.open("w", encoding="ascii") as out:
        out.write(HEADER)
        for number in range(1, sets + 1):
            out.write(transaction_set(number, dice))
        out.write(f"GE*{sets}*1~IEA*1*000000001~")


def floor(path: Path) -> int:
    """Read and split; the number of segments."""
    segments, tail = 0, b""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            *whole, tail = (tail + piece).split(b"~")
            segments += len(whole)
    return segments


def reader(path: Path) -> int:
    """Read, check and summarise; the number of answers."""
    answers = 0
    with path.open("rb") as file:
        for found in read_batch(file):
            if isinstance(found.item, TransactionSet) and found.parsed is not None:
                for _ in found.parsed.answers():
                    answers += 1
    return answers


def writer(path: Path) -> int:
    """Read, and make of each answer the columns and the JSON that ingest stores; the characters of the JSON."""
    length = 0
    with path.open("rb") as file:
        for found in read_batch(file):
            if found.parsed is not None:
                for answer in found.parsed.answers():
                    answer_columns(answer)
                    length += len(answer_json(answer))
    return length


def pyx12(path: Path) -> int:
    """Read the segments with pyx12, envelopes checked; their number."""
    from pyx12.x12file import X12Reader

    with X12Reader(str(path)) as segments:
        return sum(1 for _ in segments)


def beside_pyx12(sets: int, rounds: int) -> float | None:
    """The CPU that pyx12 takes, as a multiple of the reader's; ``None`` where it is not installed."""
    if not importlib.util.find_spec("pyx12"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batch.271"
        write(path, sets)
        reader(path)
        return statistics.median(cpu(pyx12, path) / cpu(reader, path) for _ in range(rounds))


def cpu(work, path: Path) -> float:  # type: ignore[no-untyped-def]
    """Seconds of CPU that one run takes."""
    began = time.process_time()
    work(path)
    return time.process_time() - began


def peak(code: str, *arguments: str) -> int:
    """Peak memory, in bytes, of a Python process that runs ``code``."""
    tail = "\nprint(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    done = subprocess.run(
        [sys.executable, "-c", code + tail, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    return int(done.stdout.split()[-1]) * 1024


class ReaderFigures(NamedTuple):
    """What one measurement comes to: medians of the rounds; seconds of CPU, bytes."""

    sets: int
    size: int
    floor: float
    reader: float
    writer: float
    peak: int

    @property
    def reader_to_floor(self) -> float:
        return self.reader / self.floor

    @property
    def writer_to_floor(self) -> float:
        """With the columns and the JSON that ingest stores."""
        return self.writer / self.floor


def measure(sets: int = 50_000, rounds: int = 5) -> ReaderFigures:
    """Write a file of ``sets`` sets and measure, floor and reader taking turns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batch.271"
        write(path, sets)
        assert reader(path) == sets
        turns = [(cpu(floor, path), cpu(reader, path), cpu(writer, path)) for _ in range(rounds)]
        least, taken, written = (statistics.median(times) for times in zip(*turns, strict=True))
        return ReaderFigures(sets, path.stat().st_size, least, taken, written, peak(READ, str(path)) - peak(""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found = measure(options.sets, options.rounds)
    print("| sets | file | floor | reader | reader / floor | and JSON / floor | per set | peak above empty |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    print(
        f"| {found.sets:,} | {found.size / 1e6:.1f} MB | {found.floor:.2f} s | {found.reader:.2f} s "
        f"| {found.reader_to_floor:.1f} | {found.writer_to_floor:.1f} | {found.reader / found.sets * 1e6:.0f} µs "
        f"| {found.peak / 2**20:.1f} MB |"
    )


if __name__ == "__main__":
    main()
