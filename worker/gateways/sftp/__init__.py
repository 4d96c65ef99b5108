"""The SFTP server that batches are dropped on, over paramiko.

::

    drop.py        what a round uses: connect, list, fetch, remove, move
    login.py       socket, handshake, host key; proofs.py: key, password, questions; server.py: who and where
    session.py     SFTP version 3, as far as it is needed here; packets.py: what its packets hold
    remote_file.py which files are ours, and what is known of one
    guard.py       deadlines: at the deadline the socket is shut
    landing.py     temp, fsync, rename: a file is whole and durable, or not there
    failure.py     every failure as a code, a line and what to do
    known_hosts.py, private_key.py    the two files that people hand us
"""
