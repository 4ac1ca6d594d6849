from dataclasses import replace

import numpy as np
import pytest
from faces import as_face
from scipy.spatial.transform import Rotation

from models.mesh.atlas import Atlas
from models.mesh.engine import MeshEngine
from models.mesh.pose import Pose
from models.mesh.topology import MEAN, TEXTURE_SIZE, VERTICES
from realtime.config import SwapSettings
from realtime.frame import Face, Frame
from realtime.stages.swap import Swap

COLOURS = {"red": (40, 40, 200), "blue": (200, 60, 40)}
GREY = np.full((480, 960, 3), 128, np.uint8)


def plain_atlas(colour: tuple[int, int, int]) -> Atlas:
    """A face of one colour with a pattern that light cannot explain, so that it is known again."""
    texture = np.full((TEXTURE_SIZE, TEXTURE_SIZE, 3), 128, np.uint8)
    texture[200:300, 230:280] = colour
    return Atlas(texture, MEAN[:VERTICES].copy())


def face_at(x: float, size: float = 60, track: int | None = 0, **more: object) -> Face:
    return as_face((MEAN * size + [x, 220, 0]).astype(np.float32), track, **more)


def frame_of(*faces: Face, index: int = 0) -> Frame:
    return Frame(GREY, index, index / 30, faces)


def swap_with(**settings: object) -> Swap:
    chosen = {"sources": ("red", "blue"), **settings}
    return Swap({name: MeshEngine(plain_atlas(colour)) for name, colour in COLOURS.items()}, SwapSettings(**chosen))


def worn(face: Face) -> str | None:
    """Which source a face wears, by the colour of its nose."""
    if face.patch is None:
        return None
    shown = face.patch.image[face.patch.mask > 250].astype(int)
    return "red" if (shown[:, 2] - shown[:, 0]).max() > (shown[:, 0] - shown[:, 2]).max() else "blue"


class _Blank:
    """An engine whose network gives no face."""

    def meet(self) -> None:
        return None

    def __call__(self, *_: object) -> None:
        return None


def test_who_could_never_be_drawn_is_not_bared_when_they_are_not_found() -> None:
    swap = Swap({"red": _Blank()}, SwapSettings(sources=("red",)), cover_gone=True)
    assert [face.lost for face in swap(frame_of(face_at(400))).faces] == [True]
    gone = swap(frame_of(index=1))
    assert [(face.lost, face.box.tolist()) for face in gone.faces] == [(True, [0, 0, 960, 480])]


def test_largest_face_alone_is_swapped_and_the_others_stay() -> None:
    after = swap_with()(frame_of(face_at(200, 40, 1), face_at(600, 70, 2), face_at(850, 30, 3, lost=True)))
    assert [worn(face) for face in after.faces] == [None, "red", None]
    assert not any(face.lost for face in after.faces)


def test_largest_stays_with_its_person_until_they_leave() -> None:
    """Changing over to a nearer face would show the one that was hidden a frame ago."""
    swap = swap_with()
    swap(frame_of(face_at(200, 60, 1), face_at(600, 55, 2)))
    nearer = swap(frame_of(face_at(200, 40, 1), face_at(600, 90, 2), index=1))
    assert [worn(face) for face in nearer.faces] == ["red", None]
    lost = swap(frame_of(face_at(200, 40, 1, lost=True), face_at(600, 90, 2), index=2))
    assert [face.lost for face in lost.faces] == [True, False]
    assert [worn(face) for face in lost.faces] == [None, None]
    left = swap(frame_of(face_at(600, 90, 2), index=3))
    assert [worn(face) for face in left.faces] == ["red"]


def test_a_box_without_landmarks_does_not_take_the_swap_from_a_face() -> None:
    box = Face(np.array([0, 0, 900, 480], np.float32), track=None, lost=True)
    after = swap_with()(frame_of(box, face_at(600, 60, 2)))
    assert [worn(face) for face in after.faces] == [None, "red"]
    alone = swap_with()(frame_of(box))
    assert alone.faces[0].lost


@pytest.mark.parametrize("settings", [{}, {"sources": (), "assign": {1: "red"}}], ids=["largest", "assigned"])
def test_who_turns_up_while_the_wearer_is_lost_may_be_the_wearer(settings: dict[str, object]) -> None:
    swap = swap_with(**settings)
    swap(frame_of(face_at(200, 60, 1), face_at(850, 30, 3)))
    back = swap(frame_of(face_at(200, 60, 1, lost=True), face_at(500, 90, 2), face_at(850, 30, 3), index=1))
    assert [worn(face) for face in back.faces] == [None, "red", None]
    assert back.faces[0].lost
    stays = swap(frame_of(face_at(500, 90, 2), face_at(850, 30, 3), index=2))
    assert worn(stays.faces[0]) == "red"
    swap = swap_with(**settings)
    swap(frame_of(face_at(200, 60, 1), face_at(850, 30, 3)))
    unclear = swap(frame_of(face_at(200, 60, 1, lost=True), face_at(500, 90, None, lost=True), face_at(850, 30, 3), index=2))
    assert [face.lost for face in unclear.faces] == [True, True, False]
    returned = swap_with(**settings)
    for index, faces in enumerate(
        [(face_at(200, 60, 1),), (face_at(200, 60, 1, lost=True), face_at(500, 90, 2)), (face_at(200, 60, 1), face_at(500, 90, 2))]
    ):
        after = returned(frame_of(*faces, index=index))
    assert [worn(face) for face in after.faces] == ["red", None]


