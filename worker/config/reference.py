"""The documentation of the configuration, rendered from the table of keys.

``python -m worker.config.reference`` writes ``docs/configuration.md`` and ``config.example.ini`` in the working
directory; do so after changing the table.
"""

import textwrap
from pathlib import Path

from worker.config.deliver_keys import COMMON, DOCS, EXAMPLES, KINDS
from worker.config.keys import SECTIONS, variable
from worker.config.table import Key, Section

_INTRODUCTION = """\
# Configuration

## Where it is found

The first of these is the main file:

1. the file given with `--config`,
2. the file that the environment variable `CDPOLL_CONFIG` names,
3. `$XDG_CONFIG_HOME/cdpoll/cdpoll.ini` (`~/.config` where that variable is not set),
4. `/etc/cdpoll/cdpoll.ini`.

A file that is named (1, 2) must be there. The working directory is never searched. Then every `conf.d/*.ini` beside
the main file is read, in the order of their names, and last the environment: every key has a variable named
`CDPOLL_SECTION_KEY`. Later overrides earlier. An empty variable counts as not set, and variables alone are enough.

`cdpoll config check` lists everything that is wrong at once, with file and line, and tries what the daemon needs: the
secrets, the files that are named, the database, and whether it can be made where there is none. Nothing is asked of
the vendor. `cdpoll config show` prints every key as computed and where its value comes from, `cdpoll config example`
a file to begin with.

Without `[api]` and `[sftp]` an installation can record, and read files that are named, but `cdpoll run` has nothing to
do. That is a mistake (78), unless `[store] runs = once` says that no daemon is expected to live.

Recording and looking need `[store]` only. `record`, `status`, `show`, `tasks`, `found`, `problems`, `files` and the
lists warn in one line where something else is wrong, and work; a key that cannot be read counts as not set. They
exit 78 where the mistake may be about the database: it is in `[store]`, a key of that section stands where it means
nothing, or the main file cannot be read. A file of `conf.d` that cannot be read may name another database, so with
one they use only a database that exists and has its marker beside it.

## How it is written

- `[section]` lines and `key = value` lines in UTF-8. Comments stand on lines of their own and begin with `#` or `;`.
- An unknown section, key or `CDPOLL_` variable is a mistake, and so is a section or key that is written twice in one
  file. An empty value is a mistake too: leave the line out for the default.
- Messages tell the line of a mistake. They quote a name or a value only when it is short or at most two letters from a
  known one: it may be a secret that stands in the wrong place.
- Durations carry units (`ms`, `s`, `m`, `h`, `d`, `w`) and can be put together: `30s`, `1h30m`, `45d`.
- A relative path is relative to the file that says it; from the environment, paths are written in full.

## Secrets

A secret is written as one of these references. It is looked up when it is first needed, so commands that do not talk
to the vendor run for users who may not read it.

| written | means |
| --- | --- |
| `{credential NAME}` | the file `NAME` in `$CREDENTIALS_DIRECTORY`, as systemd's `LoadCredential=` provides it |
| `{file PATH}` | the content of a file: one line |
| `{env NAME}` | the environment variable `NAME` |

A secret may be written out as it is, with a warning, only in a file that its owner alone can read (`chmod 600`). From
a `CDPOLL_` variable only references are taken.
"""

_WAYS = """
## `[deliver.NAME]`

A way out for results; see [deliveries.md](deliveries.md). There may be several, each with a NAME of its own: at most
32 letters, digits, `-` and `_`. `cdpoll deliver` serves them all. A way out keeps what it has delivered under its NAME:
with another NAME it is a new one.

In the environment `CDPOLL_DELIVER_NAME_KEY` sets a key of a section that stands in a file. NAME is in capitals there,
with `_` for `-`. Two names that would share a variable are a mistake.

"""

_EXAMPLE = """\
# Configuration of cdpoll. Copy this to /etc/cdpoll/cdpoll.ini, set base_url, client_id and client_secret, and run
# `cdpoll config check`. Lines like "#key = value" show a key with its default, or with an invented value where it has
# none: take the # away to set it, and that of the heading above it too. Comments need a line of their own. Durations
# carry a unit: 30s, 5m, 6h, 45d.
#
# A secret is written {credential NAME} (systemd's LoadCredential=), {file PATH} or {env NAME}. Written out as it is,
# it is accepted, with a warning, only if this file is readable by its owner alone (chmod 600).
"""


def reference_markdown() -> str:
    """The page ``docs/configuration.md``."""
    return _INTRODUCTION + "".join(map(_markdown_section, SECTIONS)) + _markdown_ways()


def example_ini() -> str:
    """The file ``config.example.ini``: every key, commented out."""
    return _EXAMPLE + "".join(map(_example_section, SECTIONS + EXAMPLES))


def _markdown_section(section: Section) -> str:
    first = variable(section.name, section.keys[0].name)
    heading = f"\n## `[{section.name}]`\n\n{section.doc}\n\n"
    return f"{heading}{_markdown_keys(section.keys)}\nIn the environment: `{first}` and so on.\n"


def _markdown_ways() -> str:
    """One section of the page for all ways out: the keys that all have, then those of each kind."""
    kinds = [f"\n### `kind = {kind}`\n\n{DOCS[kind]}\n\n{_markdown_keys(keys)}" for kind, keys in KINDS.items()]
    return f"{_WAYS}{_markdown_keys(COMMON)}{''.join(kinds)}"


def _markdown_keys(keys: tuple[Key, ...]) -> str:
    rows = [
        f"| `{key.name}` | {key.kind.says} | {_markdown_default(key)} | {key.doc.replace('|', '&#124;')} |\n"
        for key in keys
    ]
    return "| key | holds | default | meaning |\n| --- | --- | --- | --- |\n" + "".join(rows)


def _markdown_default(key: Key) -> str:
    return key.otherwise or ("not set" if key.default is None else f"`{key.default}`")


def _example_section(section: Section) -> str:
    # With its heading a section exists, and its required keys must be set. Only [api], which all need, has it at once.
    mark = "#" * (section.optional and section.name != "api")
    out = [f"\n# {section.doc}\n{mark}[{section.name}]\n"]
    for key in section.keys:
        default = "; required" if key.required else f"; default: {key.otherwise}" if key.otherwise else ""
        text = f"{key.doc} ({key.kind.says.replace('`', '')}{default})"
        out.append(textwrap.fill(text, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False) + "\n")
        out.append(f"#{key.name} = {key.default if key.default is not None else key.sample}\n\n")
    return "".join(out).rstrip("\n") + "\n"


if __name__ == "__main__":
    Path("docs").mkdir(exist_ok=True)
    Path("docs/configuration.md").write_text(reference_markdown(), encoding="utf-8")
    Path("config.example.ini").write_text(example_ini(), encoding="utf-8")
