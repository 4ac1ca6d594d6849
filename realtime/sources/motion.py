"""How somebody sits before a webcam: sways, looks around, talks and blinks, the same for the same seed."""

from __future__ import annotations

import math

import numpy as np

from models.puppet.puppet import Pose

# Largest values: face heights, relative size, degrees; and how fast each part sways, in Hz.
_LIMITS = {"x": 0.22, "y": 0.07, "size": 0.05, "yaw": 19.0, "pitch": 9.0, "roll": 9.0}
_TEMPO = {"x": 0.21, "y": 0.17, "size": 0.09, "yaw": 0.31, "pitch": 0.27, "roll": 0.19}
_OVERTONES = (1.0, 1.83, 2.9)
_PARTS = (0.62, 0.27, 0.11)
_BLINK_EVERY = 3.4
_CLOSING, _CLOSED, _OPENING = 0.08, 0.05, 0.15


class Motion:
    """Pose at any time.  seed, person: whole numbers; each person of a seed moves in a way of their own."""

    def __init__(self, seed: int, person: int = 0) -> None:
        draw = np.random.default_rng([seed, person])
        self._key = (seed, person)
        self._phases = {name: draw.uniform(0, math.tau, len(_PARTS)).tolist() for name in _LIMITS}
        self._pace = {name: float(draw.uniform(0.85, 1.2)) for name in _LIMITS}
        self._talk = draw.uniform(0, math.tau, 3).tolist()

    def __call__(self, time: float) -> Pose:
        """The pose at `time` seconds; smooth in time."""
        values = {name: limit * self._sway(name, time) for name, limit in _LIMITS.items()}
        values["size"] += 1.0
        return Pose(mouth=self._mouth(time), blink=self._blink(time), **values)

    def _sway(self, name: str, time: float) -> float:
        """-1..1."""
        angle = math.tau * _TEMPO[name] * self._pace[name] * time
        tones = zip(_PARTS, _OVERTONES, self._phases[name], strict=True)
        return sum(part * math.sin(overtone * angle + phase) for part, overtone, phase in tones)

    def _mouth(self, time: float) -> float:
        """0..1: phrases of a few seconds made of syllables, silence between them."""
        slow, first, second = self._talk
        phrase = min(max(1.6 * math.sin(math.tau * 0.17 * time + slow) + 0.5, 0.0), 1.0)
        syllable = 0.5 + 0.5 * math.sin(math.tau * 2.1 * time + first)
        stress = 0.45 + 0.55 * math.sin(math.tau * 0.73 * time + second) ** 2
        return phrase * phrase * (3 - 2 * phrase) * syllable * stress

    def _blink(self, time: float) -> float:
        """0..1: one blink in each stretch of a few seconds, at a moment drawn from seed, person and stretch."""
        stretch = math.floor(time / _BLINK_EVERY)
        draw = np.random.default_rng([*self._key, 7, max(stretch, 0)])
        since = time - stretch * _BLINK_EVERY - float(draw.uniform(0.5, _BLINK_EVERY - 0.6))
        closing = min(max(since / _CLOSING, 0.0), 1.0)
        opening = min(max((since - _CLOSING - _CLOSED) / _OPENING, 0.0), 1.0)
        shut = closing * (1.0 - opening)
        return shut * shut * (3 - 2 * shut)
