"""A notebook's parameters: papermill's strings are understood, mistakes are told before anything is computed."""

import json
import pickle
import subprocess
import sys
import textwrap

import pytest

from qdcircuits.errors import InputError
from qdllm_utils.config import PRESETS
from qdllm_utils.parameters import Parameters, read_parameters

CELL = """
scale: str = "demo"
teacher: str = "llama2"
preset: str = "paper"
seeds: int = None
epochs: int = None
learning_rate: float = None
data_dir: str = None
refresh: bool = False
"""


def notebook(**injected):
    """The globals of a notebook after its parameters cell and papermill's injected one, IPython's names included."""
    namespace = {"In": [], "Out": {}, "exit": None, "quit": None, "get_ipython": None, "_i1": "x", "json": json}
    exec(CELL, namespace)
    namespace.update(injected)
    return namespace


def read(**injected):
    return read_parameters(notebook(**injected))


def test_the_defaults_are_read_as_they_stand():
    parameters = read()
    assert parameters.values == {
        "scale": "demo",
        "teacher": "llama2",
        "preset": "paper",
        "seeds": None,
        "epochs": None,
        "learning_rate": None,
        "data_dir": None,
        "refresh": False,
    }
    assert parameters.knobs == PRESETS["paper"]
    assert parameters.teachers == ("llama2",)
    assert list(parameters.seed_list) == [0, 1]


def test_papermills_strings_become_the_annotated_types():
    parameters = read(refresh="false", seeds="3", learning_rate="1e-2", epochs="none", data_dir="None")
    assert parameters.refresh is False
    assert parameters.seeds == 3 and type(parameters.seeds) is int
    assert parameters.knobs.learning_rate == 0.01
    assert parameters.epochs is None and parameters.data_dir is None
    assert list(parameters.seed_list) == [0, 1, 2]
    assert read(refresh="True").refresh is True


def test_a_whole_number_for_a_float_is_a_float():
    rate = read(learning_rate=1).learning_rate
    assert rate == 1.0 and type(rate) is float


def test_all_means_the_papers_five_teachers():
    assert read(teacher="all").teachers == ("bloomz-1.1b", "bloomz-3b", "opt", "llama2", "llama3")


def test_a_name_with_a_task_is_meant_for_that_task_only():
    several = read(teacher="qwen@hiding, minilm, ./a@hiding, ./b@home")
    assert several.teachers_of("hiding") == ("qwen", "minilm", "./a", "./b@home")
    assert several.teachers_of("emotion") == several.teachers_of("thematic") == ("minilm", "./b@home")
    assert set(several.teachers) == {"qwen", "minilm", "./a", "./b@home"}
    with pytest.raises(InputError, match="names none for thematic"):
        read(teacher="qwen@hiding").teachers_of("thematic")
    with pytest.raises(InputError, match="takes one teacher"):
        _ = read(teacher="qwen@hiding").teacher
    with pytest.raises(InputError, match="Unknown teacher 'qwen@hidin'"):
        read(teacher="qwen@hidin")


@pytest.mark.parametrize("teacher", ["minilm", "google-bert/bert-base-uncased", "./folder", "/tmp/x", "../x"])
def test_a_known_name_a_hub_id_and_a_folder_are_teachers(teacher):
    assert read(teacher=teacher).teachers == (teacher,)


@pytest.mark.parametrize(
    ("injected", "mentions"),
    [
        ({"sedes": 5}, ("'sedes'", "seeds", "refresh")),
        ({"scale": "huge"}, ("'huge'", "demo, cpu, paper")),
        ({"preset": "best"}, ("'best'", "paper, released, tuned")),
        ({"teacher": "gpt4"}, ("'gpt4'", "bloomz-1.1b", "minilm", "all", "owner/name", "./name")),
        ({"teacher": ""}, ("None", "llama2")),
        ({"teacher": 7}, ("teacher", "7", "str")),
        ({"seeds": 0}, ("seeds", "0", "1 to 1000")),
        ({"seeds": 1001}, ("seeds", "1 to 1000")),
        ({"seeds": "-2"}, ("seeds", "-2")),
        ({"seeds": "3.5"}, ("seeds", "'3.5'", "int")),
        ({"seeds": True}, ("seeds", "True", "int")),
        ({"seeds": [3]}, ("seeds", "[3]", "int")),
        ({"epochs": -1}, ("epochs", "-1", "between 1 and 1000")),
        ({"learning_rate": "fast"}, ("learning_rate", "'fast'", "float")),
        ({"learning_rate": "nan"}, ("learning_rate", "'nan'", "float")),
        ({"learning_rate": "inf"}, ("learning_rate", "inf", "between")),
        ({"refresh": "maybe"}, ("refresh", "'maybe'", "bool")),
        ({"refresh": 2}, ("refresh", "2", "bool")),
        ({"refresh": None}, ("refresh", "None", "bool")),
        ({"scale": None}, ("scale", "None", "demo")),
    ],
)
def test_a_mistake_is_told_in_one_sentence_that_names_what_is_allowed(refused, injected, mentions):
    with refused(*mentions):
        read(**injected)


