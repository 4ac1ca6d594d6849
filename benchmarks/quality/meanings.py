"""What each figure of the measures means, which way is better, and what the project asks of it.

`better`: "lower", "higher", "one" (a ratio: 1 is as the target, both ways are worse), "zero" (signed) or "none" (tells
what the others were measured on).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Better = Literal["lower", "higher", "one", "zero", "none"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: a line of meaning, its unit, which way is better, and the most (or least) that the project asks, if anything."""

    meaning: str
    unit: str
    better: Better
    limit: float | None = None

    def cost(self, value: float) -> float:
        """How bad a value is: lower is better whatever the figure; a ratio of 2 is as bad as one of 1/2; "none" costs nothing."""
        if self.better == "lower":
            return value
        if self.better == "higher":
            return -value
        if self.better == "one":
            return abs(float(np.log(max(value, 1e-9))))
        return abs(value) if self.better == "zero" else 0.0

    def kept(self, value: float) -> bool | None:
        """Whether the value is within the limit; None where there is no limit."""
        return None if self.limit is None else self.cost(value) <= self.cost(self.limit) + 1e-9


FIGURES: dict[str, Figure] = {
    "pose_error_deg": Figure("angle between the two poses, other bones taken out", "degrees", "lower", 1.5),
    "pose_error_raw_deg": Figure("angle between the two poses as they are measured", "degrees", "lower"),
    "pose_offset_deg": Figure("constant part of that angle: other bones, or a head set on askew", "degrees", "lower"),
    "pose_offset_pitch_deg": Figure("constant part about the axis from ear to ear", "degrees", "zero"),
    "pose_offset_yaw_deg": Figure("constant part about the axis along the neck", "degrees", "zero"),
    "pose_offset_roll_deg": Figure("constant part about the axis out of the face", "degrees", "zero"),
    "expression_error_percent": Figure("mesh distance in the face frame, resting faces taken out", "% of eye distance", "lower"),
    "expression_error_raw_percent": Figure("mesh distance in the face frame, the source's bones included", "% of eye distance", "lower"),
    "expression_carried_ratio": Figure("how much of the target's expression the result shows", "1 = all", "one"),
    "mouth_error_percent": Figure("difference of the gap between the lips", "% of face height", "lower", 5.0),
    "mouth_error_worst_percent": Figure("the same in the worst frame", "% of face height", "lower"),
    "eye_right_error_percent": Figure("difference of the right eye's opening, constant part taken out", "% of eye width", "lower"),
    "eye_right_error_raw_percent": Figure("difference of the right eye's opening", "% of eye width", "lower"),
    "eye_left_error_percent": Figure("difference of the left eye's opening, constant part taken out", "% of eye width", "lower"),
    "eye_left_error_raw_percent": Figure("difference of the left eye's opening", "% of eye width", "lower"),
    "gaze_error_percent": Figure("distance of the irises from where they should be, constant part taken out", "% of eye width", "lower"),
    "gaze_error_raw_percent": Figure("distance of the irises from where they should be", "% of eye width", "lower"),
    "light_error_delta_e": Figure("low-frequency colour on the skin, one constant difference of tone taken out", "delta E", "lower"),
    "light_error_raw_delta_e": Figure("low-frequency colour on the skin", "delta E", "lower"),
    "skin_tone_offset_delta_e": Figure("constant difference of skin tone; the source may bring some", "delta E", "none"),
    "background_changed_px": Figure("pixels changed outside the patch, a frame", "px", "lower", 0.0),
    "background_changed_percent": Figure("share of the background that changed", "%", "lower", 0.0),
    "jitter_px": Figure("fast motion of landmarks that the swap adds", "px", "lower"),
    "jitter_percent": Figure("fast motion of landmarks that the swap adds", "% of eye distance", "lower"),
    "jitter_target_percent": Figure("fast motion of the target's own landmarks", "% of eye distance", "none"),
    "jitter_ratio": Figure("fast motion of landmarks, result / target", "1 = as the target", "lower"),
    "flicker_levels": Figure("fast changes of brightness in cells of the face", "grey levels", "lower"),
    "flicker_target_levels": Figure("the same in the untouched target", "grey levels", "none"),
    "flicker_added_levels": Figure("fast changes of the difference between result and target", "grey levels", "lower"),
    "flicker_whole_levels": Figure("fast changes of the whole face's brightness", "grey levels", "lower"),
    "flicker_ratio": Figure("fast changes of brightness in cells, result / target", "1 = as the camera", "lower"),
    "flicker_whole_ratio": Figure("fast changes of the whole face's brightness, result / target", "1 = as the camera", "lower"),
    "flicker_still_ratio": Figure("flicker in cells while the head is still, result / target", "1 = as the camera", "lower", 1.0),
    "flicker_still_percent": Figure("share of the frames in which the head is still", "%", "none"),
    "warping_error_levels": Figure("how badly a result follows from the one before by the target's flow", "grey levels", "lower"),
    "warping_target_levels": Figure("how badly the target itself does", "grey levels", "none"),
    "warping_ratio": Figure("warping error, result / target", "1 = as the target", "lower"),
    "seam_step_delta_e": Figure("colour step that the swap adds across the patch's boundary", "delta E", "lower"),
    "seam_energy_delta_e": Figure("step across the boundary, result - target: 0 is as strong as the target's own", "delta E", "zero"),
    "seam_target_delta_e": Figure("the target's own step there: jaw, hairline", "delta E", "none"),
    "skin_lines_delta_e": Figure("lines on bare skin that the target has not: hair of the photo, smears, ghosts", "delta E", "lower"),
    "sharpness_ratio": Figure("fine detail without noise, result / target", "1 = as the camera", "one"),
    "noise_ratio": Figure("noise, result / target", "1 = as the camera", "one"),
    "noise_target_levels": Figure("the camera's own noise", "grey levels", "none"),
    "codec_720p_face_db": Figure("fidelity of the face after H.264 at 1.5 Mbit/s", "dB", "higher"),
    "codec_720p_loss_db": Figure("how much worse than the target's own face", "dB", "lower"),
    "codec_360p_face_db": Figure("fidelity of the face after H.264 at 400 kbit/s", "dB", "higher"),
    "codec_360p_loss_db": Figure("how much worse than the target's own face", "dB", "lower"),
}
"""Every figure that `measure` of attributes, temporal, realism and codec gives, in the order of a report."""

_WORST = frozenset({"mouth_error_worst_percent"})
_SIGNED = ("pose_offset_pitch_deg", "pose_offset_yaw_deg", "pose_offset_roll_deg")


def merge(windows: Sequence[tuple[Mapping[str, float], int]]) -> dict[str, float]:
    """One set of figures from those of several windows, each with its number of shots, in the order they first appear.

    Means weighted by the shots, a worst is the worst, and the constant lean of the head is that of the mean turn.  A figure
    counts only where it was measured.  Names that are not in FIGURES are merged as means too.
    """
    names = dict.fromkeys(name for figures, _ in windows for name in figures)
    merged: dict[str, float] = {}
    for name in names:
        found = [(figures[name], count) for figures, count in windows if name in figures and count > 0]
        if not found:
            continue
        values, counts = np.array(found, np.float64).T
        merged[name] = float(values.max()) if name in _WORST else float(np.average(values, weights=counts))
    if all(name in merged for name in _SIGNED):
        merged["pose_offset_deg"] = float(np.linalg.norm([merged[name] for name in _SIGNED]))
    return merged


__all__ = ["FIGURES", "Better", "Figure", "merge"]
