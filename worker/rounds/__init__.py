"""One round of one kind of work each: it does what can be done now and returns when it wants to be called again."""
