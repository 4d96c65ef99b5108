"""Reads a page as a browser would, as far as tests ask."""

from html.parser import HTMLParser

_EMPTY = {"meta", "br", "hr", "img", "input", "link"}


class Read(HTMLParser):
    """``tags``: each with its attributes. ``text``: all that is shown, with single blanks. Fails where tags do not
    close as they opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self._said: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], self._open
        self.text = " ".join("".join(self._said).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open
        assert self._open.pop() == tag
        self._said.append(" ")

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self._said.append(data)
