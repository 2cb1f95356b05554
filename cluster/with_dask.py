"""Run a command while Dask workers that Slurm starts do its training runs; needs `pip install dask-jobqueue`.

    python cluster/with_dask.py --jobs 8 --partition short -- make report SCALE=cpu

Each job is one worker with one thread. --python: the Python of the workers' environment, which must hold this package
at the same commit with the versions of requirements.lock. Where a job is submitted from must be reached from the nodes.
"""

import argparse
import os
import subprocess
import sys


def main(arguments: list[str] | None = None) -> int:
    """Start the workers, run the command with QDLLM_DASK set, end the workers; the command's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=4, help="workers, one a job")
    parser.add_argument("--memory", default="8GB", help="of a worker")
    parser.add_argument("--walltime", default="08:00:00", help="of a job, for a queue")
    parser.add_argument("--partition", help="Slurm's")
    parser.add_argument("--wait", type=int, default=3600, help="seconds to wait for the first worker")
    parser.add_argument("--python", default=sys.executable, help="of the workers' environment")
    parser.add_argument("--script", action="store_true", help="print the job script and end")
    parser.add_argument("command", nargs="*", help="after --: what is run")
    options = parser.parse_args(arguments)
    if not options.command and not options.script:
        parser.error("name the command to run, after --")
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        print("dask-jobqueue is not installed here: pip install dask-jobqueue", file=sys.stderr)
        return 1
    cluster = SLURMCluster(
        queue=options.partition,
        walltime=options.walltime,
        cores=1,
        processes=1,
        memory=options.memory,
        python=options.python,
        scheduler_options={"dashboard_address": None},
        job_script_prologue=["unset PYTHONPATH", "export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1"],
    )
    with cluster:
        if options.script:
            print(cluster.job_script())
            return 0
        cluster.scale(jobs=options.jobs)
        told = {"QDLLM_DASK": cluster.scheduler_address, "QDLLM_DASK_WAIT": str(options.wait)}
        return subprocess.run(options.command, env=os.environ | told, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
