"""README's two recipes, as they are printed: tests/recipes/run, whose head says what stands in for what."""
import os
import subprocess

import pytest

from scene import SOURCE

RUN = os.path.join(SOURCE, "tests", "recipes", "run")


@pytest.mark.parametrize("recipe", ["vm", "pod"])
def test_a_recipe_of_the_readme_runs_as_printed_with_a_real_server(recipe):
    done = subprocess.run([RUN, recipe], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout
