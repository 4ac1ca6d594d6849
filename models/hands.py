"""Hands: MediaPipe's palm detector and 21-point hand mesh, in regions given by the caller."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.graph import Graph, Region
from models.landmarks import cut, decode

Points = NDArray[np.float32]

POINTS = 21
_WRIST, _MIDDLE = 0, 9
# What a hand's place and turn follow from: wrist, thumb's root and the fingers' roots and middle joints.
_STEADY = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
_PALM_SIDE = 192
_SCORE = "handlandmarkcpu__hand_presence_score"
# The lite models; the thresholds inside are 0.5.
_LITE = """
node {
  calculator: "ConstantSidePacketCalculator"
  output_side_packet: "PACKET:complexity"
  node_options { [type.googleapis.com/mediapipe.ConstantSidePacketCalculatorOptions]: { packet { int_value: 0 } } }
}
"""
_PALMS = """
output_stream: "detections"
node {
  calculator: "PalmDetectionCpu"
  input_stream: "IMAGE:image"
  input_side_packet: "MODEL_COMPLEXITY:complexity"
  output_stream: "DETECTIONS:detections"
}
"""
_HAND = """
output_stream: "landmarks"
node {
  calculator: "HandLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "MODEL_COMPLEXITY:complexity"
  output_stream: "LANDMARKS:landmarks"
}
"""


class Hands:
    """Finds the 21 landmarks of hands; keeps nothing between calls but the models.

    May be made in one thread and called in another.
    Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking", 2020.
    """

    def __init__(self) -> None:
        self._palms = Graph(_LITE + _PALMS, ("detections",))
        self._hand = Graph(_LITE + _HAND, ("landmarks", _SCORE))
        from mediapipe.framework.formats import detection_pb2

        self._parse = detection_pb2.Detection.FromString

    def palms(self, image: NDArray[np.uint8], box: tuple[int, int, int, int]) -> list[Region]:
        """Where to look for the landmarks of each hand whose palm lies in a part of a picture, at most two, best first.

        image: (h, w, 3) uint8 BGR.  box: left, top, right, bottom px; what reaches beyond the picture is left out.
        Palms under a tenth of the box are not seen.
        """
        height, width = image.shape[:2]
        left, top, right, bottom = max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3])
        if right - left < 16 or bottom - top < 16:
            return []
        scale = min(1.0, _PALM_SIDE / max(right - left, bottom - top))
        size = (max(8, round((right - left) * scale)), max(8, round((bottom - top) * scale)))
        small = cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
        whole = Region(size[0] / 2, size[1] / 2, size[0])
        (packets,) = self._palms.run(np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8), [(whole, size[1] / size[0])])
        found = []
        for data in self._palms.serialized_list(packets["detections"]) if "detections" in packets else []:
            palm = self._parse(data)
            place = palm.location_data.relative_bounding_box
            shape = np.array([right - left, bottom - top], np.float64)
            middle = np.array([place.xmin + place.width / 2, place.ymin + place.height / 2]) * shape + np.array([left, top])
            keys = np.array([(key.x, key.y) for key in palm.location_data.relative_keypoints]) * shape
            side = float(max(place.width * shape[0], place.height * shape[1]))
            if len(keys) > 2 and np.isfinite(keys).all() and side > 0:
                found.append((palm.score[0], _region(middle, 2.6 * side, keys[2] - keys[0], 0.5 * side)))
        return [region for _, region in sorted(found, key=lambda each: -each[0])][:2]

    def __call__(self, image: NDArray[np.uint8], regions: Sequence[Region], presence: float = 0.5) -> list[Points | None]:
        """Landmarks (21, 3) float32 in pixels for each region, or None where no hand is there.

        image: (h, w, 3) uint8 BGR.  presence: 0.5..1, the model's own score below which it is said that there is no hand.
        z is in pixels too, from the wrist, smaller is nearer.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"image: got {image.dtype} {image.shape}, expected uint8 (h, w, 3)")
        if not 0.5 <= presence < 1:
            raise ValueError(f"presence: got {presence}, expected 0.5 to 1 (the graph itself gates at 0.5)")
        return [self._find(image, region, presence) for region in regions]

    def _find(self, image: NDArray[np.uint8], region: Region, presence: float) -> Points | None:
        piece = cut(image, region)
        if piece is None:
            return None
        crop, inside, corner = piece
        (packets,) = self._hand.run(crop, [(inside, 1.0)])
        if "landmarks" not in packets or _SCORE not in packets or self._hand.number(packets[_SCORE]) < presence:
            return None
        points = decode(self._hand.serialized(packets["landmarks"]), POINTS)
        points *= np.array([crop.shape[1], crop.shape[0], crop.shape[1]], np.float32)
        points[:, :2] += corner
        return points if np.isfinite(points).all() else None

    def close(self) -> None:
        """Free the models; may be called again."""
        self._palms.close()
        self._hand.close()


def region_from_hand(points: Points) -> Region:
    """Where to look for the same hand in the next picture, as MediaPipe's hand graph does it.

    points: (21, 2 or 3) px.
    """
    steady = points[list(_STEADY), :2].astype(np.float64)
    up = (points[5, :2] + points[13, :2]) / 4 + points[_MIDDLE, :2] / 2 - points[_WRIST, :2]
    length = float(np.hypot(*up))
    ahead = np.array(up, np.float64) / max(length, 1e-6)
    aside = np.array([-ahead[1], ahead[0]])
    along, across = steady @ ahead, steady @ aside
    side = max(float(np.ptp(along)), float(np.ptp(across)))
    middle = ahead * (along.max() + along.min()) / 2 + aside * (across.max() + across.min()) / 2
    return _region(middle, 2.0 * side, up, 0.1 * side)


def _region(middle: NDArray[np.float64], size: float, up: NDArray[Any], ahead: float) -> Region:
    """A square whose upper side lies where the hand points, `ahead` px further that way than `middle`."""
    rotation = math.atan2(float(up[0]), -float(up[1]))
    x, y = middle + ahead * np.array([math.sin(rotation), -math.cos(rotation)])
    return Region(float(x), float(y), size, rotation)
