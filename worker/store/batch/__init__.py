"""What came in batches, in the database.

::

    schema.py      the second migration: files, sets, answers, and the views that show them beside polled results
    staging.py     the sets and answers of one file, collected to pages
    batches.py     the rows of one file: staged in small transactions that no view sees, made visible by one short one
    rows.py        its rows and counts
    dry_run.py     the same counts for a dry run, with nothing written
    matching.py    to which task an answer belongs; a wrong join is worse than none
    answers.py     what the 271 texts of polled results say, as the same rows
    quarantine.py  files and sets that wait for a person; keeping.py: where their bytes lie
    remote.py      what is known of the files on the drop
    lock.py        one file, and one round, at a time
"""
