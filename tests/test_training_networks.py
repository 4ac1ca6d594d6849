"""AAD does what its paper says, and an untrained generator is the guide."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from torch import Tensor  # noqa: E402  after the skip

from models.training.networks import AttributeEncoder, Block, Denormalise, Discriminator, Generator, IdentityEncoder  # noqa: E402

_SMALL = (8, 8, 8, 8)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def _identities(count: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 128), dim=1)


def _chosen(bias: float) -> Denormalise:
    """A layer whose attention chooses the identity (bias far above 0) or the attributes (far below)."""
    layer = Denormalise(8, 6).eval()
    torch.nn.init.zeros_(layer.attention.weight)
    torch.nn.init.constant_(layer.attention.bias, bias)
    return layer


@pytest.mark.parametrize(("bias", "by_identity"), [(1e4, True), (-1e4, False)])
def test_attention_lets_only_what_it_chooses_act(bias: float, by_identity: bool) -> None:
    layer, x = _chosen(bias), torch.randn(2, 8, 4, 4)
    attributes, identity = torch.randn(2, 6, 4, 4), _identities(2)
    with torch.no_grad():
        before = layer(x, attributes, identity)
        other_identity = layer(x, attributes, _identities(2))
        other_attributes = layer(x, torch.randn(2, 6, 4, 4), identity)
    assert torch.equal(before, other_identity) != by_identity
    assert torch.equal(before, other_attributes) == by_identity


def test_denormalising_is_gain_and_shift_of_what_is_normalised() -> None:
    layer = _chosen(0.0).train()
    x, attributes, identity = 3 + 5 * torch.randn(16, 8, 6, 6), torch.randn(16, 6, 6, 6), _identities(16)
    with torch.no_grad():
        got = layer(x, attributes, identity)
        plain = (x - x.mean(dim=(0, 2, 3), keepdim=True)) / x.var(dim=(0, 2, 3), keepdim=True, unbiased=False).sqrt()
        gain_a, bias_a = layer.by_attributes(attributes).chunk(2, dim=1)
        gain_i, bias_i = layer.by_identity(identity)[..., None, None].chunk(2, dim=1)
    # Attention 1/2 everywhere: the mean of both.
    wanted = plain * (1 + (gain_a + gain_i) / 2) + (bias_a + bias_i) / 2
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_an_untrained_generator_gives_the_guide(training: bool) -> None:
    generator = Generator(_SMALL).train(training)
    view = torch.rand(3, 7, 64, 64)
    view[:, 6] = (view[:, 6] > 0.5).float()
    face, alpha = generator(view, _identities(3))
    torch.testing.assert_close(face, view[:, 3:6])
    torch.testing.assert_close(alpha, view[:, 6:7], atol=0.02, rtol=0)


@pytest.mark.parametrize("side", [32, 48, 80, 128])
def test_any_side_that_is_a_multiple_of_16_will_do(side: int) -> None:
    generator = Generator(_SMALL).eval()
    for head in (generator.light, generator.detail):
        torch.nn.init.normal_(head.weight, std=0.5)
    view = torch.rand(1, 7, side, side)
    with torch.no_grad():
        face, alpha = generator(view, _identities(1))
    assert face.shape == (1, 3, side, side)
    assert alpha.shape == (1, 1, side, side)
    assert 0 <= float(face.min()) <= float(face.max()) <= 1
    assert 0 < float(alpha.min()) <= float(alpha.max()) < 1
    assert not torch.equal(face, view[:, 3:6])


def test_the_face_is_another_for_another_identity() -> None:
    generator = Generator(_SMALL).eval()
    torch.nn.init.normal_(generator.detail.weight, std=0.5)
    view = torch.rand(1, 7, 32, 32)
    with torch.no_grad():
        first, second = (generator(view, who[None])[0] for who in _identities(2))
    assert float((first - second).abs().max()) > 1e-4


def test_attributes_come_at_every_scale() -> None:
    maps = AttributeEncoder((8, 12, 16, 20))(torch.rand(1, 7, 64, 64))
    assert [tuple(value.shape[1:]) for value in maps] == [(8, 32, 32), (12, 16, 16), (16, 8, 8), (20, 4, 4)]


def test_a_block_changes_its_width_and_keeps_its_size() -> None:
    made = Block(8, 12, 6)(torch.randn(2, 8, 4, 4), torch.randn(2, 6, 4, 4), _identities(2))
    assert made.shape == (2, 12, 4, 4)


def test_who_it_is_has_length_one() -> None:
    encoder = IdentityEncoder().eval()
    with torch.no_grad():
        found = encoder(torch.rand(2, 3, 128, 128))
        maps = encoder.features(torch.rand(1, 3, 64, 64))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    assert [value.shape[-1] for value in maps] == [16, 8, 4, 2]


def test_the_discriminator_looks_at_two_scales() -> None:
    """What is finer than two pixels reaches the first judge alone."""
    judge = Discriminator().eval()
    flat = torch.full((1, 3, 64, 64), 0.5)
    checks = flat + 0.4 * (-1.0) ** (torch.arange(64)[:, None] + torch.arange(64))
    with torch.no_grad():
        plain, fine = judge(flat), judge(checks)
    assert [value.shape[-1] for value in plain] == [8, 4]
    assert float((plain[0] - fine[0]).abs().max()) > 1e-4
    torch.testing.assert_close(plain[1], fine[1])


def test_names_of_weights_stay_what_checkpoints_know_them_by() -> None:
    """A run that goes on, and the export, find them by name."""
    names = Generator(_SMALL).state_dict()
    assert len(names) == 166
    asked = (
        "attributes.stem.0.weight", "attributes.levels.2.3.second.1.running_var", "start.bias", "blocks.0.first.by_identity.weight",
        "blocks.3.second.attention.bias", "blocks.1.in_conv.weight", "light.weight", "detail.bias",
    )
    for name in asked:
        assert name in names
    assert "judges.1.6.weight_orig" in Discriminator().state_dict()
    assert "flat.3.weight" in IdentityEncoder().state_dict()
