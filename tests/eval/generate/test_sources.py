"""Each source of pictures has one module that makes what a run is missing, by a function of the same arguments."""

import ast
import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from eval.config.settings import read_settings
from eval.config.sources import SOURCES
from eval.generate.sources import MODULES, maker_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def settings():
    with initialize_config_module("conf", version_base="1.3"):
        return read_settings(compose("run", overrides=["out=runs/test", "device=cpu"]))


def of_kind(settings, kind, **more):
    return replace(settings, model=replace(settings.model, kind=kind), **more)


def test_every_source_that_settings_can_name_has_a_module():
    assert set(MODULES) == set(SOURCES)


@pytest.mark.parametrize("name", sorted({*MODULES.values(), "pool"}))
def test_every_module_takes_the_same_arguments(name):
    make = importlib.import_module(f"eval.generate.{name}").make_missing
    assert list(inspect.signature(make).parameters) == ["run", "plan", "settings", "methods"]


@pytest.mark.parametrize("kind", SOURCES)
def test_several_processes_are_for_models_that_draw(settings, kind):
    chosen = [maker_of(of_kind(settings, kind, workers=workers)).__name__ for workers in (1, 2)]
    own = f"eval.generate.{MODULES[kind]}"
    assert chosen == [own, "eval.generate.pool" if SOURCES[kind].draws else own]


def test_a_source_that_needs_no_model_says_why(settings):
    for source in SOURCES.values():
        assert bool(source.no_model(replace(settings.model, path="there"))) == (not source.draws)


def test_no_other_module_compares_kinds_of_sources():
    """What a source is like is asked of it by name, so that another one has one place to be described in."""
    known = set(SOURCES)
    for path in sorted((ROOT / "eval").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and re.search(r"\bkind\b", ast.unparse(node)):
                texts = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
                assert not texts & known, f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
