"""One round of one kind of work each: it does what can be done now, and returns the instant of the next call."""
