"""Every loss is nothing for the truth, has its known value elsewhere, and pulls only where it should."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from torch import Tensor  # noqa: E402  after the skip

from models.training import losses  # noqa: E402
from models.training.batches import Batch  # noqa: E402
from models.training.networks import IdentityEncoder  # noqa: E402
from models.training.settings import Weights  # noqa: E402
from models.training.smooth import blur  # noqa: E402
from models.training.trainer import Judges  # noqa: E402

_SIDE = 64


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def encoder() -> IdentityEncoder:
    torch.manual_seed(0)
    return IdentityEncoder((8, 8, 8, 8)).eval().requires_grad_(False)


def _batch(true: list[float], itself: list[float], seed: int = 0) -> Batch:
    """Smooth pictures whose left half is face: skin, but for one feature; the guide is the target."""
    random, count = torch.Generator().manual_seed(seed), len(true)
    target = torch.nn.functional.interpolate(0.3 + 0.4 * torch.rand(count, 3, 8, 8, generator=random), (_SIDE, _SIDE), mode="bicubic")
    mask = torch.zeros(count, 1, _SIDE, _SIDE)
    mask[..., :32] = 1
    feature = torch.zeros_like(mask)
    feature[:, :, 20:30, 5:20] = 1
    points = 20 + 20 * torch.rand(count, 478, 3, generator=random)
    return Batch(
        torch.cat([target, target, mask], dim=1), target, torch.tensor(true), torch.tensor(itself),
        mask * (1 - feature), feature, mask, np.arange(count), points, torch.zeros(count, dtype=torch.bool),
    )


def _found(face: Tensor, batch: Batch, encoder: IdentityEncoder, alpha: Tensor | None = None) -> dict[str, Tensor]:
    return losses.losses(losses.compose(face, batch.mask if alpha is None else alpha, batch), batch, encoder)


def test_the_truth_costs_nothing(encoder: IdentityEncoder) -> None:
    batch = _batch([1, 1, 0], [1, 0, 0])
    found = _found(batch.target, batch, encoder)
    assert set(found) == set(Weights.model_fields)
    for name, value in found.items():
        assert float(value) == pytest.approx(0, abs=1e-5), name


def test_a_brighter_face_has_known_losses(encoder: IdentityEncoder) -> None:
    """A face 0.1 brighter all over: pixels and light differ by 0.1 over the half that is face, smooth detail does not."""
    batch = _batch([1, 0], [1, 0])
    found = _found(batch.target + 0.1, batch, encoder)
    assert float(found["pixels"]) == pytest.approx(0.05, abs=1e-5)
    assert float(found["light"]) == pytest.approx(0.05, abs=1e-3)
    assert float(found["residual"]) == pytest.approx(0, abs=1e-5)
    assert float(found["blurred"]) == 0
    assert float(found["alpha"]) == pytest.approx(0, abs=1e-5)
    assert float(found["features"]) > 0


def test_the_same_person_is_compared_softly(encoder: IdentityEncoder) -> None:
    """Hair by hair two photos differ: stripes a pixel wide cost a photo on itself, and next to nothing on another."""
    stripes = 0.1 * (-1.0) ** torch.arange(_SIDE).expand(1, 3, _SIDE, _SIDE)
    itself, other = _batch([1], [1]), _batch([1], [0])
    assert float(_found(itself.target + stripes, itself, encoder)["pixels"]) == pytest.approx(0.05, abs=1e-5)
    found = _found(other.target + stripes, other, encoder)
    assert float(found["pixels"]) == 0
    # What is left is the border of the face, where half a stripe is cut off.
    assert float(found["blurred"]) < 0.005
    assert float(_found(other.target + 0.1, other, encoder)["blurred"]) == pytest.approx(0.05, abs=0.004)


def test_who_it_is_decides_which_losses_hold(encoder: IdentityEncoder) -> None:
    """Strangers have no truth to compare with; a photo on itself need not keep the guide's detail."""
    stranger, itself = _batch([0], [0]), _batch([1], [1])
    noise = 0.1 * torch.rand(stranger.target.shape, generator=torch.Generator().manual_seed(5))
    found = _found(stranger.target + noise, stranger, encoder)
    assert float(found["pixels"]) == float(found["blurred"]) == float(found["features"]) == 0
    assert float(found["structure"]) > 0.01
    assert float(_found(itself.target + noise, itself, encoder)["structure"]) == 0


