"""Shared by the tests of the judges."""

import pytest
import tiny_clip


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> tiny_clip.TinyQ16:
    return tiny_clip.make(tmp_path_factory.mktemp("tiny"))
