"""What all values of X12 have in common: they never change, they are quick to make, and they are JSON.

A struct is made in a third of the time of a named tuple and read in half of it, and its own encoder writes the JSON of
an answer in half of the time of a writer made for it (docs/decisions.md).
"""

from msgspec import Struct


class Value(Struct, frozen=True, gc=False, omit_defaults=True):
    """A value that is a part of an answer. In JSON it is an object without what is empty.

    It can be told from others by its fields, and be the key of a dictionary. The garbage collector passes it over, as
    it may: values stand in each other, but never in a circle.
    """


class Whole(Struct, frozen=True, gc=False):
    """A value of which JSON has every field, or that never becomes JSON."""
