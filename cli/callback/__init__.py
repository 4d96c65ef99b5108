"""What is done for the vendor's callbacks by hand: the secret that the vendor is given, and a check of the endpoints.

::

    secret.py         `cdpoll callback-secret`: makes, changes and removes the secret
    places.py         in which files the secret stands, as the configuration names them
    check.py          `cdpoll callback-check`: the command, and what is printed
    rehearsing.py     the order of the checks: all of them, or those of the doctor
    address.py        the URLs that the vendor is told: names, addresses, ports, the domain to be whitelisted
    endpoints.py      both endpoints as the vendor meets them: tokens, deliveries, refusals
    stalling.py       a delivery that is too large, and clients that stall
    caller.py         one request, with its deadline
    words.py          what went wrong on the way, in words, with its cure
    whitelisting.py   the request to the vendor, ready to be sent
"""
