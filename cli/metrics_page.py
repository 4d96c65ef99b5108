"""docs/metrics.md and the alert rules, made from the tables of metrics and problems: ``python -m cli.metrics_page``."""

import json
import re
from pathlib import Path

from cli.problems_page import words_of
from worker.core.problems import FAMILIES, KINDS, Kind
from worker.web.metrics import METRICS, Shown

DOCS = Path(__file__).parents[1] / "docs"
TARGET = DOCS / "metrics.md"
RULES = DOCS / "alerts" / "cdpoll.rules.yml"

HEAD = """\
# Every metric

`cdpoll serve local` gives them at `/metrics`, for Prometheus; [monitoring.md](monitoring.md) tells how. This page is
made from `worker/web/metrics.py`.

No metric holds an id, a name of a file, or anything else of a patient. A metric that has no value at present is left
out. Counters and histograms begin anew when the daemon is started, but for `cdpoll_delivered_total`, which counts for
good; without a living daemon they are left out.

| metric | type | means | labels |
| --- | --- | --- | --- |
"""

RULES_HEAD = """\
# Alert rules for Prometheus: one for each problem that cdpoll names, and for what it cannot say itself.
# `promtool check rules cdpoll.rules.yml` checks this file. It is made by `python -m cli.metrics_page`.
groups:
  - name: cdpoll
    rules:
"""

# What is told once it has lasted so long: a restart is none of it.
_FOR = {"critical": "1m", "warning": "5m"}

_OWN = (
    (
        "CdpollSilent",
        "absent(cdpoll_build_info)",
        "critical",
        "nothing answers as `cdpoll serve local`",
        "see systemctl status cdpoll-local, and whether Prometheus asks the right address",
    ),
    (
        "CdpollDatabaseUnreadable",
        "cdpoll_database_readable == 0",
        "critical",
        "the database of cdpoll cannot be read",
        "`cdpoll status` on the machine says why",
    ),
)


def markdown() -> str:
    """The page."""
    return HEAD + "".join(map(_row, METRICS))


def rules() -> str:
    """The file of alert rules."""
    own = "".join(_rule(name, expr, severity, said, cure, "monitoring.md") for name, expr, severity, said, cure in _OWN)
    return RULES_HEAD + own + "".join(map(_of_problem, KINDS.values()))


def _row(one: Shown) -> str:
    labels = "; ".join(f"`{label}`: {values}" for label, values in one.labels.items())
    return f"| `{one.name}` | {one.type} | {one.help} | {labels} |\n"


def _of_problem(kind: Kind) -> str:
    said, cure = map(_plain, words_of(kind))
    name = "Cdpoll" + "".join(word.capitalize() for word in kind.code.split("_"))
    more = "; `cdpoll status` names which" if kind.code in FAMILIES else ""
    return _rule(name, f'cdpoll_problems{{code="{kind.code}"}} > 0', kind.severity, said, cure + more, "problems.md")


def _plain(text: str) -> str:
    """Without what is markup in a page."""
    return re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", text).replace("&#124;", "|").replace("{", "(").replace("}", ")")


def _rule(name: str, expr: str, severity: str, said: str, cure: str, page: str) -> str:
    # A text in JSON is one in YAML.
    return (
        f"      - alert: {name}\n"
        f"        expr: {json.dumps(expr)}\n"
        f"        for: {_FOR[severity]}\n"
        f"        labels:\n"
        f"          severity: {severity}\n"
        f"        annotations:\n"
        f"          summary: {json.dumps('cdpoll: ' + said, ensure_ascii=False)}\n"
        f"          cure: {json.dumps(cure, ensure_ascii=False)}\n"
        f"          page: docs/{page}\n"
    )


if __name__ == "__main__":
    TARGET.write_text(markdown(), encoding="utf-8")
    RULES.parent.mkdir(exist_ok=True)
    RULES.write_text(rules(), encoding="utf-8")
