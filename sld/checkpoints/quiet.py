"""The suppression of the libraries' own output."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress the libraries' progress bars, and diffusers' messages about weights that it ignores.

    Errors here name such weights themselves; diffusers' advice is an option of a script that the user has not started.
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
