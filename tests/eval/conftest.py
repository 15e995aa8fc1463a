"""Shared by the tests of the harness."""

import pytest


@pytest.fixture(scope="session")
def call():
    """Call a command's `main` with arguments, as from the command line; returns its exit code."""

    def call(main, *arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", [main.__module__, *map(str, arguments)])
            with pytest.raises(SystemExit) as stopped:
                main()
        return stopped.value.code

    return call
