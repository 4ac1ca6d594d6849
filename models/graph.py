"""Graph: the only place that imports MediaPipe; runs one of its graphs over regions of pictures."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NOISE = (b"XNNPACK delegate", b"absl::InitializeLog", b"inference_feedback_manager", b"landmark_projection_calculator", b"gl_context")
_STDERR = threading.Lock()


@dataclass(frozen=True, slots=True)
class Region:
    """A square of a picture, turned about its centre.

    x, y: centre in pixels.  size: side in pixels.  rotation: radians, clockwise on the screen, 0 for an upright face.
    """

    x: float
    y: float
    size: float
    rotation: float = 0.0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what MediaPipe's C++ libraries print on start; lines that are not known chatter still come out afterwards.

    They write to file descriptor 2 and heed no setting; it is diverted only while this context lasts.
    """
    with _STDERR, tempfile.TemporaryFile() as caught:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught:
                if not any(word in line for word in _NOISE):
                    os.write(2, line)


class Graph:
    """A MediaPipe graph with the inputs `image` and `roi`, run in the caller's thread.

    config: graph in text format.  outputs: streams to read, inner ones included.
    May be made in one thread and run in others; runs queue up behind one another.
    """

    def __init__(self, config: str, outputs: Sequence[str]) -> None:
        os.environ.setdefault("GLOG_minloglevel", "2")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        self._lock = threading.Lock()
        self._time = 0
        self._packets: dict[str, Any] = {}
        with quiet():
            from mediapipe.framework.formats import rect_pb2
            from mediapipe.python import _framework_bindings as bindings
            from mediapipe.python import packet_creator

            bindings.resource_util.set_resource_dir(str(Path(bindings.__file__).parents[2]))
            self._rectangle = rect_pb2.NormalizedRect
            self._creator = packet_creator
            self._format = bindings.image_frame.ImageFormat.SRGB
            self._read = bindings._packet_getter
            text = 'input_stream: "image" input_stream: "roi" executor { type: "ApplicationThreadExecutor" } ' + config
            self._graph = bindings.calculator_graph.CalculatorGraph(graph_config=text)
            for name in outputs:
                self._graph.observe_output_stream(name, self._packets.__setitem__)
            self._graph.start_run()
            self.run(np.zeros((64, 64, 3), np.uint8), [(Region(32, 32, 64), 1.0)])

    def run(self, image: NDArray[np.uint8], regions: Sequence[tuple[Region, float]]) -> list[dict[str, Any]]:
        """The packets of each output stream, for each (region, its height / its width) of an RGB picture; an output may be absent.

        Raises RuntimeError when the graph was closed or a calculator failed.
        """
        height, width = image.shape[:2]
        image = np.ascontiguousarray(image)
        image.flags.writeable = False
        results = []
        with self._lock:
            packet = self._creator.create_image_frame(image_format=self._format, data=image)
            for region, aspect in regions:
                rectangle = self._rectangle(
                    x_center=region.x / width,
                    y_center=region.y / height,
                    width=region.size / width,
                    height=region.size * aspect / height,
                    rotation=region.rotation,
                )
                self._time += 1
                self._packets.clear()
                self._graph.add_packet_to_input_stream("roi", self._creator.create_proto(rectangle).at(self._time))
                self._graph.add_packet_to_input_stream("image", packet.at(self._time))
                self._graph.wait_until_idle()
                results.append(dict(self._packets))
        return results

    def serialized(self, packet: Any) -> bytes:
        """The wire form of a packet that holds one protocol buffer."""
        return bytes(self._read._get_serialized_proto(packet))

    def serialized_list(self, packet: Any) -> list[bytes]:
        """The wire forms of a packet that holds a vector of protocol buffers."""
        return list(self._read._get_serialized_proto_list(packet)) if self._read._get_proto_vector_size(packet) else []

    def number(self, packet: Any) -> float:
        """The value of a packet that holds one float."""
        return float(self._read.get_float(packet))

    def close(self) -> None:
        """Free the model; may be called again."""
        with self._lock:
            if self._graph is not None:
                self._graph.close_all_packet_sources()
                self._graph.wait_until_done()
                self._graph = None