def test_detail_counts_most_in_eyes_and_mouth(encoder: IdentityEncoder) -> None:
    batch = _batch([0], [0])
    noise = 0.1 * torch.rand(batch.target.shape, generator=torch.Generator().manual_seed(5))
    plain = _found(batch.target + noise, replace(batch, feature=torch.zeros_like(batch.feature)), encoder)["structure"]
    everywhere = _found(batch.target + noise, replace(batch, feature=torch.ones_like(batch.feature)), encoder)["structure"]
    assert float(everywhere) == pytest.approx(3 * float(plain), rel=1e-4)


def test_other_light_is_not_other_detail(encoder: IdentityEncoder) -> None:
    """Detail is measured against its own brightness, so that relighting is not punished as blur."""
    coloured = _batch([0], [0])
    # Grey: blurring a patchwork of colours would be another hue as well.
    grey = coloured.target.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    batch = replace(coloured, target=grey, view=torch.cat([grey, grey, coloured.mask], dim=1))
    darker = _found(0.8 * batch.target, batch, encoder)
    blurred = _found(blur(batch.target, 3.0), batch, encoder)
    assert float(darker["structure"]) < 0.35 * float(blurred["structure"])
    assert float(darker["light"]) > 5 * float(blurred["light"])


def test_alpha_has_its_known_value(encoder: IdentityEncoder) -> None:
    batch = _batch([1], [1])
    found = _found(batch.target, batch, encoder, torch.full_like(batch.mask, 0.25))
    wanted = -(math.log(0.25) + math.log(0.75)) / 2
    assert float(found["alpha"]) == pytest.approx(wanted, rel=1e-5)


def test_a_step_along_the_outline_costs_wherever_the_rest_may_differ(encoder: IdentityEncoder) -> None:
    """A face 0.1 brighter there costs 0.1, one that is so further in next to nothing."""
    batch = _batch([0], [0])
    inner = torch.zeros_like(batch.target)
    inner[..., :22] = 0.1
    assert float(_found(batch.target + 0.1, batch, encoder)["rim"]) == pytest.approx(0.1, abs=1e-3)
    assert float(_found(batch.target + inner, batch, encoder)["rim"]) < 1e-4


def test_colour_may_change_smoothly_but_not_in_spots(encoder: IdentityEncoder) -> None:
    """Coloured light is smooth, make-up is not; brightness is the structure's affair."""
    batch = _batch([0], [0])
    spot = torch.zeros_like(batch.target)
    spot[:, :, 20:26, 10:22] = 0.1
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    smooth, coloured, grey = (
        float(_found(batch.target + change, batch, encoder)["colour"]) for change in (0.1 * red.expand_as(spot), spot * red, spot)
    )
    assert coloured > 0.0005
    assert smooth < 0.02 * coloured
    assert grey < 0.02 * coloured


@pytest.mark.parametrize("name", ["pixels", "blurred", "features", "structure", "residual", "colour", "rim"])
def test_nothing_outside_the_face_is_pulled(name: str, encoder: IdentityEncoder) -> None:
    batch = _batch([1, 1, 0], [1, 0, 0])
    face = (batch.target + 0.05 * torch.rand(batch.target.shape)).requires_grad_()
    _found(face, batch, encoder)[name].backward()
    assert face.grad is not None
    inside, outside = face.grad[..., :32].abs().amax(), face.grad[..., 52:].abs().amax()
    assert float(inside) > 0
    assert float(outside) == 0


def test_light_pulls_only_the_skin_that_shows(encoder: IdentityEncoder) -> None:
    batch = _batch([0], [0])
    face = (batch.target + 0.1).requires_grad_()
    _found(face, batch, encoder)["light"].backward()
    assert face.grad is not None
    pulled = face.grad.abs().sum(dim=1, keepdim=True) > 0
    assert bool(pulled[batch.skin > 0].any())
    assert not bool(pulled[batch.skin == 0].any())


def test_alpha_is_not_pulled_by_how_the_face_looks(encoder: IdentityEncoder) -> None:
    """It would be rewarded for showing the target."""
    batch = _batch([1, 0], [1, 0])
    alpha = torch.full_like(batch.mask, 0.5).requires_grad_()
    found = _found(batch.target + 0.1, batch, encoder, alpha)
    del found["alpha"]
    assert not any(value.requires_grad for value in found.values())


