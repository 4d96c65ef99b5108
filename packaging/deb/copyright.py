"""Prints the package's file `copyright`: the libraries in a folder of installed packages, each with its licence."""

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions


def licence(of: Distribution) -> str:
    """As the library says it: an expression, else its classifiers, else the first line of the field."""
    said = of.metadata.get("License-Expression", "")
    classified = [
        one.rpartition(" :: ")[2]
        for one in of.metadata.get_all("Classifier", [])
        if one.startswith("License :: ") and not one.endswith("OSI Approved")
    ]
    return said or ", ".join(classified) or (of.metadata.get("License", "").splitlines() or ["see its folder"])[0]


def lines(folder: str) -> Iterator[str]:
    yield "cdpoll, Copyright its authors. It is not published under a licence of its own."
    yield ""
    yield "/usr/lib/cdpoll also holds these libraries. Their copyright is their authors'. Where a library brings the"
    yield "text of its licence, it is in the folder NAME-VERSION.dist-info. The LGPL is in /usr/share/common-licenses."
    yield ""
    for one in sorted(distributions(path=[folder]), key=lambda one: one.name.lower()):
        yield f"{one.name} {one.version}: {licence(one)}"


if __name__ == "__main__":
    print("\n".join(lines(sys.argv[1])))
