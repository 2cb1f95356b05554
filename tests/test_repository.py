"""What must hold of the files in git: stripped notebooks, no machine's paths, nothing of the authors' data."""

import ast
import json
import re
import subprocess
from pathlib import Path
from pkgutil import resolve_name

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PATHS = re.compile(r"(?<![\w.])/(?:root|home/[a-z]+|work|tmp|Users|opt|mnt|data)/[\w.-]")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXECUTED = sorted((ROOT / "book" / "executed").glob("*.ipynb"))


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listing.stdout.splitlines()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        if path.suffix in {".npz", ".zip", ".png"} or "_vendor" in path.parts or not path.is_file():
            continue
        found.append((path, path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_stripped_and_short(path):
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert 2 <= len(code) <= 9
    for cell in code:
        assert cell["outputs"] == [] and cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_parameter_is_annotated_and_explained(path):
    cells = json.loads(path.read_text())["cells"]
    (parameters,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    source = "".join(parameters["source"])
    statements = ast.parse(source).body
    assert statements
    for statement, line in zip(statements, source.splitlines(), strict=True):
        assert isinstance(statement, ast.AnnAssign)
        assert re.search(r"  # \w", line), line


@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: path.name)
def test_published_notebook_shows_no_path_and_no_error(path):
    notebook = json.loads(path.read_text())
    outputs = json.dumps([cell.get("outputs", []) for cell in notebook["cells"]])
    assert not PATHS.search(outputs)
    if "generated demo texts" in outputs:
        assert "demo scale: not a result" in outputs
    assert not any(output["output_type"] == "error" for cell in notebook["cells"] for output in cell.get("outputs", []))


def test_every_page_of_the_contents_is_in_git():
    listed = re.findall(r"file: (\S+)", (ROOT / "book" / "_toc.yml").read_text())
    names = {
        path.relative_to(ROOT / "book").with_suffix("").as_posix()
        for path in tracked()
        if ROOT / "book" in path.parents
    }
    assert listed and set(listed) <= names


def test_no_machine_path_in_tracked_files():
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in texts()
        if "tests" not in path.parts
        for match in PATHS.finditer(text)
    ]
    assert not found


def test_no_package_registry_named():
    hosts = re.compile(r"https?://[\w.-]*(pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian|download\.pytorch)")
    assert not [path.name for path, text in texts() if path != Path(__file__) and hosts.search(text)]


def test_authors_data_is_not_tracked():
    assert not [path for path in tracked() if re.fullmatch(r"(train|test)_\w+\.txt", path.name)]


def test_rendered_html_is_not_tracked():
    assert not [path for path in tracked() if path.suffix == ".html"]


def test_top_level_contents_is_a_link_to_the_book():
    assert (ROOT / "_toc.yml").is_symlink()
    assert (ROOT / "_toc.yml").resolve() == (ROOT / "book" / "_toc.yml").resolve()


def pins(lock: str) -> dict[str, str]:
    """{package: requirement} of a lock, each with a hash at least."""
    found = {}
    for block in re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip()):
        requirement, *hashes = (line.strip(" \\") for line in block.splitlines())
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes)
        found[Requirement(requirement).name] = requirement
    return found


def test_locks_have_hashes_and_the_user_installs_no_test_tools():
    user, tests = pins("requirements.lock"), pins("requirements-test.lock")
    assert user.items() <= tests.items() and {"pytest", "mypy", "ruff", "hypothesis"} <= set(tests) - set(user)
    assert "torch" not in tests and not [name for name in tests if name.startswith(("nvidia", "triton", "cuda"))]


def test_environment_has_the_versions_of_the_lock():
    listed = re.findall(r'^      - "?([^"\n]+)"?$', (ROOT / "environment.yml").read_text(), flags=re.M)
    assert (listed[0], listed[-1]) == ("torch==2.13.0", "-e .")
    assert listed[1:-1] == list(pins("requirements.lock").values())
    for place in ("pyproject.toml", "Makefile"):
        assert set(re.findall(r"torch==[0-9.]+", (ROOT / place).read_text())) == {"torch==2.13.0"}


def test_every_name_on_the_two_ways_through_the_house_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## A text on its way")[1]
    names = [name for name in re.findall(r"`([\w.]+)`", text) if name != "qdllm_utils"]
    assert len(names) > 25
    for name in names:
        assert resolve_name(name if name.startswith("qdcircuits.") else f"qdllm_utils.{name}") is not None


def test_a_page_imports_from_no_other_page():
    """What two pages share stands in the wings below; a module's page is its name up to the first underscore."""
    pages = ROOT / "qdllm_utils" / "pages"
    names = {path.stem for path in NOTEBOOKS}

    def page_of(module: str) -> str:
        (own,) = {name for name in names if module == name or module.startswith(f"{name}_")}
        return own

    wrong = [
        f"{path.stem} imports {module}"
        for path in pages.glob("*.py")
        for module in re.findall(r"from qdllm_utils\.pages(?:\.(\w+)| import (\w+(?:, \w+)*))", path.read_text())
        for module in ", ".join(filter(None, module)).split(", ")
        if page_of(module) != page_of(path.stem)
    ]
    assert not wrong
