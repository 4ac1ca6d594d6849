"""What is wrong with a network's file, or with the provider that ran it, in words for the user."""

from __future__ import annotations

import re
from pathlib import Path

from models.network import NetworkError

_STARTS = (
    (0, (b"<",), "a web page"),
    (0, (b"{", b"["), "JSON text"),
    (0, (b"version https://git-lfs",), "a Git LFS pointer without its file"),
    (0, (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf"), "an archive, to be unpacked first, or a PyTorch file"),
    (0, (b"\x80\x02", b"\x80\x04"), "a Python pickle (PyTorch weights)"),
    (0, (b"\x89HDF",), "an HDF5 file (Keras weights)"),
    (4, (b"TFL3",), "a TensorFlow Lite model"),
    (4, (b"ORTM",), "a model in ONNX Runtime's own format"),
    (8, (b'{"',), "a safetensors file"),
)
_AGAIN = "fetch it again"
_MEMORY = ("out of memory", "out_of_memory", "outofmemory", "cuda failure 2:", "failed to allocate memory", "bad allocation", "bad_alloc")
_LONGEST = 200
_OPERATOR = re.compile(r"No Op registered for (\S+)|Fatal error: (\S+?)\(-?\d+\) is not a registered|implementation for (\S+?)\(")
_BESIDE = ("xternal data", "xternal initializer", "cannot get file size", "GetFileLength", "model_path must not be empty")
_MISSING = re.compile(r'"([^"]+)"$|\[([^\[\]]+)\]$|GetFileLength for (\S+) failed')


def check_file(path: Path) -> None:
    """Raise NetworkError for a path that cannot be a network: missing, a folder, empty, or plainly something else."""
    if path.is_dir():
        raise NetworkError(f"Got the folder {path}, expected an ONNX file; name a file in it.")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError:
        raise NetworkError(f"There is no file {path}; give the path of an ONNX file.") from None
    except OSError as error:
        raise NetworkError(f"{path} cannot be read ({error.strerror}); look at who may read it.") from error
    check_start(path.name, head)


def check_start(name: str, head: bytes) -> None:
    """Raise NetworkError where a file begins as no ONNX model does; name: for the message."""
    if not head:
        raise NetworkError(f"Got {name} with 0 bytes, expected an ONNX model; {_AGAIN}.")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for place, marks, what in _STARTS:
        if (head[place:] if place else start).startswith(marks):
            raise NetworkError(f"Got {name}, which is {what}, expected an ONNX model; {_AGAIN}.")
    # A model begins with the number of its format; no text has such bytes.
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        raise NetworkError(f"Got {name}, which is text, expected an ONNX model; {_AGAIN}.")


def of_model(name: str, message: str, version: str) -> str:
    """A sentence for ONNX Runtime's message about a model that it cannot open; version: of ONNX Runtime."""
    installed = f"the installed ONNX Runtime {version}"
    if "rotobuf parsing failed" in message or "No graph was found" in message or "ModelProto does not have a graph" in message:
        return f"Got {name}, which is damaged, cut short or of another kind, expected an ONNX model; {_AGAIN}."
    if found := re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", message):
        return f"Got {name} of IR version {found[1]}, expected at most {found[2]} of {installed}; update that or export the model for it."
    if found := re.search(r"Opset (\d+) is under development.*?till opset (\d+)", message, re.DOTALL):
        return f"Got {name} of opset {found[1]}, expected at most {found[2]} of {installed}; update that or export the model for it."
    if operator := _OPERATOR.search(message):
        which = next(filter(None, operator.groups()))
        return f"Got {name} with the operator {which}, expected only those of {installed}; update that, or export the model without it."
    if any(words in message for words in _BESIDE):
        found = _MISSING.search(message.strip())
        beside = Path(next(filter(None, found.groups()))).name if found else "its file of weights"
        return f"Got {name} without {beside}, expected the two side by side; put both in one folder."
    return f"Got {name}, expected an ONNX model that runs here; ONNX Runtime {version} says: {shortened(message)}."


def of_run(message: str) -> str:
    """Why a provider failed, from its message, in a few words."""
    low = message.lower()
    if any(words in low for words in _MEMORY):
        return "out of memory"
    if "graph capture" in low or "cuda graph" in low or "streamcapture" in low:
        return "its work cannot be recorded as one graph"
    if "please install tensorrt" in low:
        return "the TensorRT libraries are missing"
    return shortened(message)


def shortened(message: str) -> str:
    """The first line of a message without ONNX Runtime's numbers and places in its sources, cut to what fits a log line."""
    line = message.strip().splitlines()[0] if message.strip() else "no reason given"
    line = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .*? failed:", "", line)
    line = re.sub(r"(?:[A-Za-z]:)?[\\/]\S*\.(?:cc|cpp|cu|h):\d+ (?:\S.*?\)(?: const)? )?", "", line).strip().rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


__all__ = ["check_file", "check_start", "of_model", "of_run", "shortened"]