def test_the_total_is_weighted() -> None:
    names = list(Weights.model_fields)
    found = {name: torch.tensor(float(index)) for index, name in enumerate(names)}
    weights = Weights(**{name: 0.5 if name == "light" else 2.0 for name in names})
    wanted = sum(2.0 * index for index in range(len(names))) - 1.5 * names.index("light")
    assert float(losses.total(found, weights)) == pytest.approx(wanted)


def test_adversarial_losses_have_their_known_values() -> None:
    sure = [torch.full((2, 1, 4, 4), 2.0), torch.full((2, 1, 2, 2), 2.0)]
    wrong = [-value for value in sure]
    assert float(losses.hinge(sure, wrong)) == 0
    assert float(losses.hinge(wrong, sure)) == 6
    assert float(losses.convincing(sure)) == -2


def test_likeness_is_the_missing_cosine() -> None:
    first, second = torch.tensor([[1.0, 0.0], [0.0, 3.0]]), torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    assert float(losses.likeness(first, second)) == pytest.approx(0.5)


def test_a_step_aside_costs_nothing_when_the_correction_moves_along() -> None:
    batch = _batch([1] * 8, [1] * 8)
    seen = losses.again(batch, torch.Generator().manual_seed(3))
    assert len(seen.view) == 2
    later = torch.nn.functional.grid_sample(0.1 * batch.target[:2], seen.grid, padding_mode="border", align_corners=False)
    faces = batch.view[:, 3:6] + 0.1 * batch.target
    moved = losses.steady(faces, seen.view[:, 3:6] + later, batch, seen)
    jumped = losses.steady(faces, seen.view[:, 3:6] + later + 0.1, batch, seen)
    assert float(moved) == pytest.approx(0, abs=1e-6)
    assert float(jumped) == pytest.approx(0.05, abs=0.002)


