"""The swap engine that runs ONNX models: one source's face by a network, set into the target's by the face mesh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models import align
from models.hands import Hands
from models.knobs import Effort, Knobs
from models.mesh import relight
from models.mesh.patch import Area, area_of, placing, without
from models.mesh.pose import fit as fit_pose
from models.mesh.topology import VERTICES, normals
from models.neural.cover import cover, inside
from models.neural.credible import credible
from models.neural.detail import SIZE as DETAIL
from models.neural.detail import Detail
from models.neural.light import lit
from models.neural.paste import chained, onto, patch_of, warped
from models.neural.sane import sane
from models.neural.target import Seen, Target
from models.neural.trying import Trying

if TYPE_CHECKING:
    from models.families.enhancers import Enhancer
    from models.families.masks import Masker
    from models.families.points import Pointer
    from models.families.recognisers import Recogniser
    from models.families.sources import Latent
    from models.families.swappers import Swapper

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_KNOBS, _EFFORT = Knobs(), Effort()
# Masks have at most so many pixels along their longer side: their rims are soft.
_MASK_SIDE = 192
# Seconds between two tries of a recogniser to make somebody out.
_ASK_SECONDS = 1.0
# Degrees aside up to which a recogniser is sure of a face.
_FRONTAL = 25.0
_SEEN = np.float32(1 / 255)
# So many of its pixels around a vertex must be free.
_AROUND = 3
# A face of fewer pixels is none.
_LEAST = 4.0
# A swapper's own mask shows more than this share of the face.
_OWN = 0.25


class NeuralEngine:
    """Puts one source's face on by a network; engines may share networks, but all belong to one thread.

    latent: of `swapper.source`.  masks: say where the face is seen, beside the veil, which always does.  enhancer: sharpens
    what the swapper made, now and then.  pointer: whose five points the swapper's family was aligned by.  recogniser: the one
    that the latent was read with; without it the knob identity does nothing.  hands: finds hands before the face.
    boost: the swapper's picture is made so many times as wide and high.  The caller closes all of them.
    Of the knobs light, occlusion, identity, morph and enhance have a meaning here: shape, eyes and glasses are the mesh
    engine's.  Light 0 leaves the network its own colours; whatever the effort, light is measured in every frame, as networks
    change their mind from frame to frame.
    """

    def __init__(
        self,
        swapper: Swapper,
        latent: Latent,
        masks: Sequence[Masker] = (),
        enhancer: Enhancer | None = None,
        pointer: Pointer | None = None,
        recogniser: Recogniser | None = None,
        hands: Hands | None = None,
        boost: int = 1,
    ) -> None:
        self._side = swapper.size * boost
        self._goal = swapper.family.points(self._side)
        self._latent, self._hands, self._enhancer = latent, hands, enhancer
        self._swap = Trying(swapper if boost == 1 else swapper.boosted, "The swapper", "The face is covered instead.")
        self._masks = [(masker, Trying(masker, f"The mask {masker.family.name}", "It is left out.")) for masker in masks]
        self._enhance = Trying(enhancer, "The enhancer", "It is left out.") if enhancer else None
        self._point = Trying(pointer.five, "The landmark model", "It is left out.") if pointer else None
        self._recognise = Trying(recogniser, "The recogniser", "The identity stays as it is.") if recogniser else None
        self._mix = Trying(latent.towards, "The identity", "It stays as it is.")

    def meet(self) -> Target:
        """State for somebody new in front of the camera."""
        return Target()

    def __call__(
        self, image: Bytes, landmarks: Floats, target: Target, time: float, knobs: Knobs = _KNOBS, effort: Effort = _EFFORT
    ) -> tuple[Bytes, Bytes, Reals] | None:
        """The source's face for this frame: see models.engine.Engine.

        None when the landmarks are not finite or lie outside the frame, when the network cannot run or gives no face.
        """
        seen = self._look(image, landmarks, target, time)
        area = area_of(seen.points, *image.shape[:2]) if seen else None
        if seen is None or area is None:
            return None
        if target.engine is not self:
            # The light is the target's own; mixture and detail are of one source's pictures.
            target.engine, target.mixed, target.detail = self, None, Detail()
        crop = align.crop(image, seen.matrix, self._side, cv2.BORDER_REPLICATE)
        made = self._swap(crop, self._mixed(seen, target, knobs.identity), knobs.morph)
        if made is None or not self._sane(made[0], crop, seen.placed):
            return None
        picture, own = made
        mask = self._mask(seen, target, area, own, knobs.occlusion, effort)
        if mask is None:
            return None
        if knobs.light:
            gains, levels = target.light(crop, picture, seen.points, seen.placed, target.clear, time)
            picture = lit(picture, gains ** np.float32(knobs.light), levels, seen.placed, seen.depth)
        drawn, matrix = patch_of(picture, seen.matrix, area, effort.largest, DETAIL if self._enhance else 0)
        if self._enhance is not None and knobs.enhance:
            if target.detail.due(effort.enhance_every):
                self._sharpen(seen, target, picture)
            shape = seen.pose.remove(seen.landmarks)
            drawn = target.detail.draw(drawn, _put(seen.points, matrix), seen.depth, shape, time, knobs.enhance)
        mask = np.asarray(cv2.resize(mask, drawn.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
        return drawn, mask, matrix

    def _look(self, image: Bytes, landmarks: Floats, target: Target, time: float) -> Seen | None:
        """The face as it is in this frame; None where its landmarks are none."""
        points = np.ascontiguousarray(landmarks[:VERTICES], np.float32)
        if not np.isfinite(landmarks).all() or min(np.ptp(points[:, 0]), np.ptp(points[:, 1])) < _LEAST:
            return None
        try:
            pose = fit_pose(points)
            target.aside = pose.aside
            point = self._point
            measure = (lambda: point(image, landmarks)) if point else None
            five = target.bias(measure, landmarks, pose.aside, time)
            matrix = align.similarity(five, self._goal)
        except ValueError:
            return None
        placed = np.ascontiguousarray(points[:, :2] @ matrix[:, :2].T + matrix[:, 2], np.float32)
        return Seen(image, landmarks, points, pose, five, matrix, placed, time)

    def _sane(self, made: Bytes, crop: Bytes, placed: Floats) -> bool:
        good = sane(made, crop, placed)
        if not good:
            self._swap.fail(ValueError("got a picture that shows no face, expected one"))
        return good

    def _mixed(self, seen: Seen, target: Target, identity: float) -> Latent:
        """The source's latent, moved away from or towards who is in front of the camera."""
        if identity == 1 or self._recognise is None:
            return self._latent
        due = target.asked is None or not 0 <= seen.time - target.asked < _ASK_SECONDS
        if target.embedding is None and due and seen.pose.aside < _FRONTAL:
            target.asked = seen.time
            target.embedding = self._recognise(seen.image, seen.five)
        if target.embedding is None:
            return self._latent
        if target.mixed is None or target.mixed[0] != identity:
            target.mixed = identity, self._mix(target.embedding, identity) or self._latent
        return target.mixed[1]

    def _mask(self, seen: Seen, target: Target, area: Area, own: Bytes | None, strength: float, effort: Effort) -> Bytes | None:
        """Where the patch is shown, a picture of the area: on the face, as far as the crop reaches, and nothing lies before it.

        None where the swapper's own mask leaves next to nothing of what is not known to be hidden.
        """
        size, to_frame = placing(area, min(1.0, _MASK_SIDE / max(area[2] - area[0], area[3] - area[1])))
        placed = _put(seen.points, to_frame)
        to_crop = chained(to_frame, seen.matrix)
        mask = inside(cover(placed, seen.depth, size), seen.placed, to_crop, self._side)
        every, hands = effort.occlusion_every if strength else 0, self._hands if effort.hands else None
        clear = np.full(mask.shape, 255, np.uint8)
        if every:
            clear = without(clear, target.veil(seen.image, seen.points, area, seen.time, every, hands), 1.0)
        free = _both(mask, clear)
        if own is not None:
            own = warped(own, to_crop, size)
            if not credible(own, free, _OWN):
                self._swap.fail(ValueError("got a mask that shows no face, expected one"))
                return None
            mask = _both(mask, own)
        if not every:
            target.clear = np.ones(VERTICES, np.float32)
            return mask
        shown = target.hidden(self._masks, seen.image, seen.five, to_frame, free, seen.time, every)
        if shown is not None:
            clear = _both(clear, shown)
        target.clear = relight.sample(clear[..., None], placed, _AROUND)[:, 0] * _SEEN
        return without(mask, cv2.bitwise_not(clear), strength)

    def _sharpen(self, seen: Seen, target: Target, picture: Bytes) -> None:
        """Have the enhancer's detail measured on this frame, with the picture in it."""
        assert self._enhancer is not None
        assert self._enhance is not None
        side = self._enhancer.size
        matrix = align.similarity(seen.five, align.template(self._enhancer.family.template, side))
        back = cv2.invertAffineTransform(matrix)
        before = onto(align.crop(seen.image, matrix, side, cv2.BORDER_REPLICATE), picture, chained(back, seen.matrix))
        after = self._enhance(before)
        if after is None:
            return
        placed = np.ascontiguousarray(seen.points[:, :2] @ matrix[:, :2].T + matrix[:, 2], np.float32)
        if not sane(after, before, placed):
            self._enhance.fail(ValueError("got a picture that shows no face, expected one"))
            return
        facing = relight.facing(normals(seen.points))
        target.detail.learn(before, after, placed, seen.pose.remove(seen.landmarks), facing, target.clear)


def _put(points: Floats, matrix: Reals) -> Floats:
    """Vertices (468, 2) in the pixels of a patch along the frame's; matrix: (2, 3), patch -> frame."""
    return np.ascontiguousarray((points[:, :2] - matrix[:, 2]) / (matrix[0, 0], matrix[1, 1]), np.float32)


def _both(first: Bytes, second: Bytes) -> Bytes:
    """What two masks (h, w) uint8 show together."""
    return np.asarray(cv2.multiply(first, second, scale=1 / 255), np.uint8)


__all__ = ["NeuralEngine", "Target"]
