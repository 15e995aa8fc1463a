"""The rules of the house: imports point one way and in no circle, nothing heavy is early, every config composes."""

import ast
import functools
import graphlib
import os
import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import in_process
import pytest
import yaml
from hydra import compose, initialize_config_module

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {"sld": {"sld"}, "i2p": {"i2p"}, "eval": {"eval", "i2p", "sld"}, "conf": set()}
# The packages of eval: each imports itself and those of the lines above only, and nobody imports run.
LINES = (
    "base",
    "judges folder",
    "quality",
    "config store",
    "measure",
    "plan",
    "generate report submit status",
    "compare sweep doctor power frames",
    "run",
)
LINE = {package: number for number, packages in enumerate(LINES) for package in packages.split()}
HEAVY = {
    "torch",
    "diffusers",
    "transformers",
    "open_clip",
    "datasets",
    "pandas",
    "onnxruntime",
    "cv2",
    "scipy",
    "pyarrow",
    "matplotlib",
}


@functools.cache
def import_statements(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Every import in a file, wherever it stands."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(path: Path) -> set[str]:
    """Top-level names of every absolute import in a file, wherever it stands."""
    found = set()
    for node in import_statements(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module.split(".")[0])
    return found


def test_warnings_are_caught_as_in_the_oldest_python_that_is_supported():
    """`action` and what selects warnings came with 3.11, which no check of imports or syntax tells."""
    for folder in (*MAY_IMPORT, "scripts", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("catch_warnings"):
                    assert {keyword.arg for keyword in node.keywords} <= {"record", "module"}, path


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        ours = imports(path) & set(MAY_IMPORT)
        assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {ours - MAY_IMPORT[package]}"


def test_no_file_outside_the_tests_has_more_than_250_lines():
    files = [path for folder in ("eval", "i2p", "scripts", "sld") for path in (ROOT / folder).rglob("*.py")]
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path: number for path, number in lines.items() if number > 250} == {}


def test_the_import_rule_sees_a_forbidden_import(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text("def f():\n    from eval.run import main\n    import i2p.prompt\n")
    assert imports(path) == {"eval", "i2p"}


def test_importing_a_command_or_package_imports_nothing_heavy():
    """One after another in one interpreter: what the first of them imports is said of it."""
    names = ["sld", "i2p", "eval.run", *(f"eval.{name}.__main__" for name in ("submit", "doctor", "power", "report"))]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        f"    print(name, *sorted(set(sys.modules) & {HEAVY!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *others, (last, *loaded) = map(str.split, done.stdout.splitlines())
    assert others == [[name] for name in names[:-1]]
    assert last == "eval.report.__main__"  # a report always needs its tables
    assert "torch" not in loaded


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of ours by its name; a package stands for its `__init__.py`."""
    paths = [path for package in MAY_IMPORT for path in sorted((root / package).rglob("*.py"))]
    names = (".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in paths)
    return dict(zip(names, paths, strict=True))


def arrows(path: Path, known: Collection[str]) -> set[str]:
    """The modules among `known` that a file imports: at its top, in its functions, or for its types only.

    What is imported along with a module, the packages that it lies in, is not among them.
    """
    found = set()
    for node in import_statements(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in known else node.module for name in inner}
    return found & set(known)


def package_of(module: str) -> str:
    """The package of eval, or the command in one file, that a module is of; what any import of eval runs is of base."""
    return module.split(".")[1] if "." in module else "base"


def upward(path: Path, module: str, known: Collection[str]) -> list[str]:
    """The modules that one of eval imports against the order."""
    own = package_of(module)
    others = [name for name in arrows(path, known) if name.split(".")[0] == "eval" and package_of(name) != own]
    return sorted(name for name in others if LINE[package_of(name)] >= LINE[own])


def test_the_packages_of_eval_import_those_of_lower_lines_only():
    known = modules()
    of_eval = {name: path for name, path in known.items() if name.split(".")[0] == "eval"}
    assert {package_of(name) for name in of_eval} == set(LINE)
    for name, path in of_eval.items():
        assert not upward(path, name, known), f"{name} imports {upward(path, name, known)}"


def test_no_module_imports_itself_by_way_of_others():
    known = modules()
    graph = {name: arrows(path, known) - {name} for name, path in known.items()}
    assert sum(map(len, graph.values())) > 300
    list(graphlib.TopologicalSorter(graph).static_order())  # CycleError, which names the circle


def test_the_order_of_packages_sees_what_is_imported_late_or_for_types(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "from eval.base import errors\n"
        "from eval.store.scores import OK\n"
        "if TYPE_CHECKING:\n"
        "    from eval.plan.plan import Plan\n"
        "def f():\n"
        "    import eval.run\n"
        "    from eval import status\n"
    )
    known = modules()
    assert arrows(path, known) == {"eval.base.errors", "eval.store.scores", "eval.plan.plan", "eval.run", "eval.status"}
    assert upward(path, "eval.store.wrong", known) == ["eval.plan.plan", "eval.run", "eval.status"]
    assert upward(path, "eval.config.wrong", known) == [
        "eval.plan.plan",
        "eval.run",
        "eval.status",
        "eval.store.scores",
    ]
    assert upward(path, "eval.run", known) == []


def test_help_explains_the_groups_and_imports_nothing_heavy():
    code = (
        "import sys, atexit, eval.run as r\n"
        f"atexit.register(lambda: print(*sorted(set(sys.modules) & {HEAVY!r}), file=sys.stderr))\n"
        "sys.argv = ['eval.run', '--help']\n"
        "r.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []
    for word in ("model", "prompts", "protocol", "sd14", "published", "shard", "Exit codes"):
        assert word in done.stdout


CONFIGS = sorted(
    f"{path.parent.name}={path.stem}"
    for group in ("model", "prompts", "protocol", "q16", "nudenet", "experiment")
    for path in (ROOT / "conf" / group).glob("*.yaml")
    if path.stem != "base"
)


@pytest.mark.parametrize("choice", CONFIGS)
def test_every_config_composes_into_settings(choice):
    from eval.config.checks import check_settings
    from eval.config.settings import read_settings

    overrides = [choice, "hydra.runtime.choices.model=demo"]
    if choice in ("model=checkpoint", "model=images"):
        overrides.append("model.path=some/folder")
    if choice == "prompts=none":  # of a folder of pictures
        overrides += ["model=images", "model.path=some/folder"]
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("run", overrides=[*overrides[:1], "out=runs/test", *overrides[2:]])
    settings = read_settings(config)
    check_settings(settings)
    assert settings.out == "runs/test"


def test_help_has_a_line_of_its_own_for_every_choice():
    text = yaml.safe_load((ROOT / "conf" / "hydra" / "help" / "i2p_bench.yaml").read_text())["template"]
    explained, group = set(), None
    for line in text.partition("Groups")[2].partition("Keys")[0].splitlines()[1:]:
        if found := re.match(r"(  )?(\w+(?:, \w+)*)(  +\S.*|$)", line):
            names = found[2].split(", ")
            group = group if found[1] else names[0]
            explained |= {f"{group}={name}" for name in names if found[1] and found[3]}
    assert explained == set(CONFIGS)


@pytest.mark.parametrize("flags", [[], ["experiment=quick"], ["model=sd14", "protocol.steps=20"]])
def test_cfg_job_prints_yaml_that_reads_back_as_what_a_run_takes(flags):
    done = in_process.run("eval.run", *flags, "--cfg", "job")
    config = yaml.safe_load(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert config["methods"]
    assert config["model"]["kind"] == ("checkpoint" if flags else "demo")
    assert config["protocol"]["steps"] == (20 if "protocol.steps=20" in flags else None)


def test_a_reader_that_leaves_the_help_early_sees_no_traceback():
    command = f"{sys.executable} -m eval.run --help | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=ROOT)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_every_yaml_file_belongs_to_a_group_that_is_tested():
    groups = {path.relative_to(ROOT / "conf").parts[0] for path in (ROOT / "conf").rglob("*.yaml")}
    assert groups == {
        "run.yaml",
        "submit.yaml",
        "doctor.yaml",
        "model",
        "prompts",
        "protocol",
        "q16",
        "nudenet",
        "experiment",
        "hydra",
    }


COMPLETE = """
eval "$(i2p-eval --shell-completion install=bash)"
for typed in "$@"; do
    COMP_LINE="i2p-eval $typed" COMP_POINT=0 COMP_WORDS=(i2p-eval $typed) COMP_CWORD=1
    hydra_bash_completion
    echo "${COMPREPLY[@]}"
done
"""


OFFERED = {"experiment=qui": "experiment=quick", "protocol.st": "protocol.steps=", "mod": "model. model="}


def test_bash_completes_what_is_typed(tmp_path):
    """By the installed command; Hydra completes no `python -m`."""
    command = tmp_path / "i2p-eval"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom eval.run import main\nmain()\n"
    )
    command.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", COMPLETE, "-", *OFFERED], capture_output=True, text=True, env=environment)
    assert ([line.strip() for line in done.stdout.splitlines()], done.stderr) == ([*OFFERED.values()], "")