def test_a_name_that_is_no_parameter_is_an_attribute_error():
    with pytest.raises(AttributeError, match="absent"):
        _ = read().absent


def test_parameters_survive_pickling():
    parameters = read(seeds=4)
    assert pickle.loads(pickle.dumps(parameters)) == parameters


def test_ipython_shows_the_sentence_and_no_traceback():
    code = """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell()
        shell.run_cell("from qdllm_utils.config import knobs\\nknobs('papre')")
    """
    shown = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    lines = [line for line in (shown.stdout + shown.stderr).splitlines() if line.strip()]
    assert lines == ["InputError: Unknown preset 'papre': choose one of paper, released, tuned."]


def test_checking_parameters_imports_nothing_heavy():
    code = "import sys, qdllm_utils.parameters; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "qdllm_utils.config" in loaded
    heavy = {"torch", "transformers", "sklearn", "numpy", "scipy", "pandas", "peft", "pennylane"}
    assert not heavy & set(loaded)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("all", ["emotion", "hiding", "thematic"]),
        ("thematic, hiding", ["hiding", "thematic"]),
        ("emotion", ["emotion"]),
        ("hiding,hiding", ["hiding"]),
    ],
)
def test_tasks_are_a_list_with_commas(given, expected):
    assert read_parameters({"__annotations__": {"tasks": str}, "tasks": given}).task_list == expected


@pytest.mark.parametrize("given", ["hidding", "hiding,", "hiding;emotion"])
def test_an_unknown_task_is_refused(given):
    with pytest.raises(InputError, match="emotion, hiding, thematic, all"):
        read_parameters({"__annotations__": {"tasks": str}, "tasks": given})


@pytest.mark.parametrize("asked", [-1, 0, 1, 1001])
def test_a_number_of_splits_or_draws_has_a_spread(asked, refused):
    with refused(f"splits is {asked}", "from 2 to 1000"):
        Parameters({"splits": asked}).number("splits", 20)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"scale": "cpu", "seeds": 10}, [3, 1, 1]),
        ({"scale": "cpu", "seeds": 2}, [2, 1, 1]),
        ({"scale": "cpu", "seeds": 2, "baseline_seeds": 4}, [4, 4, 4]),
        ({"scale": "demo", "seeds": None}, [2, 2, 2]),
        ({"scale": "paper", "seeds": None, "baseline_seeds": None}, [5, 5, 5]),
    ],
)
def test_on_a_cpu_the_compression_baselines_have_fewer_seeds(values, expected):
    tasks = ("hiding", "thematic", "emotion")
    assert [len(Parameters(values).baseline_seed_list(task)) for task in tasks] == expected
    with pytest.raises(InputError, match="baseline_seeds is 0"):
        read_parameters({"__annotations__": {"baseline_seeds": int}, "baseline_seeds": 0})


def test_a_number_not_asked_for_is_the_pages_own():
    assert Parameters({"splits": None}).number("splits", 20) == 20
    assert Parameters({"splits": 3}).number("splits", 20) == 3


def test_the_teachers_to_compare_are_checked_before_anything_is_computed():
    declared = {"teacher": str, "teachers": str, "scale": str}
    given = {"teacher": "minilm", "scale": "cpu", "__annotations__": declared}
    assert read_parameters(given | {"teachers": "minilm, qwen@hiding"}).of_task("teachers", "emotion") == ("minilm",)
    with pytest.raises(InputError, match="Unknown teacher 'qwne'"):
        read_parameters(given | {"teachers": "minilm, qwne@hiding"})
