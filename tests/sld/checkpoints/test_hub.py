"""Repositories of the hub, where the hub gives no answer."""

import types

import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

import sld
from sld.checkpoints.hub import Repository

COMMIT = "0" * 39 + "1"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Let `snapshot_download` fail with an error unless it is to look in the cache, which holds one commit."""

    def failing(error, in_cache=True):
        def snapshot_download(name, revision, allow_patterns, local_files_only):
            if not local_files_only:
                raise error
            if not in_cache:
                raise LocalEntryNotFoundError("nothing there")
            return str(tmp_path / COMMIT)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)

    return failing


def fetch(revision, local=False):
    return Repository("somebody/small", revision, local, "source").fetch(["model_index.json"])


@pytest.mark.parametrize("error", [ConnectionError("refused"), TimeoutError("slow")])
def test_a_commit_in_the_cache_needs_no_hub_and_that_it_was_not_asked_is_said(hub, tmp_path, caplog, error):
    hub(error)
    pinned, folder = fetch(COMMIT)
    assert (pinned.revision, folder) == (COMMIT, tmp_path / COMMIT)
    [record] = caplog.records
    assert f"somebody/small can't be asked for on the hub ({type(error).__name__}: {error})" in record.getMessage()


@pytest.mark.parametrize("revision", [COMMIT, "main", None])
def test_offline_the_cache_is_used_without_a_word(hub, tmp_path, caplog, revision):
    hub(OfflineModeIsEnabled("offline"))
    assert fetch(revision)[1] == tmp_path / COMMIT
    assert not caplog.records


@pytest.mark.parametrize(
    ("revision", "error", "in_cache"),
    [
        (COMMIT, HfHubHTTPError("gone", response=types.SimpleNamespace(headers={}, request=None)), True),
        (COMMIT, ConnectionError("refused"), False),
        ("main", ConnectionError("refused"), True),  # which commit that is now, only the hub can tell
        (None, ConnectionError("refused"), True),
    ],
)
def test_what_the_hub_refuses_and_what_is_not_in_the_cache_is_refused(hub, revision, error, in_cache):
    hub(error, in_cache)
    with pytest.raises(sld.InputError, match=f"{type(error).__name__}: {error}"):
        fetch(revision)
