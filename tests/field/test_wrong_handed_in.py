"""What people and scripts hand to ``cdpoll record`` by mistake: nothing that may name a task is lost in silence.

Of each input the table says how the command ends, how many ids it records, and words of what it says.
"""

import gzip
import json
from typing import Any

import pytest

from tests.support.cdpoll_process import House

A, B = "0716e3e8-87ee-11ee-b9d1-0242ac120002", "0e56aa10-87ee-11ee-b9d1-0242ac120002"
CD = "/coverage-discovery"
LINK = f'link: <{CD}/{A}>; title="one"; rel="related"'
OK = "HTTP/1.1 200 OK"

Wrong = tuple[str, list[str], str | bytes, int, int, str]


def dump(*lines: str, end: str = "\r\n") -> str:
    return "".join(line + end for line in (*lines, ""))


def lines(*objects: dict[str, Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in objects)


GOOD = dump(OK, LINK)
RECEIPT = {"id": A, "name": "one"}
CURL_V = f"* Connected\n> POST / HTTP/1.1\n> Host: h\n>\n< {OK}\n< {LINK}\n< date: x\n<\n{{ [5 bytes data]\nbody\n"
WGET_S = f"Resolving h...\nHTTP request sent, awaiting response... \n  {OK}\n  {LINK}\nLength: 5\n"

IDS: list[Wrong] = [
    ("no UUID", ["MRN-4711"], "", 0, 1, "not a UUID"),
    ("a letter short", [A[:-1]], "", 65, 0, "a part of a UUID: an id that was cut off is not recorded"),
    ("its first digits", [A[:8]], "", 65, 0, "a part of a UUID"),
    ("its end", [A[9:]], "", 65, 0, "a part of a UUID"),
    ("in capital letters", [A.upper()], "", 0, 1, "in capital letters"),
    ("a file's name", ["headers.txt"], "", 65, 0, "`cdpoll record - < headers.txt`; a dump of headers: `--headers"),
    ("a file's path", ["./headers.txt", B], "", 65, 1, "./headers.txt is a file"),
    ("a folder", ["/"], "", 65, 0, "not a task id"),
    ("nothing", [], "", 2, 0, "nothing to record"),
    ("an empty variable", [""], "", 65, 0, "an ID is empty"),
    ("a blank", [" ", B], "", 65, 1, "an ID is empty"),
    ("an address", [f"https://h{CD}/{A}"], "", 65, 0, "--location an address"),
    ("a link", [f"<{CD}/{A}>; rel=related"], "", 65, 0, "--link takes the value of a Link header"),
    ("two in one", [f"{A} {B}"], "", 65, 0, "write several ids as arguments of their own"),
    ("with a comma", [f"{A},{B}"], "", 65, 0, "write several ids as arguments of their own"),
    ("JSON", [json.dumps({"id": A})], "", 65, 0, "JSON lines go to --jsonl"),
    ("a header", [LINK], "", 65, 0, "a dump of headers goes to --headers"),
    ("in quotes", [f'"{A}"'], "", 65, 0, "not a task id"),
    ("in braces", [f"{{{A}}}"], "", 65, 0, "not a task id"),
    ("a URN", [f"urn:uuid:{A}"], "", 65, 0, "not a task id"),
    ("x12", ["x12"], "", 65, 0, "not a task id"),
    ("dots", [".."], "", 65, 0, "not a task id"),
    ("null", ["null"], "", 0, 1, "not a UUID"),
    ("a line end", [A + "\r\n"], "", 0, 1, ""),
    ("an option that is none", ["--header", "x"], "", 2, 0, "No such option"),
    ("ids of standard input", ["-"], f"{A}\n{B}\n", 0, 2, ""),
    ("standard input with blank lines", ["-"], f"\n{A}\r\n \r\n{B}", 0, 2, ""),
    ("standard input beside an id", [B, "-"], A, 0, 2, ""),
    ("standard input with a byte order mark", ["-"], b"\xef\xbb\xbf" + A.encode(), 0, 1, ""),
    ("standard input in UTF-16", ["-"], f"{A}\r\n{B}\r\n".encode("utf-16"), 0, 2, ""),
    ("standard input in UTF-16 without mark", ["-"], f"{A}\n{B}\n".encode("utf-16-le"), 0, 2, ""),
    ("standard input in UTF-16 of the other kind", ["-"], f"{A}\n{B}\n".encode("utf-16-be"), 0, 2, ""),
    ("standard input with bare CR", ["-"], f"{A}\r{B}\r", 0, 2, ""),
    ("standard input that is empty", ["-"], "", 0, 0, "standard input is empty"),
    ("standard input of blanks", ["-"], "\n \n", 0, 0, "standard input is empty"),
    ("standard input with words", ["-"], f"id\n{A}\n(1 row)\n", 65, 2, "line 3: not a task id"),
    ("standard input with links", ["-"], f"{LINK}\n", 65, 0, "line 1: not a task id"),
    ("standard input with columns", ["-"], f"{A}\tMRN\n", 65, 0, "line 1: not a task id"),
    ("standard input with a cut id", ["-"], f"{B}\n{A[:-4]}", 65, 1, "line 2: a part of a UUID"),
    ("standard input with a dump", ["-"], "\n" + GOOD, 65, 0, "is a dump of headers, and no ids; hand it in as"),
    ("standard input with a dump that names none", ["-"], dump(OK, "date: x"), 65, 0, "is a dump of headers"),
    (
        "standard input with JSON lines",
        ["-"],
        lines({"id": A}, {"id": B}),
        65,
        0,
        "line 2: not a task id: JSON lines go",
    ),
    ("standard input that is packed", ["-"], gzip.compress(A.encode()), 65, 0, "is packed with gzip"),
    ("standard input twice", ["-", "-"], A, 2, 0, "standard input is asked for twice"),
    ("standard input for two things", ["-", "--jsonl", "-"], A, 2, 0, "asked for twice"),
    ("standard input for two dumps", ["--headers", "-", "--headers", "-"], GOOD, 2, 0, "asked for twice"),
]

VALUES: list[Wrong] = [
    ("an empty link", ["--link", ""], "", 65, 0, "the link value is empty"),
    ("a blank link", ["--link", " ", B], "", 65, 1, "the link value is empty"),
    ("a link with its name", ["--link", LINK], "", 65, 0, "unreadable"),
    ("a link without brackets", ["--link", f"{CD}/{A}; rel=related"], "", 65, 0, "unreadable"),
    ("a bare id as a link", ["--link", A], "", 65, 0, "unreadable"),
    ("an address as a link", ["--link", f"https://h{CD}/{A}"], "", 65, 0, "unreadable"),
    ("a related link elsewhere", ["--link", f"</tasks/{A}>; rel=related"], "", 65, 0, "does not lead to a discovery"),
    ("a related link, misspelt", ["--link", f"</coverage-discoveries/{A}>; rel=related"], "", 65, 0, "unreadable"),
    ("another relation", ["--link", f"<{CD}/{A}>; rel=self"], "", 65, 0, "unreadable"),
    ("an unknown relation", ["--link", f"<{CD}/{A}>; rel=relates"], "", 65, 0, "not 'related'"),
    ("no id", ["--link", f"<{CD}/>; rel=related"], "", 65, 0, "unreadable"),
    ("an escaped slash", ["--link", f"<\\/coverage-discovery\\/{A}>; rel=related"], "", 65, 0, "unreadable"),
    ("an encoded slash", ["--link", f"</coverage-discovery%2F{A}>; rel=related"], "", 65, 0, "unreadable"),
    ("two lines as one link", ["--link", f"<{CD}/{A}>; rel=related\n<{CD}/{B}>; rel=related"], "", 65, 0, "unreadable"),
    ("pagination", ["--link", "</?offset=2>; rel=next"], "", 0, 0, "names no task"),
    ("pagination that mentions it", ["--link", f"<{CD}/?offset=2>; rel=next"], "", 65, 0, "unreadable"),
    ("an empty location", ["--location", ""], "", 65, 0, "the location value is empty"),
    ("a cut location", ["--location", f"https://h{CD}/{A[:-2]}"], "", 65, 0, "ends in a part of a UUID"),
    ("a location with its name", ["--location", f"Location: {CD}/{A}"], "", 65, 0, "unreadable"),
    ("an id as a location", ["--location", A], "", 65, 0, "hand it in as an ID"),
    ("a location elsewhere", ["--location", "https://h/login"], "", 0, 0, "names no task"),
    ("a location without an id", ["--location", CD], "", 65, 0, "unreadable"),
    ("a location in brackets", ["--location", f"<{CD}/{A}>"], "", 65, 0, "unreadable"),
    ("an empty ref", [A, "--ref", ""], "", 0, 1, "--ref is empty: it is left out"),
    ("a blank ref", [A, "--ref", " "], "", 0, 1, "--ref is empty: it is left out"),
    ("a long ref", [A, "--ref", "R" * 1001], "", 65, 1, "--ref is longer than 1,000 bytes: the ids are recorded"),
    ("an empty correlation id", [A, "--correlation-id", ""], "", 0, 1, "--correlation-id is empty"),
    ("two correlation ids", [A, "--correlation-id", "a", "--correlation-id", "b"], "", 2, 0, "given twice"),
    ("a ref alone", ["--ref", "R"], "", 2, 0, "nothing to record"),
    ("a ref without its text", [A, "--ref"], "", 2, 0, "requires an argument"),
    ("a file that is not there", ["--headers", "/nowhere"], "", 65, 0, "/nowhere: No such file"),
    ("a file that is not there, and an id", ["--headers", "/nowhere", A], "", 65, 1, "/nowhere: No such file"),
    ("a folder as a file", ["--headers", "/"], "", 65, 0, "/: Is a directory"),
    ("no file's name", ["--body", ""], "", 65, 0, "the name of a file is empty"),
]

DUMPS: list[tuple[str, str | bytes, int, int, str]] = [
    ("empty", "", 65, 0, "no HTTP response"),
    ("blank lines", "\r\n\r\n", 65, 0, "no HTTP response"),
    ("curl's error", "curl: (6) Could not resolve host: h\n", 65, 0, "no HTTP response"),
    ("HTML", "<html>502</html>", 65, 0, "no HTTP response"),
    ("the link alone", LINK + "\n", 65, 0, "no HTTP response"),
    ("headers without a status", dump(LINK, "date: x"), 65, 0, "no HTTP response"),
    ("JSON of the headers", json.dumps({"link": LINK[6:]}), 65, 0, "no HTTP response"),
    ("Python's dict", str({"link": LINK[6:]}), 65, 0, "no HTTP response"),
    (
        "a table of PowerShell",
        f"Key   Value\n---   -----\nLink  {{<{CD}/{A}>; rel=related}}\n",
        65,
        0,
        "no HTTP response",
    ),
    ("401", dump("HTTP/1.1 401 Unauthorized", "date: x"), 0, 0, "status 401 is not a success: no task is named"),
    ("400", dump("HTTP/1.1 400 Bad Request"), 0, 0, "status 400 is not a success"),
    ("503", dump("HTTP/2 503 "), 0, 0, "status 503 is not a success"),
    ("a redirect", dump("HTTP/1.1 302 Found", "location: https://h/login"), 0, 0, "status 302 is not a success"),
    ("a response without a link", dump(OK, "date: x"), 0, 0, "status 200, and no Link header names a task"),
    ("an empty link", dump(OK, "link:"), 0, 0, "no Link header names a task"),
    ("202 without a location", dump("HTTP/1.1 202 Accepted"), 0, 0, "status 202, but no Location names its task"),
    (
        "202 with a location elsewhere",
        dump("HTTP/1.1 202 Accepted", "location: /x/1"),
        65,
        0,
        "these headers may name its task",
    ),
    ("100 alone", dump("HTTP/1.1 100 Continue"), 65, 0, "no final response"),
    ("a proxy's yes alone", dump("HTTP/1.0 200 Connection established"), 65, 0, "no final response"),
    ("a cut dump", f"{OK}\r\n{LINK}\r\n", 65, 1, "cut off within the headers"),
    ("a dump cut in a link", f"{OK}\r\nlink: <{CD}/{A[:9]}", 65, 0, "unreadable"),
    ("a dump cut in a location", f"HTTP/1.1 202 Accepted\r\nlocation: {CD}/{A[:9]}", 65, 0, "unreadable"),
    ("a dump cut before the link", f"{OK}\r\ndate: x\r\n", 65, 0, "cut off within the headers"),
    ("a dump cut in the status", "HTTP/1.1 2", 65, 0, "no HTTP response"),
    ("a status line alone", OK, 65, 0, "cut off within the headers"),
    ("a second response that is cut", GOOD + OK + "\r\n", 65, 1, "cut off within the headers"),
    ("a second response that never came", GOOD + dump("HTTP/1.1 100 Continue"), 65, 1, "cut off"),
    ("a second response that failed", GOOD + dump("HTTP/1.1 500 Oops"), 0, 1, "1 of 2 responses: status 500"),
    ("curl -v", CURL_V, 0, 1, ""),
    ("curl -v of Windows", CURL_V.replace("\n", "\r\n"), 0, 1, ""),
    ("curl -v, cut", CURL_V[: CURL_V.index("date")], 65, 1, "cut off"),
    ("curl -v of a failed request", CURL_V.replace(OK, "HTTP/1.1 500 Oops").replace(LINK, "x: y"), 0, 0, "status 500"),
    ("curl -v of a poll", f"> GET {CD}/{A} HTTP/1.1\n>\n< {OK}\n< date: x\n<\n", 65, 0, "mentions coverage-discovery/"),
    ("curl --trace-ascii", f"<= Recv header, 15 bytes (0xf)\n0000: {OK}\n0000: {LINK}\n", 65, 0, "no HTTP response"),
    ("wget -S", WGET_S, 0, 1, ""),
    ("wget -q -S", f"  {OK}\n  {LINK}\n", 0, 1, ""),
    ("an indented dump", "".join(f"    {line}\n" for line in (OK, LINK, "")), 0, 1, ""),
    ("UTF-16", GOOD.encode("utf-16"), 0, 1, ""),
    ("UTF-16 without mark", GOOD.encode("utf-16-le"), 0, 1, ""),
    ("UTF-16 of the other kind", GOOD.encode("utf-16-be"), 0, 1, ""),
    ("UTF-32", GOOD.encode("utf-32"), 0, 1, ""),
    ("a byte order mark", b"\xef\xbb\xbf" + GOOD.encode(), 0, 1, ""),
    ("bare CR", GOOD.replace("\r\n", "\r"), 0, 1, ""),
    ("bare LF", GOOD.replace("\r\n", "\n"), 0, 1, ""),
    ("two CR", GOOD.replace("\r\n", "\r\r\n"), 0, 1, ""),
    ("a progress meter before", "  % Total    % Received\r\n" + GOOD, 0, 1, ""),
    ("another header's name", dump(OK, f"links: {LINK[6:]}"), 65, 0, "mentions coverage-discovery/"),
    ("a header of a proxy", dump(OK, f"x-original-link: {LINK[6:]}"), 65, 0, "mentions coverage-discovery/"),
    ("no colon", dump(OK, LINK.replace(":", "", 1)), 65, 0, "mentions coverage-discovery/"),
    ("content-location", dump(OK, f"content-location: {CD}/{A}"), 65, 0, "mentions coverage-discovery/"),
    ("a link in the body", dump(OK, "date: x") + LINK + "\r\n", 65, 0, "mentions coverage-discovery/"),
    ("a link in a JSON body", dump(OK) + json.dumps({"link": f"{CD}/{A}"}), 65, 0, "mentions coverage-discovery/"),
    ("a status line in lower case", GOOD.replace("HTTP", "http"), 65, 0, "no HTTP response"),
    ("a status line of an API", GOOD.replace(OK, "HTTP 200 OK"), 65, 0, "no HTTP response"),
    ("a related link elsewhere", dump(OK, f"link: </t/{A}>; rel=related"), 65, 0, "does not lead to a discovery"),
    ("a link that breaks the grammar", dump(OK, f"link: {CD}/{A}; rel=related"), 65, 0, "unreadable"),
    ("NULs at the end", GOOD.encode() + bytes(512), 0, 1, ""),
    ("compressed", gzip.compress(GOOD.encode()), 0, 1, ""),
    ("compressed, and nothing in it", gzip.compress(b""), 65, 0, "no HTTP response"),
    ("compressed, and damaged", b"\x1f\x8b\x08" + GOOD.encode(), 65, 0, "no HTTP response"),
    ("a receipt's id in a table", f"id | {A}\ncookie: {B}\n", 65, 0, "this holds a UUID"),
    ("a JSON line", lines({"id": A}), 65, 0, "no HTTP response"),
    ("a receipt", json.dumps(RECEIPT), 65, 0, "no HTTP response"),
]

BODIES: list[tuple[str, str | bytes, int, int, str]] = [
    ("empty", "", 65, 0, "is empty"),
    ("blank", " \n", 65, 0, "is empty"),
    ("HTML", "<html>502</html>", 65, 0, "is not JSON"),
    ("HTML that mentions it", f"<a href='{CD}/{A}'>x</a>", 65, 0, "unreadable, kept raw: standard input is not JSON"),
    ("a dump", dump("HTTP/1.1 202 Accepted", f"location: {CD}/{A}"), 65, 0, "goes to --headers"),
    ("an error", '["Bad Request"]', 65, 0, "is an error"),
    ("a refused token", '{"error": "invalid_token"}', 65, 0, "is an error"),
    ("a pending task without paths", json.dumps({"id": A, "status": "pending"}), 65, 0, "not the answer"),
    ("a list of tasks under a key", json.dumps({"tasks": [{"id": A}]}), 65, 0, "not the answer"),
    ("another key for the id", json.dumps({"discoveryId": "MRN-1"}), 65, 0, "not the answer"),
    ("a list of ids", json.dumps([A, B]), 65, 0, "holds ids alone"),
    ("a bare id", A + "\n", 65, 0, "holds ids alone"),
    ("an id as JSON", json.dumps(A), 65, 0, "holds ids alone"),
    ("an empty object", "{}", 65, 0, "is not the answer to a discovery POST"),
    ("compressed", gzip.compress(json.dumps(RECEIPT).encode()), 0, 1, ""),
    ("a real-time answer", json.dumps({"id": A, "payer": {}, "subscriber": {}}), 65, 0, "--headers of record"),
    ("an escaped mention", '{"error": "\\/coverage-discovery\\/x"}', 65, 0, "unreadable, kept raw"),
    ("a dry run", '{"successful": [], "pending": []}', 0, 0, "dry run"),
    ("nothing accepted", '[{"status": 422, "body": "no"}]', 0, 0, "status 422: no task was created"),
    ("a refusal that mentions it", json.dumps([{"status": 422, "body": f"{CD}/{A}"}]), 65, 0, "mentions"),
    ("a cut receipt", json.dumps(RECEIPT)[:-9], 65, 0, "cut off or damaged"),
    ("a receipt without its id", '{"name": "one"}', 65, 0, "no valid task id"),
    ("a receipt in UTF-16", json.dumps(RECEIPT).encode("utf-16-le"), 0, 1, ""),
    ("an empty list", "[]", 65, 0, "is not the answer to a discovery POST"),
]

LINES: list[tuple[str, str | bytes, int, int, str]] = [
    ("empty", "", 0, 0, "standard input is empty"),
    ("blank", "\n\n", 0, 0, "standard input is empty"),
    ("refs", lines({"id": A, "refs": ["R", "S"]}), 65, 1, "did you mean ref? The line's tasks are recorded without it"),
    (
        "an address in a note",
        lines({"id": A, "note": f"{CD}/x"}),
        65,
        1,
        "note is not a key that is read: it may name a",
    ),
    ("another unknown key", lines({"id": A, "encounter": 7}), 0, 1, "encounter is not a key that is read"),
    ("a key like one that names", lines({"id": A, "links": f"<{CD}/{B}>"}), 65, 1, "did you mean link?"),
    ("a key in capitals", lines({"ID": A}), 65, 0, "did you mean id?"),
    ("an address under another key", lines({"id": A, "url": f"{CD}/{B}"}), 65, 1, "url is not a key that is read"),
    ("no key that names", lines({"ref": "R"}), 65, 0, "names nothing"),
    ("a camel", lines({"taskId": A}), 65, 0, "names nothing"),
    ("an empty id", lines({"id": ""}), 65, 0, "line 1: id is empty"),
    ("an empty body", lines({"body": ""}), 65, 0, "line 1: body is empty"),
    ("an empty object as a body", lines({"body": {}}), 65, 0, "line 1: body is empty"),
    ("an empty list as a body", lines({"body": []}), 65, 0, "line 1: body is empty"),
    ("an empty link", lines({"link": ""}), 65, 0, "line 1: link is empty"),
    ("an empty location", lines({"location": ""}), 65, 0, "line 1: location is empty"),
    ("empty headers", lines({"headers": {}}), 65, 0, "line 1: headers is empty"),
    (
        "headers of a failure",
        lines({"headers": {":status": 500}}),
        0,
        0,
        "line 1: headers: status 500 is not a success",
    ),
    ("an id as a location", lines({"location": A}), 65, 0, "hand it in as an ID"),
    ("a cut id", lines({"id": A[:-1]}), 65, 0, "line 1: id is a part of a UUID"),
    ("a cut location", lines({"location": f"{CD}/{A[:-1]}", "id": B}), 65, 1, "the location ends in a part of a UUID"),
    ("a body without paths", lines({"body": {"id": A, "status": "pending"}}), 65, 0, "not the answer"),
    ("ids", f"{A}\n", 65, 0, "line 1: an id is not a JSON object: `record -` takes ids"),
    ("an object without its end", '{"id": "' + A + '"', 65, 0, "line 1: the JSON object is cut off or damaged"),
    ("compressed", gzip.compress(lines({"id": A}).encode()), 65, 0, "is packed with gzip"),
    ("null", lines({"link": None, "ref": "R"}), 0, 0, "line 1: names no task"),
    ("a list of ids", lines({"id": [A, B]}), 65, 0, "id is not text"),
    ("no UUID", lines({"id": "4711"}), 0, 1, "line 1: not a UUID"),
    ("an empty ref", lines({"id": A, "ref": ""}), 0, 1, "line 1: ref is empty"),
    ("a long ref", lines({"id": A, "ref": "R" * 1001}), 65, 1, "line 1: ref is longer than 1,000 bytes: the line's"),
    ("a ref that is a list", lines({"id": A, "ref": ["R"]}), 65, 1, "recorded without it"),
    ("a birth date of the USA", lines({"id": A, "birth_date": "12/31/1970"}), 0, 1, "not written YYYY-MM-DD"),
    ("a day that cannot be", lines({"id": A, "birth_date": "1970-02-30"}), 0, 1, "a day that cannot be"),
    ("a day that cannot be, to come", lines({"id": A, "birth_date": "2170-02-30"}), 0, 1, "a day that cannot be"),
    ("a birth to come", lines({"id": A, "birth_date": "2099-01-01"}), 0, 1, "birth_date lies in the future"),
    ("a birth date that is a number", lines({"id": A, "birth_date": 1970}), 0, 1, "not written YYYY-MM-DD"),
    ("headers as pairs", lines({"headers": [["link", LINK[6:]]]}), 65, 0, "headers is a list"),
    ("headers of another name", lines({"headers": {"links": LINK[6:]}}), 65, 0, "they may name a task"),
    ("headers of a failed request", lines({"headers": "HTTP/1.1 500 Oops"}), 0, 0, "status 500 is not a success"),
    ("a related link elsewhere", lines({"link": f"</t/{A}>; rel=related"}), 65, 0, "line 1: the link is 'related'"),
    ("an array of lines", json.dumps([{"id": A}, {"id": B}]), 65, 0, "not a JSON object"),
    ("JSON on many lines", json.dumps({"id": A}, indent=1), 65, 0, "has JSON on several lines; each object stands on"),
    ("a list on many lines", json.dumps([{"id": A}], indent=1), 65, 0, "has JSON on several lines"),
    ("a list, an object a line", f'[\n{{"id": "{A}"}},\n{{"id": "{B}"}}\n]\n', 65, 2, "line 1: a list is not a JSON"),
    ("CSV", f"id,ref\n{A},R\n", 65, 0, "not a JSON object"),
    ("a dump", GOOD, 65, 0, "line 1: not a JSON object: a dump of headers goes to --headers"),
    ("Latin-1", '{"id": "a", "ref": "Müller"}'.encode("latin-1"), 65, 0, "not UTF-8"),
    ("a cut line", lines({"id": A}) + '{"id": "' + B[:9], 65, 1, "line 2"),
    ("bare CR", lines({"id": A}, {"id": B}).replace("\n", "\r"), 0, 2, ""),
    ("UTF-16", lines({"id": A}, {"id": B}).encode("utf-16"), 0, 2, ""),
    ("UTF-16 without mark", lines({"id": A}, {"id": B}).encode("utf-16-le"), 0, 2, ""),
    ("UTF-16 of the other kind", lines({"id": A}, {"id": B}).encode("utf-16-be"), 0, 2, ""),
]

ALL: list[Wrong] = [*IDS, *VALUES]
for option, table in (("--headers", DUMPS), ("--body", BODIES), ("--jsonl", LINES)):
    ALL += [(f"{option}: {name}", [option, "-"], given, *rest) for name, given, *rest in table]  # type: ignore[misc]
assert len(ALL) >= 140


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House(tmp_path_factory.mktemp("house"))
    (house.folder / "headers.txt").write_text("")
    house.record(A)
    return house


@pytest.fixture
def house(shared: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """An empty one; to make a database for each input would take longer than all else."""
    for table in ("refs", "history", "tasks", "unreadable"):
        shared.rows(f"DELETE FROM {table}")
    monkeypatch.chdir(shared.folder)
    return shared


@pytest.mark.parametrize("wrong", ALL, ids=[one[0] for one in ALL])
def test_nothing_is_lost_in_silence(house: House, wrong: Wrong) -> None:
    _, args, given, code, recorded, words = wrong
    stdin = given if isinstance(given, bytes) else given.encode()
    ended = house.cdpoll("record", "--json", *args, stdin=stdin)
    assert (ended.code, words in ended.err) == (code, True), ended.err
    assert house.value("SELECT count(*) FROM tasks") == recorded
    kept = house.rows("SELECT raw, reason FROM unreadable ORDER BY seq")
    if code == 2:
        assert (recorded, kept, ended.out) == (0, [], b"")
        return
    done = ended.json
    assert len(done["recorded"]) == recorded
    assert kept == [(one["raw"], one["reason"]) for one in done["unreadable"]]
    assert (code == 65) == ("cdpoll: " in ended.err)
    assert recorded or done["unreadable"] or done["notes"]
    text = given if isinstance(given, str) else given.decode("latin-1").replace("\0", "")
    if not recorded and any(one in text + str(args) for one in (CD + "/", A)):
        assert kept
    assert [note.partition(": ")[0] for note in done["notes"]].count("line 1") <= 1, "one mistake is said once"
