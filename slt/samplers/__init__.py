r"""The samplers of the textbook, each short enough to read in one sitting (floor 5).

Every file has the same doors. `step(key, state, ...)` is one transition of the Markov chain, a pure function; its
docstring has the acceptance ratio and says why the posterior stays as it is. `sample(key, model, *data, ...)` runs it
from draws of the prior, many chains side by side in one compiled program, and returns a `Posterior` like `slt.nuts`,
judged by the same $\hat R$ and effective sample sizes. `slt.nuts` is faster; these are here to be read.
"""

from slt.samplers import gibbs, hmc, langevin, metropolis, parallel_tempering

__all__ = ["gibbs", "hmc", "langevin", "metropolis", "parallel_tempering"]
