"""What a log may say of an error."""

import traceback


def story(error: BaseException) -> str:
    """The classes and places of an error and of what caused it, without their messages:
    libraries like to quote what they choke on, which may be a query."""
    place = "".join(traceback.format_tb(error.__traceback__))
    told = f"{type(error).__module__}.{type(error).__qualname__} at\n{place}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told if cause is None else f"{told}caused by {story(cause)}"
