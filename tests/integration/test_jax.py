"""JAX between cells: arrays, keys and compiled functions of a job that is killed in each cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from .jobdir import Job
from .kills import attempt, shown, spec, wait_for_event

CELLS = [
    "import jax, jax.numpy as jnp, numpy as np\njax.config.update('jax_enable_x64', True)\n"
    "key = jax.random.key(3); old = jax.random.PRNGKey(5)",
    "a = jnp.arange(300_000.0); weak = jnp.asarray(2.0)\n"
    "params = {'w': a, 'b': jnp.ones(3, jnp.bfloat16), 'n': jnp.int8(3)}; same = params['w']\n"
    "host = np.asarray(a)",
    "scale = 2.0\n"
    "@jax.jit\ndef step(params, key):\n"
    "    noise = jax.random.normal(key, params['w'].shape)\n"
    "    return {**params, 'w': params['w'] * scale + noise}\n"
    "grad = jax.grad(lambda w: (w ** 2).sum())\n"
    "key, sub = jax.random.split(key); params = step(params, sub)",
    "key, sub = jax.random.split(key); params = step(params, sub)\n"
    "print(params['w'].dtype, params['b'].dtype, params['n'].dtype, same is a, same.sum())\n"
    "print((weak * jnp.ones(1, jnp.bfloat16)).dtype, grad(params['w'])[:3])",
    "print(params['w'].sum(), jax.random.normal(key), jax.random.normal(old), host[:2])",
]


@pytest.mark.timeout(400)
def test_killed_after_each_cell(tmp_path: Path) -> None:
    (tmp_path / "reference").mkdir()
    reference = Job(tmp_path / "reference", *CELLS)
    assert reference.run(timeout=100) == 0, reference.log()
    job = spec(Job(tmp_path, *CELLS), checkpoint_interval=0)
    for number in range(1, len(CELLS)):
        kill = wait_for_event(job, number, "cell_started", timeout=100, cell=number)
        assert attempt(job, kill)[1] is not None, job.log(number)
    assert attempt(job, lambda _process: None)[0] == 0, job.log(len(CELLS))
    assert shown(job) == shown(reference)
    resumed = [line["first_cell"] for line in job.events("resumed")]
    assert resumed == list(range(1, len(CELLS)))
