"""From a checkpoint to the two files of the live generator, which are written only if they do what the networks did in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from models.generator.shipped import ENCODER, GENERATOR
from models.rewrite.graph import Graph
from models.training import checkpoint as checkpoints
from models.training import graphs, proof
from models.training.judges import load_encoder
from models.training.networks import Generator
from models.training.proof import Difference, Feed
from models.training.quantise import quantised
from models.training.run import CHECKPOINT
from models.training.trainer import checksum
from models.whole import replacing

Precision = Literal["float16", "float32", "int8"]
EXACT = Difference(1e-3, 1e-3)
"""How far a graph in float32 may be from PyTorch; 3e-7 is usual."""
STORED: dict[Precision, Difference] = {
    "float32": EXACT,
    "float16": Difference(4 / 255, 0.25 / 255),
    "int8": Difference(16 / 255, 0.5 / 255),
}
"""How far a file may be from it."""
_NOISE, _FACES, _CALIBRATING = 4, 16, 32
"""Views to compare on and, other ones, to calibrate on."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file: its bytes, its network's parameters, and how far from PyTorch its graph was in float32, and it itself is."""

    path: Path
    size: int
    parameters: int
    exact: Difference
    stored: Difference


@dataclass(frozen=True, slots=True)
class Report:
    """step: of the checkpoint.  faces: how many real views were compared, besides noise."""

    generator: Written
    identity: Written
    step: int
    faces: int


@dataclass(frozen=True, slots=True)
class _Network:
    """One to be written.  noise, faces: what to compare it on.  calibrating: views to find the ends of bytes from, none without bytes."""

    title: str
    architecture: str
    module: nn.Module
    graph: Graph
    noise: list[Feed]
    faces: list[Feed]
    calibrating: list[Feed]


def export(
    checkpoint: Path, encoder: Path, out: Path, about: Mapping[str, str], precision: Precision = "float16", data: Path | None = None
) -> Report:
    """Write generator.onnx, of a checkpoint's moving average, and identity.onnx into the folder `out`: both, or none.

    checkpoint: the file, or the folder of its run.  encoder: as `swapcam train distil` made it.
    about: what else the files say of themselves (data, its terms, licence, date, faces seen), beside name, architecture, step, precision.
    precision: of weights as they are stored; arithmetic stays float32 but with int8, see models.training.quantise, which only the
    generator takes.  data: a prepared set; its faces are compared as well, and int8 is calibrated on them.
    Raises ValueError for other files and for what would differ from the networks, NetworkError for an encoder or a set that cannot be
    read, OSError where the files cannot be written; those there before are kept then.
    """
    if precision not in STORED:
        raise ValueError(f"got precision {precision}, expected one of {', '.join(STORED)}")
    if precision == "int8" and data is None:
        raise ValueError("got precision int8 and no set, expected one to calibrate on")
    checkpoint = checkpoint / CHECKPOINT if checkpoint.is_dir() else checkpoint
    generator, state = _average(checkpoint)
    who, step = load_encoder(encoder), str(state["step"])
    if checkpoints.trained_on(checkpoint, state)["encoder"] != checksum(who):
        raise ValueError(f"{encoder}: {checkpoint} was trained with another encoder; put back the one of that run")
    noise, real = proof.noise(_NOISE), proof.faces(data, who, _FACES, seed=1) if data else proof.Seen([], [])
    bytes_of = proof.faces(data, who, _CALIBRATING, seed=2).views if data and precision == "int8" else []
    wide = f"AAD, {', '.join(map(str, state['architecture']['widths']))} channels"
    face = _Network("generator", wide, generator, graphs.generator(generator), noise.views, real.views, bytes_of)
    whose = _Network("identity encoder", "residual", who, graphs.encoder(who), noise.portraits, real.portraits, [])
    made = [_made(network, precision, {**about, "step": step}) for network in (face, whose)]
    paths = (out / GENERATOR, out / ENCODER)
    _write(dict(zip(paths, (content for content, _ in made), strict=True)))
    first, second = (
        Written(path, len(content), sum(value.numel() for value in network.module.parameters()), *differences)
        for path, network, (content, differences) in zip(paths, (face, whose), made, strict=True)
    )
    return Report(first, second, int(step), len(real.views))


def _made(network: _Network, precision: Precision, about: Mapping[str, str]) -> tuple[bytes, tuple[Difference, Difference]]:
    """A network's file, and how far its graph is from PyTorch exactly and as it is stored."""
    from onnx import checker, helper

    feeds, graph = network.noise + network.faces, network.graph
    exact = _near(network, graph.whole(), feeds, EXACT, "exported")
    if network.calibrating:
        # Bytes end where faces do: noise says nothing of them.
        graph, feeds = quantised(graph, network.calibrating), network.faces
    elif precision == "int8":
        precision = "float16"
    model = (graph if precision == "float32" else graphs.halved(graph)).whole()
    told = {"name": f"swapcam {network.title}", "architecture": network.architecture, "precision": precision}
    helper.set_model_props(model, {**about, **told})
    checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content, (exact, _near(network, content, feeds, STORED[precision], f"in {precision}"))


def _near(network: _Network, model: Any, feeds: list[Feed], limit: Difference, how: str) -> Difference:
    found = proof.difference(model, feeds, proof.truth(network.module, feeds))
    if not found.within(limit):
        raise ValueError(f"the {network.title} {how} differs from PyTorch by {found}, expected less than {limit}; nothing was written")
    return found


def _average(path: Path) -> tuple[Generator, dict[str, Any]]:
    """The network that is exported, and the checkpoint."""
    state = checkpoints.read(path)
    try:
        network = Generator(state["architecture"]["widths"])
        network.load_state_dict(state["average"])
    except (KeyError, TypeError, RuntimeError) as error:
        why = checkpoints.first(error)
        raise ValueError(f"{path}: its generator ({state.get('architecture')}) is not of this version: {why}") from error
    return network.eval().requires_grad_(False), state


def _write(contents: Mapping[Path, bytes]) -> None:
    """All files or none; raises OSError, with those there before kept."""
    try:
        with ExitStack() as stack:
            for path in contents:
                stack.enter_context(_put_back(path))
            for path, content in contents.items():
                stack.enter_context(replacing(path, None)).write(content)
    except OSError as error:
        raise OSError(f"{error.filename}: cannot be written ({error.strerror}); make room or take another folder") from error


@contextmanager
def _put_back(path: Path) -> Iterator[None]:
    """Where anything fails in here, the file is afterwards what it was before.  Raises OSError."""
    before, there = path.with_name(path.name + ".before"), path.is_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    if there:
        with replacing(before, None) as file:
            file.write(path.read_bytes())
    try:
        yield
    except BaseException:
        if there:
            before.replace(path)
        elif path.is_file():
            path.unlink()
        raise
    finally:
        before.unlink(missing_ok=True)


__all__ = ["EXACT", "STORED", "Precision", "Report", "Written", "export"]
