"""Trouble that other software met in the field, tried on the whole program or on large parts of it.

============================ ==========================================================================================
test_plain_days              no trouble at all: the bent peers answer well unless they are bent
test_receipts                receipts and JSON lines that are cut, doubled, in UTF-16, or run into each other
test_many_unreadable         200,000 values that could not be read
test_unseen_characters       control characters, marks of the direction of writing, and markup, in every list
test_sftp_servers            mailboxes that give a file once, sizes that are not so, one file in trouble
test_sftp_folders            files that change while they are read, slow and wide listings, odd names
test_restored                an older copy of the database beside newer files
test_lost_database           a database that is empty, missing, foreign or of another release
============================ ==========================================================================================

Kinds that concern one part are tried beside that part: holes and splices of X12 in tests/core/x12 and
tests/rounds/ingest, odd answers over HTTP in tests/gateways/http, odd SFTP servers in tests/gateways/sftp and
tests/rounds/drop, kills in tests/daemon/test_kill.py, bounds of a task's history in tests/store/test_history.py.

The peers: a vendor that answers byte for byte (tests/support/scripted_vendor.py), a drop on a server that bends its
answers (tests/support/bent_sftp.py), certificates of every kind (tests/support/authority.py), and small batches of
numbered patients that show a wrong pair (tests/support/numbered_patients.py).
"""
