"""What may go wrong with the embedded stack, told to the person who started it."""


class StackError(Exception):
    """The stack can't start or go on; the message says what is wrong and what to do."""
