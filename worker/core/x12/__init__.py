"""X12 271 (005010X279A1) read from a stream: what a file holds, what its sets say of patients, and what is wrong.

::

    from bytes to transaction sets
    recognise.py, signs.py   the first bytes of a file -> what kind of file it is
    delimiters.py          one ISA -> its delimiters and values
    scanner.py             a binary file -> envelope segments, in memory that does not grow with the file
    envelope_patterns.py   the regular expressions of the scanner
    stream.py              envelope segments -> transaction sets, with counts and control numbers checked
    control_numbers.py     which control numbers a file used before
    file_end.py            whether a file is complete, incomplete or unreadable
    envelope.py            what stream.py returns: Interchange, Group, TransactionSet, FileEnd
    issues.py              every code that can be said of a file or a set, and which of them hold a set back

    from a transaction set to answers
    loops.py               the text of one set -> its tree of HL segments
    frame.py               what stands before the first HL, and which HL are patients
    patient.py             the text of one HL loop -> what it says
    people.py, dates.py, benefits.py   the parts of that
    spans.py, asked.py, in_force.py   which days dates tell of, which were asked for, and whether they agree
    coverage.py            what benefits and dates come to
    other_payers.py        who else is named: payers to bill, managed care plans, whom to ask
    policy.py              the member's number, the plan, the group
    answer.py              one set -> its answers, patient by patient
    answer_columns.py, answer_json.py   one answer -> the columns and the JSON that are stored
    acknowledgement.py     a 999 or a TA1 -> whether an inquiry was accepted
    codes.py               the standard's codes that the reader decides by or tells in words
    words.py, service_types.py   the other codes in words, for those who read an answer
    value.py               what all values of X12 have in common

    the two uses
    batch.py               a batch file -> its sets, each with a verdict
    embedded.py            the body of a polled result -> what its 271 texts say

Everything here is pure: it is given an object with ``read(n)`` and reads no clock. Nothing raises across the boundary
of a set; what is wrong is an :class:`~worker.core.x12.issues.Issue` beside what could be read.

Sets and what is read of patients are structs of msgspec. Frozen dataclasses stand for what is made a few times in a
file only: they take many times as long to make, which would be most of the time that reading a file takes.
"""
