"""``cdpoll doctor``: is everything in place, and if not, what to do.

::

    command.py        the command: who reads, the groups of checks side by side, what is printed
    finding.py        one line of what was found
    deadline.py       a group of checks in a thread of its own, with its deadline
    configuration.py  what is written, and the user that reads it
    files.py          owners and modes; the disk
    database.py       integrity, journal, rate limit, every problem of `status`
    server.py         a PostgreSQL server: its settings, connections, clock
    services.py       daemon, watchdog, deliveries: the processes, and what systemd says of their units
    way.py            name server and connection, for the API and the drop
    vendor.py         TLS, proxy, clock, token, health check, the list of discoveries
    alert.py          the address that is pinged, and the program of alerts
    callback.py       the vendor's callbacks: service, secret, certificate, and the way that the vendor takes
    drop.py           the SFTP server: algorithms, host key, login, rights
    spool.py          the folder of the spool: owners and modes
    status_page.py    the vendor's public status page: theirs or ours

A group is a function that yields findings. It changes nothing: not at the vendor, not on the SFTP server, not in the
database.
"""
