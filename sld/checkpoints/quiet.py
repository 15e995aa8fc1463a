"""The libraries without their own words between a program's lines."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' progress bars, and without what diffusers says of weights it leaves: we say it better.

    Its advice in that case is an option of a script that nobody here has started.
    """
    import diffusers
    import transformers

    libraries = (diffusers.utils.logging, transformers.utils.logging)
    shown = [library for library in libraries if library.is_progress_bar_enabled()]
    verbosity = diffusers.utils.logging.get_verbosity()
    for library in libraries:
        library.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers.utils.logging.set_verbosity(verbosity)
        for library in shown:
            library.enable_progress_bar()