def test_assignment_alone_swaps() -> None:
    after = swap_with(sources=(), assign={2: "blue"})(frame_of(face_at(200, track=1), face_at(600, track=2)))
    assert [worn(face) for face in after.faces] == [None, "blue"]


@pytest.mark.parametrize(
    ("live", "on_gone", "covered"),
    [(True, "auto", True), (False, "auto", False), (False, "cover", True), (True, "show", False)],
)
def test_when_nobody_is_left_the_whole_picture_is_lost(live: bool, on_gone: str, covered: bool) -> None:
    swap = swap_with(on_gone=on_gone)
    swap.cover_gone = live
    assert swap(frame_of()).faces == ()
    swap(frame_of(face_at(200)))
    gone = swap(frame_of(index=1))
    assert [(face.lost, face.box.tolist()) for face in gone.faces] == ([(True, [0, 0, 960, 480])] if covered else [])
    assert swap(replace(frame_of(index=2), card=True)).faces == ()
    assert not any(face.lost for face in swap(frame_of(face_at(200), index=3)).faces)
    swap.settings = swap.settings.model_copy(update={"enabled": False})
    assert swap(frame_of(index=4)).faces == ()


def test_left_to_right_gives_sources_by_place() -> None:
    swap = swap_with(faces="left-to-right")
    assert [worn(f) for f in swap(frame_of(face_at(600, track=1), face_at(200, track=2))).faces] == ["blue", "red"]
    assert [worn(f) for f in swap(frame_of(face_at(200, track=1), face_at(600, track=2))).faces] == ["red", "blue"]


def test_all_keeps_each_persons_source_through_a_crossing() -> None:
    swap = swap_with(faces="all")
    assert [worn(f) for f in swap(frame_of(face_at(200, track=7), face_at(600, track=9))).faces] == ["red", "blue"]
    assert [worn(f) for f in swap(frame_of(face_at(250, track=9), face_at(650, track=7))).faces] == ["blue", "red"]
    swap(frame_of(face_at(250, track=9)))
    assert [worn(f) for f in swap(frame_of(face_at(250, track=9), face_at(600, track=11))).faces] == ["blue", "red"]


def test_assignment_by_track_wins() -> None:
    swap = swap_with(faces="all", assign={9: "red", 7: "blue"})
    assert [worn(f) for f in swap(frame_of(face_at(200, track=7), face_at(600, track=9))).faces] == ["blue", "red"]


def test_settings_change_live() -> None:
    swap = swap_with()
    assert worn(swap(frame_of(face_at(300))).faces[0]) == "red"
    swap.settings = swap.settings.model_copy(update={"sources": ("blue", "red")})
    assert worn(swap(frame_of(face_at(300))).faces[0]) == "blue"
    swap.settings = swap.settings.model_copy(update={"enabled": False})
    off = swap(frame_of(face_at(300, lost=True))).faces[0]
    assert off.patch is None
    assert not off.lost
    with pytest.raises(ValueError, match="green"):
        swap.settings = swap.settings.model_copy(update={"sources": ("green",)})


@pytest.mark.parametrize("spoil", ["nan", "none", "lost"])
def test_a_chosen_face_that_cannot_be_swapped_is_lost(spoil: str) -> None:
    face = face_at(300)
    face = {
        "nan": replace(face, landmarks=np.full_like(face.landmarks, np.nan)),
        "none": replace(face, landmarks=None),
        "lost": replace(face, lost=True),
    }[spoil]
    after = swap_with()(frame_of(face)).faces[0]
    assert after.lost
    assert after.patch is None


def test_no_face_and_no_source_change_nothing() -> None:
    frame = frame_of()
    assert swap_with()(frame).faces == ()
    assert swap_with(sources=())(frame_of(face_at(300))).faces[0].patch is None


def test_who_wore_a_face_that_is_gone_is_covered_until_they_choose() -> None:
    swap = swap_with(sources=("red",))
    swap.cover_gone = True
    assert worn(swap(frame_of(face_at(300))).faces[0]) == "red"
    swap.wear({}, SwapSettings())
    after = swap(frame_of(face_at(300)))
    assert [(face.lost, face.patch) for face in after.faces] == [(True, None)]
    assert [face.lost for face in swap(frame_of()).faces] == [True]
    swap.settings = SwapSettings(enabled=False)
    assert [face.lost for face in swap(frame_of(face_at(300))).faces] == [False]
    swap.settings = SwapSettings()
    assert [face.lost for face in swap(frame_of(face_at(300))).faces] == [False]


def test_a_face_turned_away_fades_and_is_lost() -> None:
    def turned(degrees: float) -> Face:
        rotation = Rotation.from_euler("y", degrees, degrees=True).as_matrix()
        return as_face(Pose(60.0, rotation, np.array([300.0, 220.0, 0.0])).place(MEAN), 1)

    after = [swap_with()(frame_of(turned(degrees))).faces[0] for degrees in (40, 60, -60, 66, 75)]
    assert after[0].patch.fade == 0
    assert 0 < after[1].patch.fade < after[3].patch.fade < 1
    assert after[2].patch.fade == pytest.approx(after[1].patch.fade, abs=1e-3)
    assert after[4].lost
    assert after[4].patch is None
