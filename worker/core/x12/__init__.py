"""X12 271 (005010X279A1) read from a stream: what a file holds, what its sets say of patients, and what is wrong.

::

    recognise.py   first bytes -> what kind of file this is
    delimiters.py  one ISA -> its delimiters and values
    scanner.py     binary file -> envelope segments, in flat memory
    stream.py      envelope segments -> transaction sets, counts and control numbers checked
    envelope.py    the values that stream.py speaks: Interchange, Group, TransactionSet, FileEnd
    issues.py      every code that can be said of a file or a set, and which of them hold a set back
    loops.py       one set's text -> its HL tree
    periods.py, people.py, benefits.py, coverage.py, answer.py   one HL -> what it says
    acknowledgement.py   a 999 or a TA1 -> whether an inquiry was accepted
    tuples.py      how those of them are made that every set needs
    codes.py       the standard's code lists, in words
    reading.py     the verdict on every set of a batch file
    embedded.py    the 271 texts inside a polled result, and what they say in the form that is stored

Everything here is pure: it is handed an object with ``read(n)`` and reads no clock. Nothing raises across the boundary
of a set; what is wrong is an :class:`~worker.core.x12.issues.Issue` beside what could be read.

What is made once a set or more often is a named tuple, everything else a frozen dataclass: the latter takes seven times
as long to make, which would be most of the time that reading a file takes.
"""
