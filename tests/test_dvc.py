"""dvc.yaml against the code: DVC traces no imports, so each stage's declared modules are held against what it imports."""

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
# Modules that cannot change what a stage computes: how it is called, what it prints, how it reads, writes and fails.
EXEMPT = {"stages/__init__.py", "stages/console.py", "stages/errors.py", "stages/files.py", "stages/orphan.py", "stages/params.py"}
# A family's __init__ only looks its members up; the selected member is declared.
FAMILIES = {"sources": "dataset.source", "formats": "dialect", "trainers": "train.backend", "generators": "predict.backend",
            "losses": "predict.backend"}


def imported(path: str) -> set[str]:
    """The modules of the repository that a file imports directly, as paths."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "stages":
            package = node.module.replace(".", "/")
            if (ROOT / package).is_dir():
                found.add(f"{package}/__init__.py")
                for name in (alias.name for alias in node.names):
                    found.update(p for p in (f"{package}/{name}.py", f"{package}/{name}/__init__.py") if (ROOT / p).is_file())
            else:
                found.add(f"{package}.py")
        elif isinstance(node, ast.Import):
            found.update(f"{alias.name.replace('.', '/')}.py" for alias in node.names if alias.name.startswith("stages."))
    return found


def closure(paths: set[str]) -> set[str]:
    """All modules reached from `paths`, not following those that are exempt."""
    seen, left = set(), set(paths)
    while left:
        path = left.pop()
        seen.add(path)
        left |= imported(path) - seen - EXEMPT
    return seen


def stages() -> dict[str, dict]:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def resolved(deps: list[str], params: dict) -> set[str]:
    """The declared .py files, with ${a.b} taken from the parameters."""
    out = set()
    for dep in deps:
        if dep.endswith(".py"):
            while "${" in dep:
                key = dep[dep.index("${") + 2 : dep.index("}")]
                value = params
                for part in key.split("."):
                    value = value[part]
                dep = dep.replace("${" + key + "}", str(value))
            out.add(dep)
    return out


def members(family: str) -> list[str]:
    return sorted(p.stem for p in (ROOT / "stages" / family).glob("*.py") if not p.stem.startswith("_"))


@pytest.mark.parametrize("name", stages())
def test_declared_modules_are_the_imported_ones(name):
    """For the selected members of params.yaml: no module too few, none too many."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    declared = resolved(stages()[name]["deps"], params)
    entry = f"stages/{stages()[name]['cmd'].split()[2].removeprefix('stages.')}.py"
    assert entry in declared
    selected = {path for path in declared if path.count("/") == 2 and path.split("/")[1] in FAMILIES}
    needed = closure({entry} | selected) - EXEMPT
    assert needed - declared == set(), "imported but not declared in dvc.yaml"
    shared = {path for path in declared if path.split("/")[-1].startswith("_")}  # some members of a family need it
    assert declared - needed - shared == set(), "declared in dvc.yaml but not imported"


@pytest.mark.parametrize("family,key", FAMILIES.items())
def test_family_members_import_only_shared_modules_that_are_declared(family, key):
    """Any member may be selected: what each one imports must be declared for it as well, whichever is selected now."""
    users = [name for name, stage in stages().items() if f"stages/{family}/${{{key}}}.py" in stage["deps"]]
    assert users
    for name in users:
        for member in members(family):
            params = yaml.safe_load((ROOT / "params.yaml").read_text())
            *parents, last = key.split(".")
            inner = params
            for part in parents:
                inner = inner[part]
            inner[last] = member
            declared = resolved(stages()[name]["deps"], params)
            needed = closure({f"stages/{family}/{member}.py"}) - EXEMPT
            assert needed - declared == set(), f"{name} with {key}={member}"


def test_metric_files_are_subjects_times_suites():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    expected = {f"{subject}/{suite}.json" for subject in params["subjects"] for suite in params["suites"]}
    expected |= {"base/text.json", "tuned/text.json"}
    found = {str(p.relative_to(ROOT / "metrics")) for p in (ROOT / "metrics").glob("*/*.json") if p.parent.name != "data"}
    assert found == expected