def test_a_moment_seen_again_lies_less_than_a_pixel_aside_and_is_the_same_for_the_same_seed() -> None:
    batch = _batch([1] * 16, [1] * 16)
    first, same, other = (losses.again(batch, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first.view, same.view)
    assert not torch.equal(first.view, other.view)
    centre = (torch.arange(_SIDE) + 0.5) * 2 / _SIDE - 1
    aside = (first.grid[..., 0] - centre[None, None, :]).abs() * _SIDE / 2
    assert 0.1 < float(aside.max()) <= 0.75 + 1e-4
    assert 0.005 < float((first.view - batch.view[:4])[:, :6].std()) < 0.05


class _Seen(torch.nn.Module):
    """A teacher whose descriptor is the crop's mean colour and the brightness of its left half."""

    def forward(self, crops: Tensor) -> Tensor:
        return torch.cat([crops.mean(dim=(2, 3)), crops[..., :75].mean(dim=(1, 2, 3))[:, None]], dim=1)


def test_who_it_is_is_asked_of_strangers_alone_and_the_right_way_round(encoder: IdentityEncoder) -> None:
    batch = _batch([1, 0, 0], [1, 0, 0])
    teacher = _Seen()
    own = teacher(losses.look(batch.target, batch.landmarks))
    judges = Judges(encoder, torch.zeros(3, 128), teacher, own)  # type: ignore[arg-type]
    assert float(losses.identity(batch.target, batch, judges)) == pytest.approx(0, abs=1e-6)
    mirrored = replace(batch, target=batch.target.flip(-1), mirrored=torch.ones(3, dtype=torch.bool))
    assert float(losses.identity(mirrored.target, mirrored, judges)) == pytest.approx(0, abs=1e-6)
    whole = batch.target.clone().requires_grad_()
    losses.identity(whole * torch.linspace(0.2, 1, _SIDE), batch, judges).backward()
    assert whole.grad is not None
    assert float(whole.grad[0].abs().max()) == 0
    assert float(whole.grad[1:].abs().amax()) > 0


def test_brightness_alone_answers_for_who_it_is(encoder: IdentityEncoder) -> None:
    """All colours are pulled alike, so that no lipstick wins a recogniser over."""
    batch = _batch([0, 0], [0, 0])
    judges = Judges(encoder, torch.zeros(2, 128), _Seen(), torch.rand(2, 4))  # type: ignore[arg-type]
    whole = batch.target.clone().requires_grad_()
    losses.identity(whole, batch, judges).backward()
    assert whole.grad is not None
    pulled = whole.grad / torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    assert float(pulled.abs().max()) > 0
    torch.testing.assert_close(pulled, pulled[:, :1].expand_as(pulled))


def test_without_strangers_or_a_teacher(encoder: IdentityEncoder) -> None:
    batch = _batch([1, 1], [1, 0])
    whole = batch.target.clone().requires_grad_()
    judges = Judges(encoder, torch.zeros(2, 128), _Seen(), torch.zeros(2, 4))  # type: ignore[arg-type]
    none = losses.identity(whole, batch, judges)
    none.backward()
    assert float(none.detach()) == 0
    with pytest.raises(ValueError, match="identity loss without a teacher"):
        losses.identity(whole, batch, replace(judges, teacher=None))


def test_shares_of_a_batch_do_not_change_a_mean(encoder: IdentityEncoder) -> None:
    """Pixels are those of photos on themselves, however many strangers are beside them."""
    alone = _batch([1], [1])
    for strangers in (1, 5):
        batch = _batch([1] + [0] * strangers, [1] + [0] * strangers)
        face = batch.target + 0.1
        got, wanted = (_found(shown, given, encoder)["pixels"] for shown, given in ((face, batch), (alone.target + 0.1, alone)))
        assert float(got) == pytest.approx(float(wanted), rel=1e-5)


def test_coloured_spots_cost_and_coloured_light_does_not(encoder: IdentityEncoder) -> None:
    batch = _batch([0, 0], [0, 0])
    light = torch.tensor([0.05, 0.0, -0.05]).view(1, 3, 1, 1)
    lit = _found(batch.target + light * batch.mask, batch, encoder)["colour"]
    spots = _found(batch.target + light * batch.feature, batch, encoder)["colour"]
    grey = _found(batch.target + 0.05 * batch.feature, batch, encoder)["colour"]
    assert float(lit) < 1e-4
    assert float(grey) < 1e-6
    assert float(spots) > 5e-4


def test_likeness_is_answered_for_by_brightness_alone() -> None:
    batch = _batch([0, 0], [0, 0])
    points = batch.landmarks[0]

    class Reader(torch.nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            # Red against green and blue, where a recogniser that looks at nothing else would pull at colour alone.
            return (pictures.mean(dim=(2, 3)) @ torch.tensor([[1.0, 0.5], [-0.5, 1.0], [-0.5, -1.0]])) + 1

    judges = Judges(IdentityEncoder((8, 8, 8, 8)), torch.zeros(2, 128), Reader(), torch.tensor([[1.0, 0.2], [-0.5, 1.0]]))
    whole = batch.target.clone().requires_grad_()
    losses.identity(whole, replace(batch, landmarks=points[None].expand(2, -1, -1)), judges).backward()
    assert whole.grad is not None
    pulled = whole.grad.abs().amax(dim=(0, 2, 3))
    assert float(pulled.max()) > 0
    # The gradient of brightness lies along the weights of brightness.
    weights = torch.tensor([0.299, 0.587, 0.114])
    assert torch.allclose(pulled / pulled.sum(), weights, atol=1e-4)


def test_a_step_at_the_outline_costs_and_one_in_the_middle_does_not(encoder: IdentityEncoder) -> None:
    batch = _batch([0, 0], [0, 0])
    middle, outline = torch.zeros_like(batch.target), torch.zeros_like(batch.target)
    middle[:, :, 20:40, 4:20] = 0.2
    outline[..., 28:32] = 0.2
    assert float(_found(batch.target + middle, batch, encoder)["rim"]) < 1e-3
    assert float(_found(batch.target + outline, batch, encoder)["rim"]) > 0.1


def test_another_hue_costs_more_than_as_much_more_brightness(encoder: IdentityEncoder) -> None:
    batch = _batch([0, 0], [0, 0])
    # As far from the truth in the mean over the channels, and as bright as it.
    hue = torch.tensor([0.04, -0.0304, 0.0496]).view(1, 3, 1, 1)
    hue = hue - (0.299 * hue[:, 0] + 0.587 * hue[:, 1] + 0.114 * hue[:, 2]).view(1, 1, 1, 1)
    other = _found(batch.target + hue, batch, encoder)["light"]
    brighter = _found(batch.target + hue.abs().mean(), batch, encoder)["light"]
    assert float(other) == pytest.approx(7 * float(brighter), rel=0.02)
