"""The generator's weights that come with the package, opened: the encoder that reads a source, and the network of every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.generator.network import Reader, Refiner
from models.network import NetworkError
from models.rewrite.prepare import prepare
from models.running.providers import Runtime
from models.session import Session

FOLDER = Path(__file__).parent
GENERATOR, ENCODER = "generator.onnx", "identity.onnx"


@dataclass(frozen=True, slots=True)
class Shipped:
    """read: who a source is.  refine: the network of every frame.  variant: how that really runs, for people."""

    read: Reader
    refine: Refiner
    variant: str


def files(folder: Path | None = None) -> tuple[Path, Path]:
    """The weights of generator and encoder; folder: another than the package's own.  Raises NetworkError where they are missing."""
    found = tuple((folder or FOLDER) / name for name in (GENERATOR, ENCODER))
    for path in found:
        if not path.is_file():
            what = f"its weights are not in this installation; there is no {path.name} in {path.parent}"
            raise NetworkError(f"engine neural: {what}. Install swapcam again, or use --engine mesh.")
    return found[0], found[1]


@contextmanager
def shipped(runtime: Runtime, rewrite: bool = True, folder: Path | None = None) -> Iterator[Shipped]:
    """Open both, and close them on the way out.

    rewrite: run an equal graph that is faster.  Raises NetworkError where they are missing, damaged, of another version, or cannot run.
    """
    generator, encoder = files(folder)
    for path, wanted in ((generator, "identity"), (encoder, "portrait")):
        _look(path, wanted)
    # Its convolutions are small: as matrix products they were slower.
    made = prepare(generator, runtime, "The generator", source="identity", rewrite=rewrite, memory=0)
    with ExitStack() as parts:

        def opened(model: Callable[[str], object] | Path, name: str) -> Session:
            session = Session(model, runtime, name=name)
            parts.callback(session.close)
            return session

        network = opened(made.network, "The generator")
        half = opened(made.half, "The generator's first half") if made.half else None
        yield Shipped(Reader(opened(encoder, "The identity encoder")), Refiner(network, half), str(network.variant))


def check(folder: Path | None = None) -> int:
    """Bytes of both files, which are opened and run once on the processor; raises NetworkError as `shipped` does."""
    with shipped(Runtime(("CPU",), "fp32", 1), rewrite=False, folder=folder):
        return sum(path.stat().st_size for path in files(folder))


def _look(path: Path, wanted: str) -> None:
    """Raise NetworkError for a file that is no model, or is one without the input wanted: there is nothing to fetch but swapcam."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        inputs = [port.name for port in onnx.load_model(str(path), load_external_data=False).graph.input]
    except (OSError, DecodeError) as error:
        raise NetworkError(f"engine neural: {path} is damaged or cannot be read. Install swapcam again, or use --engine mesh.") from error
    if not inputs:
        raise NetworkError(f"engine neural: {path} is damaged, it has no network. Install swapcam again, or use --engine mesh.")
    if wanted not in inputs:
        got = ", ".join(inputs)
        raise NetworkError(f"{path} is of another version: got the inputs {got}, expected {wanted} among them; install swapcam again.")


__all__ = ["ENCODER", "GENERATOR", "Shipped", "check", "files", "shipped"]
