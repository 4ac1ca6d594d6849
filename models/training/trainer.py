"""What is trained and what judges it: the networks with their optimisers, on one device or on several."""

from __future__ import annotations

import zlib
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from models.training.networks import Discriminator, Generator, IdentityEncoder
from models.training.teacher import Teacher

if TYPE_CHECKING:
    from models.training.settings import TrainSettings

_NETWORKS, _OPTIMISERS = ("generator", "average", "discriminator"), ("optimiser", "opponent")


@dataclass(slots=True)
class Trainer:
    """The networks and their optimisers.

    average: the generator's moving average, which is what is exported.  draw, judge: generator and discriminator as they are
    called for gradients, which several processes share.
    """

    generator: Generator
    average: Generator
    discriminator: Discriminator
    optimiser: torch.optim.Optimizer
    opponent: torch.optim.Optimizer
    draw: nn.Module
    judge: nn.Module
    step: int = 0

    def state(self) -> dict[str, Any]:
        """All that goes on from here."""
        return {"step": self.step, **{name: getattr(self, name).state_dict() for name in (*_NETWORKS, *_OPTIMISERS)}}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave, on whatever device that was.  Raises ValueError for networks of another version."""
        try:
            for name in _NETWORKS:
                getattr(self, name).load_state_dict(state[name])
            for name in _OPTIMISERS:
                known, optimiser = state[name], getattr(self, name)
                # How the arithmetic is done belongs to the machine, not to the run.
                fused = optimiser.param_groups[0]["fused"]
                optimiser.load_state_dict({**known, "param_groups": [{**group, "fused": fused} for group in known["param_groups"]]})
            self.step = int(state["step"])
        except (KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"the checkpoint's networks are of another version ({_first(error)}); use another folder") from error

    def set_rate(self, rate: float) -> None:
        """Give both optimisers a learning rate."""
        for optimiser in (self.optimiser, self.opponent):
            for group in optimiser.param_groups:
                group["lr"] = rate

    @torch.no_grad()
    def follow(self, average: float) -> None:
        """The moving average takes in the generator; early, when that changes fast, more of it."""
        rate = min(average, (1 + self.step) / (10 + self.step))
        kept, new = list(self.average.state_dict().values()), list(self.generator.state_dict().values())
        reals = [index for index, value in enumerate(kept) if value.is_floating_point()]
        torch._foreach_lerp_([kept[index] for index in reals], [new[index] for index in reals], 1 - rate)
        for index in set(range(len(kept))) - set(reals):
            kept[index].copy_(new[index])

    def broken(self) -> str | None:
        """The first value of the networks that is no number, None where all are."""
        for name in _NETWORKS:
            for part, value in getattr(self, name).state_dict().items():
                if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                    return f"{name}.{part}"
        return None


@dataclass(frozen=True, slots=True)
class Judges:
    """Frozen networks: encoder conditions the generator and lends its features, teacher (None without) says who a face is.

    vectors: (photos, 128) of the encoder.  wanted: (photos, 128) of the teacher.  mean: (128,) of `wanted`, where that is not whole.
    """

    encoder: IdentityEncoder
    vectors: Tensor
    teacher: Teacher | None
    wanted: Tensor | None
    mean: Tensor | None = None

    def to(self, device: torch.device) -> Judges:
        """The same on another device."""
        teacher = self.teacher.to(device) if self.teacher is not None else None
        wanted, mean = self.wanted, self.mean
        if wanted is not None:
            wanted, mean = wanted.to(device), (wanted.mean(dim=0) if mean is None else mean).to(device)
        return replace(self, encoder=self.encoder.to(device), vectors=self.vectors.to(device), teacher=teacher, wanted=wanted, mean=mean)

    def check(self) -> int:
        """The encoder's checksum."""
        return checksum(self.encoder)

    def ready(self, settings: TrainSettings) -> None:
        """Raise ValueError where a phase asks who faces are and there is no teacher to tell."""
        asking = [number for number, phase in enumerate(settings.phases) if phase.identity]
        if asking and self.teacher is None:
            raise ValueError(
                f"phases.{asking[0]}.identity is {settings.phases[asking[0]].identity:g} and needs its teacher, dlib's recogniser, which "
                "is not installed: pip install 'swapcam[train]', or set it to 0 in every phase"
            )


def checksum(encoder: nn.Module) -> int:
    """What tells an encoder from another: a generator trained with one cannot read another's vectors."""
    values = [value.detach().cpu().contiguous().numpy().tobytes() for value in encoder.state_dict().values()]
    return zlib.crc32(b"".join(values))


def architecture(settings: TrainSettings) -> dict[str, Any]:
    """What two checkpoints must share for one to go on from the other."""
    return {"widths": list(settings.widths)}


def make(settings: TrainSettings, device: torch.device) -> Trainer:
    """Fresh networks, the same for the same seed; compiled and over several processes where that is asked for."""
    torch.manual_seed(settings.seed)
    generator, discriminator = Generator(settings.widths), Discriminator()
    average = deepcopy(generator).eval().requires_grad_(False)
    cuda = device.type == "cuda"
    if cuda and processes() > 1:
        generator = cast(Generator, nn.SyncBatchNorm.convert_sync_batchnorm(generator))  # type: ignore[no-untyped-call]
    for network in (generator, average, discriminator):
        channels_last(network.to(device))
    if settings.compile and cuda:
        generator.compile()
        discriminator.compile()
    rate = settings.phases[0].rate
    return Trainer(
        generator, average, discriminator,
        torch.optim.Adam(generator.parameters(), rate, betas=(0.5, 0.99), fused=cuda or None),
        torch.optim.Adam(discriminator.parameters(), rate, betas=(0.0, 0.99), fused=cuda or None),
        _shared(generator), _shared(discriminator),
    )


def channels_last(network: nn.Module) -> None:
    """Lay a network's filters out as convolutions of pictures run fastest."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def half(device: torch.device) -> torch.autocast:
    """In here a GPU multiplies with bfloat16; a CPU stays at float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def processes() -> int:
    """How many train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 alone writes."""
    return distributed.get_rank() if processes() > 1 else 0


def agreed(here: bool, device: torch.device) -> bool:
    """Whether any process says so: all of them stop at the same step."""
    if processes() == 1:
        return here
    said = torch.tensor(float(here), device=device)
    distributed.all_reduce(said, distributed.ReduceOp.MAX)
    return bool(said > 0)


def _first(error: Exception) -> str:
    """The last of torch's lines, which says what did not fit; of others the only one."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


def _shared(network: nn.Module) -> nn.Module:
    # Statistics are the same on every GPU already (SyncBatchNorm); spectral norms follow from the weights.
    return DistributedDataParallel(network, forward_sync_buffers=False) if processes() > 1 else network


__all__ = ["Judges", "Trainer", "agreed", "architecture", "channels_last", "checksum", "half", "make", "processes", "rank"]
