"""The built-in swap engine: a source's atlas drawn onto a target's landmarks in the target's light."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from models.hands import Hands
from models.knobs import Effort, Knobs
from models.mesh import eyes, relight
from models.mesh.atlas import Atlas
from models.mesh.bones import Resting, offsets
from models.mesh.holes import Drawing, fill
from models.mesh.patch import Area, area_of, placing, softened, without
from models.mesh.pose import Pose
from models.mesh.pose import fit as fit_pose
from models.mesh.rasterise import rasterise, relit
from models.mesh.skin import plain_zone
from models.mesh.topology import (
    PLAIN_SKIN,
    STEPS_FROM_OVAL,
    TEXTURE_SIZE,
    TRIANGLES,
    UV,
    VERTICES,
    normals,
)
from models.mesh.unwrap import covered, spread_many, weights
from models.mesh.veil import Veil
from models.mesh.worn import Worn

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# Opacity by edges away from the rim: the face's outline fades over two thirds of its outer ring.
_ALPHA = np.array([0.0, 1.0], np.float32)[np.minimum(STEPS_FROM_OVAL, 1)]
_FADE = np.float32(1.5)
_KNOBS, _EFFORT = Knobs(), Effort()
_LIGHT_SECONDS = 0.2
_EYES_SECONDS = 0.4
_WHITER, _BY_SKIN = 1.05, (0.45, 1.1)
_LIGHT_SIZE = 32
_LEVEL_STEP = 0.6
# Texture grows less than light does: blemishes and highlights of a photo multiplied in full look like sandpaper.
_CONTRAST_POWER = 0.5
_DEPTH_POWER = 0.5


@dataclass
class Target:
    """What the engine has learned about one target: the light on the face now, and how the face looks at rest.

    eyes: factors for the whites of the source's eyes.  aside: degrees between where the face looks and the camera.
    engine: whose light and eyes these are.  level: of the texture's pyramid, 0 the finest.
    lit: the texture under that light, drawn `lit_age` frames since it was made from `unlit` at `lit_time` seconds.
    """

    light: Floats | None = None
    contrast: float = 1.0
    resting: Resting = field(default_factory=Resting)
    eyes: Floats | None = None
    time: float | None = None
    aside: float = 0.0
    engine: MeshEngine | None = None
    lit: Bytes | None = None
    unlit: Bytes | None = None
    level: int = 0
    lit_age: int = 0
    lit_time: float = 0.0
    veil: Veil = field(default_factory=Veil)
    worn: Worn = field(default_factory=Worn)


class MeshEngine:
    """Draws one source's face; keeps buffers between calls, so one instance belongs to one thread.

    hands: finds hands before the face; the caller closes it.
    """

    def __init__(self, atlas: Atlas, hands: Hands | None = None) -> None:
        self._shape, self._eyes, self._hands = atlas.shape, atlas.eyes, hands
        fading = np.minimum(_FADE * spread_many(_ALPHA[:, None], TEXTURE_SIZE)[..., 0], np.float32(1.0))
        opacity = np.where(covered(TEXTURE_SIZE), fading, np.float32(1.0))
        self._textures = [np.dstack([atlas.texture, np.rint(opacity * 255).astype(np.uint8)])]
        while self._textures[-1].shape[0] > 64:
            self._textures.append(cv2.resize(self._textures[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        self._tone = np.maximum(np.median(atlas.texture[plain_zone()], axis=0), 8.0).astype(np.float32)
        skin = relight.sample(self._textures[2][..., :3], UV[PLAIN_SKIN] * (TEXTURE_SIZE // 4 - 1), 1)
        everywhere = np.ones(len(skin), np.float32)
        self._unevenness = max(relight.unevenness(skin, np.broadcast_to(self._tone, skin.shape), everywhere), 0.01)
        self._planes = np.empty((3, 1, 1), np.float32)

    def meet(self) -> Target:
        """State for somebody new in front of the camera."""
        return Target()

    def __call__(
        self, image: Bytes, landmarks: Floats, target: Target, time: float, knobs: Knobs = _KNOBS, effort: Effort = _EFFORT
    ) -> tuple[Bytes, Bytes, NDArray[np.float64]] | None:
        """The source's face for this frame: picture (h, w, 3) uint8 BGR, mask (h, w) uint8 and crop -> frame matrix (2, 3).

        image: BGR uint8 frame.  landmarks: (468+, 3) float32 in frame pixels.  target: state of this person, updated here.
        time: seconds.  None when the landmarks are not finite or lie wholly outside the frame.
        """
        points = np.ascontiguousarray(landmarks[:VERTICES], np.float32)
        if not np.isfinite(points).all() or min(np.ptp(points[:, 0]), np.ptp(points[:, 1])) < 4:
            return None
        if target.engine is not self:
            # Light and whites are factors on one source's colours; on another's they would flash.
            target.engine, target.light, target.eyes, target.lit = self, None, None, None
        pose = fit_pose(points)
        target.aside = pose.aside
        passed = 0.0 if target.time is None else min(0.5, max(0.0, time - target.time))
        now = target.resting.learn(points, pose, passed)
        drawn = points + pose.turn(knobs.shape * offsets(self._shape, target.resting.neutral, now)) if knobs.shape else points
        area = area_of(drawn, image.shape[0], image.shape[1])
        if area is None:
            return None
        side = max(area[2] - area[0], area[3] - area[1])
        scale = min(1.0, effort.largest / side)
        texture = self._lit(image, points, target, time, knobs.light, effort.light_every, scale * float(np.ptp(drawn[:, :2], axis=0).max()))
        target.time = time
        drawing = self._draw(drawn, texture, area, scale)
        whites = self._whites(image, landmarks, pose, target, passed) if knobs.eyes else None
        fill(image, landmarks, drawn, pose, self._eyes, whites, knobs.eyes, drawing)
        mask = softened(drawing.mask)
        if knobs.occlusion and effort.occlusion_every:
            hands = self._hands if effort.hands else None
            mask = without(mask, target.veil(image, points, area, time, effort.occlusion_every, hands), knobs.occlusion)
        if knobs.glasses:
            mask = without(mask, target.worn(image, points, area, time), knobs.glasses)
        return drawing.picture, np.asarray(mask, np.uint8), drawing.matrix

    def _whites(self, image: Bytes, landmarks: Floats, pose: Pose, target: Target, passed: float) -> Floats | None:
        """Factors (3,) for the whites of the source's eyes, None where its eyes or the target's irises are not known."""
        if self._eyes is None or len(landmarks) <= VERTICES or not np.isfinite(landmarks).all():
            return None
        rate = 1 - np.exp(-passed / _EYES_SECONDS)
        seen = eyes.sclera(image, landmarks, pose)
        if target.light is not None:
            skin = target.light[0] * self._tone
            # What is no bluer than skin is skin, or an eye in the shadow of a lens: then brightness goes by the skin alone.
            if seen is None or seen[0] * skin[2] < _WHITER * skin[0] * seen[2]:
                seen = self._eyes.bright * np.float32(np.clip(target.light[0].mean(), *_BY_SKIN))
        target.eyes = eyes.follow(target.eyes, seen, self._eyes, rate)
        return target.eyes

    def _lit(self, image: Bytes, points: Floats, target: Target, time: float, strength: float, every: int, size: float) -> Bytes:
        """The texture at about `size` pixels in the target's light, made anew in every n-th frame."""
        wanted = float(np.clip(np.log2(TEXTURE_SIZE / size), 0, len(self._textures) - 1))
        # A face of a size between two levels must not flip from one to the other.
        if abs(wanted - target.level) > _LEVEL_STEP:
            target.level = round(wanted)
        texture = self._textures[target.level]
        target.lit_age += 1
        if target.lit is None or target.unlit is not texture or target.lit_age >= every:
            gain = self._gain(image, points, target, time, strength)
            target.lit, target.unlit, target.lit_age, target.lit_time = self._relit(texture, gain, target.contrast), texture, 0, time
        return target.lit

    def _gain(self, image: Bytes, points: Floats, target: Target, time: float, strength: float) -> Floats:
        """Factors (468, 3) that put the target's light and skin tone on the source's texture."""
        directions = normals(points)
        basis = relight.harmonics(directions)
        radius = max(1, round(float(np.ptp(points[:, 0])) / 60))
        height, width = image.shape[:2]
        skin = points[PLAIN_SKIN]
        inside = (skin[:, 0] >= 0) & (skin[:, 0] < width) & (skin[:, 1] >= 0) & (skin[:, 1] < height)
        say = relight.facing(directions)[PLAIN_SKIN] * inside
        colours = relight.sample(image, skin[:, :2], radius)
        found = relight.fit(colours, self._tone, basis[PLAIN_SKIN], say)
        # Hard light and a sharp lens deepen folds and pores: the source's get as deep as the target's are now.
        deep = relight.unevenness(colours, basis[PLAIN_SKIN] @ found * self._tone, say) / self._unevenness
        contrast = float(np.clip(deep**_DEPTH_POWER, 0.6, 1.1))
        if target.light is None or target.time is None:
            target.light, target.contrast = found, contrast
        else:
            rate = 1 - np.exp(-max(0.0, time - target.lit_time) / _LIGHT_SECONDS)
            target.light = target.light + rate * (found - target.light)
            target.contrast += rate * 0.2 * (contrast - target.contrast)
        if strength == 1:
            return relight.gain(target.light, basis)
        flat = np.zeros_like(target.light)
        flat[0] = target.light[0]
        return relight.gain(flat + strength * (target.light - flat), basis)

    def _relit(self, texture: Bytes, gain: Floats, contrast: float) -> Bytes:
        """The texture (s, s, 4) under the vertex light `gain` (468, 3)."""
        factors = (weights(_LIGHT_SIZE) @ gain).reshape(_LIGHT_SIZE, _LIGHT_SIZE, 3)
        depth = contrast * np.clip(factors.mean(axis=2, keepdims=True) ** (_CONTRAST_POWER - 1), 0.4, 1.15)
        light = np.concatenate([depth, factors], axis=2)
        whole = cv2.resize(light, texture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        out = np.empty_like(texture)
        relit(texture, self._tone, whole, out)
        return out

    def _draw(self, points: Floats, texture: Bytes, area: Area, scale: float) -> Drawing:
        (width, height), matrix = placing(area, scale)
        if self._planes.shape[1:] != (height, width):
            self._planes = np.empty((3, height, width), np.float32)
        across, down, nearest = self._planes
        placed = np.ascontiguousarray((points[:, :2] - matrix[:, 2]) / (matrix[0, 0], matrix[1, 1]), np.float32)
        rasterise(placed, np.ascontiguousarray(points[:, 2]), TRIANGLES, UV * np.float32(texture.shape[0] - 1), across, down, nearest)
        drawn = cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return Drawing(np.ascontiguousarray(drawn[..., :3]), np.ascontiguousarray(drawn[..., 3]), matrix)
