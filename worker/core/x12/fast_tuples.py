"""How the named tuples are made that every set needs: some fifteen of them."""

new_tuple = tuple.__new__
"""``new_tuple(Trace, values)`` is ``Trace(*values)`` for a tuple that has every field.

A named tuple's own call takes its fields by name first, which takes twice as long; over a set that is a tenth of the
reader's time. What is made less often uses the plain call.
"""
