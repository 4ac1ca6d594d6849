"""python -m benchmarks stages | latency | tracking | engines | generator | quality | call | studio."""

import typer

import realtime  # noqa: F401  (before numpy, whose threads it sets)
from benchmarks.call import call
from benchmarks.engines import engines
from benchmarks.generator import generator
from benchmarks.latency import latency
from benchmarks.quality.command import Greedy, quality
from benchmarks.stages import stages
from benchmarks.studio import studio
from benchmarks.tracking import tracking

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Measure swapcam on this machine.")
app.command()(stages)
app.command()(latency)
app.command()(tracking)
app.command()(engines)
app.command()(generator)
app.command()(call)
app.command()(studio)
app.command(cls=Greedy)(quality)

if __name__ == "__main__":
    app()
