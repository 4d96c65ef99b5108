"""When a task is overdue, as a condition in SQL: the same for the list and for the problem."""

# Pending for longer than :after ms since it was recorded or last retried, less what the API was paused meanwhile.
# Wants :now and :paused (all time ever paused) too.
OVERDUE = "state = 'pending' AND life_base < :now - :paused - :after"
