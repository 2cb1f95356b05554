"""A notebook run as a user would, for the tests."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAPERMILL = str(Path(sys.executable).with_name("papermill"))


def run_papermill(notebook: str, output: Path, *parameters: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a notebook as a user would."""
    return subprocess.run(
        [PAPERMILL, f"notebooks/{notebook}.ipynb", str(output), *parameters, "--no-progress-bar"],
        cwd=ROOT,
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
