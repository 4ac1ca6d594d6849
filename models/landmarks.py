"""Landmarker: MediaPipe's 478-point face mesh with attention, in regions given by the caller."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.graph import Graph
from models.graph import Region as Region

Landmarks = NDArray[np.float32]

POINTS = 478
_RIGHT_EYE, _LEFT_EYE = 33, 263
_SCORE = "facelandmarkcpu__face_presence_score"
_GRAPH = """
output_stream: "landmarks"
node {
  calculator: "ConstantSidePacketCalculator"
  output_side_packet: "PACKET:attention"
  node_options { [type.googleapis.com/mediapipe.ConstantSidePacketCalculatorOptions]: { packet { bool_value: true } } }
}
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:attention"
  output_stream: "LANDMARKS:landmarks"
}
"""
# A NormalizedLandmark on the wire: tag and length, then tag and float for each of x, y and z.
_WIRE = np.dtype({"names": ["tag", "x", "y", "z"], "formats": ["<u2", "<f4", "<f4", "<f4"], "offsets": [0, 3, 8, 13], "itemsize": 17})
_TAG = 0x0F0A


def region_from_detection(box: NDArray[np.float32], points: NDArray[np.float32] | None = None) -> Region:
    """Where to look for the landmarks of a detected face, as MediaPipe's face graph does it.

    box: (4,) left, top, right, bottom px.  points: (6, 2) px, the detector's, whose eyes give the rotation; None, or eyes that
    the detector does not see (nan): upright.
    """
    left, top, right, bottom = (float(value) for value in box)
    eyes = points[:2] if points is not None else np.full((2, 2), np.nan)
    rotation = math.atan2(float(eyes[1, 1] - eyes[0, 1]), float(eyes[1, 0] - eyes[0, 0])) if np.isfinite(eyes).all() else 0.0
    return Region((left + right) / 2, (top + bottom) / 2, 1.5 * max(right - left, bottom - top), rotation)


def region_from_landmarks(landmarks: Landmarks) -> Region:
    """Where to look for the same face in the next picture, as MediaPipe's face graph does it.

    landmarks: (478, 2 or 3) px; the outer eye corners give the rotation.
    """
    x, y = landmarks[:, 0], landmarks[:, 1]
    left, top, right, bottom = float(x.min()), float(y.min()), float(x.max()), float(y.max())
    eyes = landmarks[_LEFT_EYE] - landmarks[_RIGHT_EYE]
    size = 1.5 * max(right - left, bottom - top)
    return Region((left + right) / 2, (top + bottom) / 2, size, math.atan2(float(eyes[1]), float(eyes[0])))


class Landmarker:
    """Finds the 478 landmarks of the face in each region of a picture.

    presence: 0..1, the model's own score below which it is said that there is no face.
    May be made in one thread and called in another.
    Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time", 2020.
    """

    def __init__(self, presence: float = 0.5) -> None:
        if not 0.5 <= presence < 1:
            raise ValueError(f"presence: got {presence}, expected 0.5 to 1 (the graph itself gates at 0.5)")
        self._presence = presence
        self._graph = Graph(_GRAPH, ("landmarks", _SCORE))

    def __call__(self, image: NDArray[np.uint8], regions: Sequence[Region]) -> list[Landmarks | None]:
        """Landmarks (478, 3) float32 in pixels for each region, or None where no face is there.

        image: (h, w, 3) uint8 BGR.  z is in pixels too, smaller is nearer.  Regions may reach beyond the picture;
        one that lies outside it, is smaller than 4 px or not finite gives None.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"image: got {image.dtype} {image.shape}, expected uint8 (h, w, 3)")
        return [self._find(image, region) for region in regions]

    def _find(self, image: NDArray[np.uint8], region: Region) -> Landmarks | None:
        piece = cut(image, region)
        if piece is None:
            return None
        crop, inside, corner = piece
        (packets,) = self._graph.run(crop, [(inside, 1.0)])
        if "landmarks" not in packets or _SCORE not in packets or self._graph.number(packets[_SCORE]) < self._presence:
            return None
        landmarks = decode(self._graph.serialized(packets["landmarks"]), POINTS)
        landmarks *= np.array([crop.shape[1], crop.shape[0], crop.shape[1]], np.float32)
        landmarks[:, :2] += corner
        return landmarks if np.isfinite(landmarks).all() else None

    def close(self) -> None:
        """Free the model; may be called again."""
        self._graph.close()


def cut(image: NDArray[np.uint8], region: Region) -> tuple[NDArray[np.uint8], Region, Landmarks] | None:
    """What a graph needs to see of a picture (h, w, 3) uint8 BGR to look at a region: that part as RGB, the region in it, and
    its left upper corner (2,) px; None for a region that lies outside the picture, is smaller than 4 px or not finite.
    """
    height, width = image.shape[:2]
    limit = 8.0 * max(height, width)
    values = (region.x, region.y, region.size, region.rotation)
    if not all(map(math.isfinite, values)) or not 4 <= region.size <= limit or max(abs(region.x), abs(region.y)) > limit:
        return None
    # 2 px more than lie under the region keep interpolation exact.
    reach = region.size / 2 * (abs(math.cos(region.rotation)) + abs(math.sin(region.rotation))) + 2
    left, right = max(0, math.floor(region.x - reach)), min(width, math.ceil(region.x + reach))
    top, bottom = max(0, math.floor(region.y - reach)), min(height, math.ceil(region.y + reach))
    if right - left < 2 or bottom - top < 2:
        return None
    crop = np.asarray(cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2RGB), np.uint8)
    inside = Region(region.x - left, region.y - top, region.size, region.rotation)
    return crop, inside, np.array([left, top], np.float32)


def decode(data: bytes, count: int) -> Landmarks:
    """Landmarks (count, 3) from the wire form of a NormalizedLandmarkList: 0.02 ms, the protobuf classes take 0.2."""
    if len(data) == count * _WIRE.itemsize:
        rows = np.frombuffer(data, _WIRE)
        if (rows["tag"] == _TAG).all():
            return np.stack([rows["x"], rows["y"], rows["z"]], axis=1)
    from mediapipe.framework.formats import landmark_pb2

    points = landmark_pb2.NormalizedLandmarkList.FromString(data).landmark
    if len(points) != count:
        raise ValueError(f"landmarks: got {len(points)}, expected {count}")
    return np.array([(point.x, point.y, point.z) for point in points], np.float32)
