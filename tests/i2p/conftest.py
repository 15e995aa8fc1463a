"""Shared by the tests of i2p."""

import pytest

import i2p


@pytest.fixture
def refused():
    """Loads a file that must be refused, in one sentence that names the file, and checks the words in it."""

    def refused(path, *words):
        with pytest.raises(i2p.InputError) as caught:
            i2p.load_prompts(path=path)
        sentence = str(caught.value)
        assert "\n" not in sentence
        assert sentence.startswith(str(path))
        for word in (" must ", ", found ", ": ", *words):
            assert word in sentence, sentence

    return refused
