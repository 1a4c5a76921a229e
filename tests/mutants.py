"""Would the tests notice? Small changes to the code that must not be wrong, one at a time, each met by the tests of its file.

    make mutants ARGS="--only orders/ledger --most 100"

cosmic-ray makes the changes, in a copy of the checkout. Of the many replacements of one operator one is drawn: whoever notices none of
them notices none. A survivor is printed as a diff: it wants a test, or a reason why it changes nothing.
"""

import argparse
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COSMIC_RAY = Path(sys.executable).parent
PATIENCE_S = 120
PLAIN = "env NUMBA_DISABLE_JIT=1 "  # the same source as Python: nothing to compile for each change
COMPILED = ""
# What tells whether a file works: its tests, and in which mode they are quicker.
FILES = {
    "book/matching": (PLAIN, "tests/test_book.py -k 'not once_more'"),
    "execution/tca": (PLAIN, "tests/test_tca.py -k 'not every_parent_of_every'"),
    "orders/checks": (COMPILED, "tests/test_controls.py tests/test_gate.py tests/test_gated.py"),
    "orders/judge": (COMPILED, "tests/test_controls.py tests/test_gate.py tests/test_gated.py"),
    "orders/exposure": (COMPILED, "tests/test_controls.py tests/test_gate.py tests/test_gated.py"),
    "orders/ledger": (PLAIN, "tests/test_ledger.py"),
    "signals/walkforward": (PLAIN, "tests/test_folds.py"),
    "signals/scores": (PLAIN, "tests/test_scores.py"),
    "signals/samples": (PLAIN, "tests/test_folds.py"),
    "envs/rewards": (COMPILED, "tests/test_envs.py -k reward"),
    "risk/posture": (PLAIN, "tests/test_posture.py"),
}
NO_CHANGES = ("RemoveDecorator",)  # an undecorated function is the same function


def thin(session: Path, most: int, seed: int) -> int:
    """Leave one replacement a place in a session of cosmic-ray, and of these `most` at most; returns how many are left."""
    with sqlite3.connect(session) as db:
        places: dict[tuple[int, int, str], list[str]] = defaultdict(list)
        for job, operator, row, column in db.execute("SELECT job_id, operator_name, start_pos_row, start_pos_col FROM mutation_specs"):
            kind = operator.rpartition("/")[2].split("_")[0]
            places[row, column, kind].append(job)
        rng = random.Random(seed)
        kept = [rng.choice(jobs) for (_, _, kind), jobs in sorted(places.items()) if kind not in NO_CHANGES]
        kept = rng.sample(kept, min(most, len(kept)))
        marks = ",".join("?" * len(kept))
        for table in ("mutation_specs", "work_items"):
            db.execute(f"DELETE FROM {table} WHERE job_id NOT IN ({marks})", kept)
    return len(kept)


def survivors(file: str, most: int, seed: int, tree: Path) -> tuple[int, list[str]]:
    """How many changes were tried on a file in a copy of the checkout, and those that no test noticed, as diffs."""
    mode, tests = FILES[file]
    python = f"{ROOT / '.venv/bin/python'} -m pytest -q -x -p no:cacheprovider"
    session, config = tree / "session.sqlite", tree / "session.toml"
    session.unlink(missing_ok=True)
    config.write_text(
        f'[cosmic-ray]\nmodule-path = "tercet/{file}.py"\ntimeout = {PATIENCE_S}\nexcluded-modules = []\n'
        f'test-command = "{mode}{python} {tests}"\n[cosmic-ray.distributor]\nname = "local"\n'
    )

    def cosmic_ray(*words: str) -> str:
        env = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([COSMIC_RAY / words[0], *words[1:]], cwd=tree, env=env, capture_output=True, text=True, check=True).stdout

    cosmic_ray("cosmic-ray", "init", config.name, session.name)
    tried = thin(session, most, seed)
    cosmic_ray("cosmic-ray", "baseline", config.name)
    cosmic_ray("cosmic-ray", "exec", config.name, session.name)
    report = cosmic_ray("cr-report", "--surviving-only", "--show-diff", session.name)
    return tried, [part for part in report.split("[job-id]")[1:] if part.strip()]


def main() -> int:
    """Change files, and say how many changes their tests noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(FILES), help=f"files, of {', '.join(FILES)}")
    parser.add_argument("--most", type=int, default=100, help="changes of each file")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if unknown := set(asked.only.split(",")) - set(FILES):
        parser.error(f"--only names {', '.join(sorted(unknown))}; expected some of {', '.join(FILES)}")
    with tempfile.TemporaryDirectory() as scratch:
        for file in asked.only.split(","):
            tree = Path(scratch) / "tree"
            names = subprocess.run(
                ["git", "ls-files", "tercet", "tests", "pyproject.toml"], cwd=ROOT, capture_output=True, text=True, check=True
            )
            for name in names.stdout.split():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, tree / name)
            tried, alive = survivors(file, asked.most, asked.seed, tree)
            for diff in alive:
                print(diff)
            print(f"{file}: {tried - len(alive)} of {tried} changes noticed ({100 * (1 - len(alive) / tried):.1f}%)", flush=True)
            shutil.rmtree(tree)
    return 0


if __name__ == "__main__":
    sys.exit(main())
