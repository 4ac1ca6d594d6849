"""Sessions: real ones on the processor, and providers that fail in every way a provider can, by a pretended opener."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper
from onnx_small import convolution, model, scaled

from models import session as sessions
from models.network import Array, NetworkError, Port
from models.running.binding import Device, Host
from models.running.faults import of_run
from models.running.initializers import detach
from models.running.material import Material, identity, mark
from models.running.precision import apart, likely
from models.running.providers import ProviderError, Runtime, Variant
from models.running.trial import Opened
from models.session import Session, open_variant, usable

CPU = Runtime(("cpu",))


def pictures(seed: int, shape: tuple[int, ...] = (1, 3, 8, 8)) -> Array:
    return np.random.default_rng(seed).random(shape, np.float32)


class Pretended:
    """A provider that doubles its input and adds 0.25, until it fails.  lives: calls before it does."""

    inputs = (Port("x", (1, 3, 8, 8), "float32"),)
    outputs = (Port("y", (1, 3, 8, 8), "float32"),)

    def __init__(self, lives: int = 1000, why: str = "CUDA failure 700", bias: float = 0.25) -> None:
        self.lives, self.why, self.bias, self.open = lives, why, bias, True

    def __call__(self, arrays: Mapping[str, Array]) -> list[Array]:
        assert self.open
        self.lives -= 1
        if self.lives < 0:
            raise ProviderError(self.why)
        return [arrays["x"] * 2 + np.float32(self.bias)]

    def close(self) -> None:
        self.open = False


class Machine:
    """Opens pretended providers, and keeps what it opened and was asked to."""

    def __init__(self, **behaviour: Callable[[Variant], Pretended]) -> None:
        self.behaviour = behaviour
        self.opened: list[Pretended] = []
        self.asked: list[Variant] = []

    def __call__(self, variant: Variant, material: Material, runtime: Runtime, fixed: bool) -> Opened:
        self.asked.append(variant)
        made = self.behaviour.get(variant.provider, lambda _: Pretended())(variant)
        self.opened.append(made)
        return made

    @property
    def still_open(self) -> int:
        return sum(one.open for one in self.opened)


def refuses(variant: Variant) -> Pretended:
    raise ProviderError("the driver is too old")


def test_the_numbers_are_right_and_the_same_as_without_binding() -> None:
    import onnxruntime

    made = convolution()
    plain = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    session = Session(made, CPU)
    for seed in range(3):
        x = pictures(seed, (1, 3, 32, 32))
        np.testing.assert_allclose(session({"x": x})[0], plain.run(None, {"x": x})[0], atol=1e-6)
    assert session.provider == "CPU"
    assert session.inputs == (Port("x", (1, 3, 32, 32), "float32"),)
    assert session.outputs == (Port("y", (1, 3, 32, 32), "float32"),)


@pytest.mark.parametrize("form", ["path", "text", "bytes", "proto", "recipe", "recipe with arrays"])
def test_every_form_of_a_model_is_the_same_network(form: str, tmp_path: Path) -> None:
    made = scaled()
    path = tmp_path / "scaled.onnx"
    path.write_bytes(made.SerializeToString())
    asked: list[str] = []

    def recipe(provider: str) -> Any:
        asked.append(provider)
        return detach(made, 0) if form.endswith("arrays") else made

    forms = {"path": path, "text": str(path), "bytes": made.SerializeToString(), "proto": made}
    session = Session(forms.get(form, recipe), CPU)
    x = pictures(1)
    np.testing.assert_allclose(session({"x": x})[0], 2 * x + 0.25, atol=1e-6)
    assert asked == (["CPU"] if form.startswith("recipe") else [])


def test_outputs_of_fixed_shape_lie_in_the_same_memory_every_time() -> None:
    session = Session(scaled(), CPU)
    (first,) = session({"x": pictures(1)})
    (second,) = session({"x": pictures(2)})
    assert first is second
    np.testing.assert_allclose(second, 2 * pictures(2) + 0.25, atol=1e-6)


def test_a_result_fed_back_is_not_overwritten_while_it_is_read() -> None:
    mirror = [helper.make_node("Gather", ["x", "order"], ["y"], axis=1)]
    session = Session(model(mirror, {"x": (1, 4096)}, {"y": (1, 4096)}, {"order": np.arange(4096)[::-1].copy()}), CPU)
    x = pictures(1, (1, 4096))
    (once,) = session({"x": x})
    np.testing.assert_array_equal(once, x[:, ::-1])
    np.testing.assert_array_equal(session({"x": once})[0], x)


def test_shapes_that_are_open_may_change_from_call_to_call() -> None:
    session = Session(convolution(shape=(1, 3, "h", "w")), CPU)
    assert session.inputs[0].shape == (1, 3, None, None)
    kept = []
    for seed, size in enumerate([(8, 8), (8, 8), (16, 4), (5, 7), (16, 4)]):
        x = pictures(seed, (1, 3, *size))
        (y,) = session({"x": x})
        assert y.shape == x.shape
        kept.append((x, y, y.copy()))
    for x, y, then in kept:
        np.testing.assert_array_equal(y, then, err_msg=f"overwritten: {x.shape}")


def test_outputs_whose_shape_depends_on_the_values_come_whole_and_in_order() -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["where"]), helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["z"])]
    outputs = {"y": (2, 3), "where": (2, "n"), "z": (2, 3)}
    session = Session(model(nodes, {"x": (2, 3)}, outputs, kinds={"where": "int64"}), CPU)
    for x in (np.float32([[0, 1, 0], [2, 0, 3]]), np.float32([[0, 0, 0], [0, 0, 5]]), np.ones((2, 3), np.float32)):
        y, where, z = session({"x": x})
        np.testing.assert_array_equal(y, -x)
        np.testing.assert_array_equal(z, abs(x))
        np.testing.assert_array_equal(where, np.stack(np.nonzero(x)))


def test_a_file_that_lies_about_the_size_of_its_output_runs() -> None:
    """SCRFD takes any picture, and says that its outputs are those of 640 x 640."""
    nodes = [helper.make_node("Flatten", ["x"], ["y"], axis=1)]
    session = Session(model(nodes, {"x": (1, 3, "h", "w")}, {"y": (1, 300)}), CPU)
    for size in (4, 10, 6):
        x = pictures(size, (1, 3, size, size))
        np.testing.assert_array_equal(session({"x": x})[0], x.reshape(1, -1))


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({}, "got inputs , expected x"),
        ({"x": pictures(0), "z": pictures(0)}, "got inputs x, z, expected x"),
        ({"x": pictures(0, (1, 3, 8, 9))}, r"got x \(1, 3, 8, 9\) float32, expected \(1, 3, 8, 8\) float32"),
        ({"x": pictures(0)[0]}, r"got x \(3, 8, 8\) float32"),
        ({"x": pictures(0).astype(np.float64)}, r"got x \(1, 3, 8, 8\) float64, expected \(1, 3, 8, 8\) float32"),
    ],
)
def test_wrong_feeds_are_refused_with_got_and_expected(feeds: dict[str, Array], words: str) -> None:
    session = Session(scaled(), CPU)
    with pytest.raises(ValueError, match=words):
        session(feeds)
    np.testing.assert_allclose(session({"x": pictures(0)})[0], 2 * pictures(0) + 0.25, atol=1e-6)


def test_arrays_in_any_order_of_memory_are_read_right() -> None:
    session = Session(scaled(), CPU)
    turned = pictures(3, (1, 8, 8, 3)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(session({"x": turned})[0], 2 * turned + 0.25, atol=1e-6)


def test_types_besides_float_go_in_and_out() -> None:
    nodes = [helper.make_node("Cast", ["w"], ["c"], to=TensorProto.FLOAT), helper.make_node("Mul", ["x", "c"], ["y"])]
    session = Session(model(nodes, {"x": (1, 3), "w": (1,)}, {"y": (1, 3)}, kinds={"w": "float64"}), CPU)
    assert session.inputs[1] == Port("w", (1,), "float64")
    np.testing.assert_allclose(session({"x": np.ones((1, 3), np.float32), "w": np.array([0.5])})[0], 0.5)


def test_big_initializers_go_beside_the_graph() -> None:
    made = convolution(channels=200, layers=4)
    small, arrays = detach(made)
    assert small.ByteSize() < made.ByteSize() / 20
    assert set(arrays) == {"w1", "w2"}
    x = pictures(5, (1, 3, 32, 32))
    expected = Session(made.SerializeToString(), CPU)({"x": x})[0]
    np.testing.assert_array_equal(Session(made, CPU)({"x": x})[0], expected)
    np.testing.assert_array_equal(Session(lambda provider: (small, arrays), CPU)({"x": x})[0], expected)


def test_an_initializer_that_no_node_uses_is_no_hindrance() -> None:
    """inswapper_128 keeps its emap as one; ONNX Runtime drops it before it would be handed over."""
    multiply = [helper.make_node("Mul", ["x", "f"], ["y"])]
    numbers = {"f": pictures(1, (1, 300000)), "emap": pictures(2, (600, 600))}
    made = model(multiply, {"x": (1, 300000)}, {"y": (1, 300000)}, numbers)
    x = pictures(3, (1, 300000))
    apart_too = (made, {"emap": numbers["emap"]})
    for form in (made, lambda provider: apart_too):
        np.testing.assert_array_equal(Session(form, CPU)({"x": x})[0], x * numbers["f"])


def test_a_session_needs_the_arrays_no_more_once_it_is_open() -> None:
    small, arrays = detach(
        model([helper.make_node("Mul", ["x", "f"], ["y"])], {"x": (1, 90000)}, {"y": (1, 90000)}, {"f": pictures(2, (1, 90000))}), 0
    )
    session = Session(lambda provider: (small, {name: array.copy() for name, array in arrays.items()}), CPU)
    gc.collect()
    rubbish = [np.full((1, 90000), 7, np.float32) for _ in range(50)]
    np.testing.assert_array_equal(session({"x": rubbish[0]})[0], 7 * arrays["f"])


def test_an_input_that_nobody_may_write_to_goes_to_a_device_once() -> None:
    """The code of a graphics card, on the processor's memory: what it binds and sends is the same."""
    import onnxruntime

    add = [helper.make_node("Add", ["x", "latent"], ["y"])]
    made = model(add, {"x": (1, 4), "latent": (1, 4)}, {"y": (1, 4)})
    plain = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    sent: list[str] = []

    def make(shape: list[int], kind: type, device: str, number: int) -> Any:
        value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, kind, device, number)
        update = value.update_inplace

        def counted(array: Array) -> None:
            sent.append("big" if array.flat[0] >= 10 else "small")
            update(array)

        value.update_inplace = counted
        return value

    device = Device(plain, [Port("y", (1, 4), "float32")], make, "cpu")
    latent = np.full((1, 4), 10, np.float32)
    latent.setflags(write=False)
    for number in range(3):
        x = np.full((1, 4), number, np.float32)
        np.testing.assert_array_equal(device({"x": x, "latent": latent})[0], x + 10)
    assert sent == ["small", "big", "small", "small"]
    # Written in place between the calls: the same object, other numbers.
    x = np.zeros((1, 4), np.float32)
    device({"x": x, "latent": latent})
    x[:] = 5
    np.testing.assert_array_equal(device({"x": x, "latent": latent})[0], np.full((1, 4), 15, np.float32))
    other = np.full((1, 4), 20, np.float32)
    other.setflags(write=False)
    np.testing.assert_array_equal(device({"x": x, "latent": other})[0], np.full((1, 4), 25, np.float32))


def test_a_device_takes_other_shapes_where_they_are_open() -> None:
    import onnxruntime

    made = scaled(shape=(1, 3, "h", "w"))
    plain = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    device = Device(plain, [Port("y", (1, 3, None, None), "float32")], onnxruntime.OrtValue.ortvalue_from_shape_and_type, "cpu")
    for seed, size in enumerate([(4, 4), (4, 4), (2, 8), (4, 4)]):
        x = pictures(seed, (1, 3, *size))
        np.testing.assert_allclose(device({"x": x})[0], 2 * x + 0.25, atol=1e-6)


def test_the_processor_binds_an_input_anew_only_where_it_lies_elsewhere() -> None:
    import onnxruntime

    plain = onnxruntime.InferenceSession(scaled().SerializeToString(), providers=["CPUExecutionProvider"])
    host = Host(plain, [Port("y", (1, 3, 8, 8), "float32")])
    bound: list[str] = []
    bind = host._binding.bind_cpu_input
    host._binding.bind_cpu_input = lambda name, array: (bound.append(name), bind(name, array))
    x = pictures(1)
    for _ in range(3):
        host({"x": x})
    x[:] = 1
    np.testing.assert_allclose(host({"x": x})[0], 2.25)
    assert bound == ["x"]
    host({"x": pictures(2)})
    assert bound == ["x", "x"]


def test_two_sessions_run_at_once_in_threads_and_one_is_safe_in_two() -> None:
    session, other = Session(scaled(2.0), CPU), Session(scaled(3.0), CPU)
    wrong: list[str] = []

    def work(which: Session, factor: float, seed: int) -> None:
        x = pictures(seed)
        for _ in range(200):
            if which is other and not np.allclose(which({"x": x})[0], factor * x + 0.25, atol=1e-5):
                wrong.append("numbers")
            elif which is session:
                which({"x": x})

    threads = [threading.Thread(target=work, args=job) for job in ((session, 2.0, 1), (other, 3.0, 2), (session, 2.0, 3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    np.testing.assert_allclose(session({"x": pictures(1)})[0], 2 * pictures(1) + 0.25, atol=1e-5)


def test_calls_of_one_session_wait_for_each_other() -> None:
    inside: list[int] = []
    most: list[int] = []

    class Slow(Pretended):
        def __call__(self, arrays: Mapping[str, Array]) -> list[Array]:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.002)
            inside.pop()
            return super().__call__(arrays)

    session = Session(scaled(), CPU, opener=Machine(CPU=lambda _: Slow()))
    threads = [threading.Thread(target=lambda: [session({"x": pictures(1)}) for _ in range(10)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert max(most) == 1


def test_a_file_that_is_gone_when_another_provider_needs_it_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(scaled().SerializeToString())

    def opener(variant: Variant, material: Material, runtime: Runtime, fixed: bool) -> Opened:
        return Pretended(lives=2) if variant.provider == "CUDA" else open_variant(variant, material, runtime, fixed)

    session = Session(lambda provider: onnx.load(str(path)), Runtime(("cuda", "cpu"), "fp32"), opener=opener)
    path.rename(tmp_path / "elsewhere.onnx")
    with pytest.raises(NetworkError, match="cannot be read"):
        session({"x": pictures(1)})
    # Back again, and the network with it.
    (tmp_path / "elsewhere.onnx").rename(path)
    assert session({"x": pictures(1)})[0].shape == (1, 3, 8, 8)


def test_thirty_openings_leave_no_threads_and_no_memory() -> None:
    made = convolution(channels=256, layers=4)
    process = psutil.Process()

    def once() -> None:
        session = Session(lambda provider: detach(made), Runtime(("cpu",), threads=2))
        session({"x": pictures(1, (1, 3, 32, 32))})
        session.close()
        session.close()

    for _ in range(5):
        once()
    gc.collect()
    threads, memory = process.num_threads(), process.memory_info().rss
    for _ in range(30):
        once()
    gc.collect()
    assert process.num_threads() <= threads
    assert process.memory_info().rss - memory < 20e6


def test_a_closed_session_says_so() -> None:
    session = Session(scaled(), CPU)
    session.close()
    with pytest.raises(NetworkError, match="small is closed"):
        session({"x": pictures(0)})


# Files that are none.


def _broken() -> dict[str, tuple[bytes, str]]:
    good = convolution().SerializeToString()
    external = detach(convolution(), 0)[0].SerializeToString()
    neg, odd = helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Frobnicate", ["x"], ["y"])
    shape: dict[str, Any] = {"x": (1, 3)}
    return {
        "empty": (b"", "with 0 bytes"),
        "cut in half": (good[: len(good) // 2], "cut short"),
        "cut at the end": (good[:-5], "cut short"),
        "noise": (bytes(range(1, 256)) * 20, "damaged, cut short or of another kind"),
        "page": (b"<!DOCTYPE html><html>404</html>", "a web page"),
        "answer": (b'{"error": "rate limit"}', "JSON text"),
        "text": (b"hello world, this is no model\n", "text"),
        "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        "archive": (b"PK\x03\x04" + bytes(60), "an archive"),
        "no graph": (helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString()[:2], "damaged"),
        "newer format": (model([neg], shape, {"y": (1, 3)}, version=99).SerializeToString(), "of IR version 99, expected at most"),
        "newer operators": (model([neg], shape, {"y": (1, 3)}, opset=99).SerializeToString(), "of opset 99, expected at most"),
        "unknown operator": (model([odd], shape, {"y": (1, 3)}).SerializeToString(), "with the operator Frobnicate"),
        "weights elsewhere": (external, "side by side"),
    }


@pytest.mark.parametrize("kind", list(_broken()))
@pytest.mark.parametrize("form", ["file", "bytes"])
def test_what_is_no_model_is_said_in_one_sentence_with_what_to_do(kind: str, form: str, tmp_path: Path) -> None:
    content, words = _broken()[kind]
    path = tmp_path / "theirs.onnx"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=r"^Got ") as caught:
        Session(path if form == "file" else content, CPU)
    said = str(caught.value)
    assert words in said
    assert "\n" not in said
    assert said.count("; ") >= 1
    assert said.endswith(".")
    assert str(tmp_path) not in said
    assert form == "bytes" or said.startswith("Got theirs.onnx")
    path.unlink()


def test_missing_files_and_folders_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"There is no file .*gone\.onnx; give the path"):
        Session(tmp_path / "gone.onnx")
    with pytest.raises(NetworkError, match="Got the folder"):
        Session(str(tmp_path))
    with pytest.raises(ValueError, match="got int, expected a path"):
        Session(7)


def test_a_bad_file_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "theirs.onnx"
    path.write_bytes(convolution().SerializeToString()[:-5])
    before = psutil.Process().num_fds() if hasattr(psutil.Process, "num_fds") else 0
    for _ in range(5):
        with pytest.raises(NetworkError):
            Session(path)
    assert before == 0 or psutil.Process().num_fds() <= before


# Providers that fail.


def test_a_provider_that_fails_at_load_gives_way_and_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(CUDA=refuses)
    session = Session(identity(), Runtime(("cuda", "cpu")), name="swapper", opener=machine)
    assert session.provider == "CPU"
    assert [record.getMessage() for record in caplog.records] == ["swapper runs on CPU: CUDA cannot (the driver is too old)."]
    np.testing.assert_allclose(session({"x": pictures(1)})[0], 2 * pictures(1) + 0.25)
    assert machine.still_open == 1


@pytest.mark.parametrize("why", ["CUDA failure 700: an illegal memory access", "Failed to allocate memory for requested buffer of size 99"])
def test_a_provider_that_dies_in_a_call_hands_that_very_call_on(why: str, caplog: pytest.LogCaptureFixture) -> None:
    # Two runs to become warm, two calls, and it dies in the third.
    machine = Machine(CUDA=lambda _: Pretended(4, of_run(why)))
    session = Session(identity(), Runtime(("cuda", "openvino", "cpu"), "fp32"), name="swapper", opener=machine)
    for seed in range(6):
        np.testing.assert_allclose(session({"x": pictures(seed)})[0], 2 * pictures(seed) + 0.25)
        assert session.provider == ("CUDA" if seed < 2 else "OpenVINO")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    reason = "out of memory" if "allocate" in why else "CUDA failure 700"
    assert record.getMessage().startswith(f"swapper failed on CUDA, CUDA graph ({reason}")
    assert record.getMessage().endswith("it goes on with OpenVINO on CPU." if session.variant.device else "it goes on with OpenVINO.")
    assert machine.still_open == 1


def test_a_call_goes_on_past_a_provider_that_fails_at_once_too(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(TensorRT=lambda _: Pretended(2), CUDA=lambda _: Pretended(2, "out of memory"), DirectML=refuses)
    session = Session(identity(), Runtime(("tensorrt", "cuda", "directml", "cpu"), "fp32"), opener=machine)
    assert session.provider == "TensorRT"
    np.testing.assert_allclose(session({"x": pictures(1)})[0], 2 * pictures(1) + 0.25)
    assert session.provider == "CPU"
    assert len(caplog.records) == 1
    assert machine.still_open == 1


def test_a_recipe_is_asked_again_for_the_provider_that_it_goes_on_with() -> None:
    asked: list[str] = []

    def recipe(provider: str) -> Any:
        asked.append(provider)
        return scaled(2.0 if provider == "CPU" else 3.0)

    class Dying:
        """A real session that stands for a card's, and dies in its third call."""

        def __init__(self, inner: Opened) -> None:
            self._inner, self._lives = inner, 3
            self.inputs, self.outputs = inner.inputs, inner.outputs

        def __call__(self, arrays: Mapping[str, Array]) -> list[Array]:
            self._lives -= 1
            if not self._lives:
                raise ProviderError("out of memory")
            return self._inner(arrays)

        def close(self) -> None:
            self._inner.close()

    def opener(variant: Variant, material: Material, runtime: Runtime, fixed: bool) -> Opened:
        content, _ = material.load(variant, sessions._converted)
        opened = open_variant(Variant("CPU"), Material(content), runtime, fixed)
        return opened if variant.provider == "CPU" else Dying(opened)

    session = Session(recipe, Runtime(("cuda", "cpu"), "fp32"), opener=opener)
    assert session.provider == "CUDA"
    np.testing.assert_allclose(session({"x": pictures(1)})[0], 2 * pictures(1) + 0.25, atol=1e-6)
    assert session.provider == "CPU"
    assert asked == ["CPU", "CUDA", "CPU"]


def test_where_everything_fails_it_is_one_sentence_and_the_session_lives_on() -> None:
    machine = Machine(CPU=lambda _: Pretended(2, "Non-zero status code returned while running Conv node"))
    session = Session(identity(), CPU, name="swapper", opener=machine)
    session({"x": pictures(1)})
    for _ in range(2):
        with pytest.raises(NetworkError, match=r"^swapper failed on CPU \(Non-zero status.*\); swapcam doctor says what works here\.$"):
            session({"x": pictures(1)})
    machine.opened[0].lives = 1
    session({"x": pictures(1)})
    with pytest.raises(NetworkError, match=r"swapper runs nowhere: CUDA cannot \(the driver is too old\)"):
        Session(identity(), Runtime(("cuda",)), name="swapper", opener=Machine(CUDA=refuses))


def test_not_a_number_is_handed_on_as_it_is() -> None:
    session = Session(identity(), CPU, opener=Machine(CPU=lambda _: Pretended(bias=np.nan)))
    assert np.isnan(session({"x": pictures(1)})[0]).all()


def test_a_graph_that_cannot_be_recorded_is_run_without(caplog: pytest.LogCaptureFixture) -> None:
    def picky(variant: Variant) -> Pretended:
        if variant.graph:
            raise ProviderError(of_run("This session cannot use the graph capture feature as requested by the user"))
        return Pretended()

    caplog.set_level(logging.INFO)
    session = Session(identity(), Runtime(("cuda", "cpu")), name="swapper", opener=Machine(CUDA=picky))
    assert str(session.variant) == "CUDA, fp16"
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "cannot be recorded" in caplog.text


def test_fp16_that_changes_the_picture_is_not_taken_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    machine = Machine(CUDA=lambda variant: Pretended(bias=0.5 if variant.half else 0.25))
    session = Session(identity(), Runtime(("cuda", "cpu")), name="swapper", opener=machine)
    assert str(session.variant) == "CUDA, CUDA graph"
    (record,) = caplog.records
    assert record.getMessage().startswith("swapper runs on CUDA, CUDA graph, no faster: in fp16 output 0 is off by ")
    # One look was enough for both ways in fp16.
    assert [str(way) for way in machine.asked] == ["CPU", "CUDA, fp16, CUDA graph", "CUDA, CUDA graph"]
    assert machine.still_open == 1


def test_the_sample_of_the_caller_is_what_it_is_warmed_up_with() -> None:
    seen: list[Array] = []

    class Watching(Pretended):
        def __call__(self, arrays: Mapping[str, Array]) -> list[Array]:
            seen.append(arrays["x"])
            return super().__call__(arrays)

    sample = {"x": pictures(9)}
    Session(identity(), Runtime(("cuda", "cpu"), "fp32"), sample, opener=Machine(CUDA=lambda _: Watching()))
    assert len(seen) == 2
    assert all(one is sample["x"] for one in seen)
    with pytest.raises(ValueError, match="got inputs wrong, expected x"):
        Session(scaled(), CPU, {"wrong": pictures(9)})


def test_without_anything_wanted_nobody_is_told_of_what_this_machine_lacks(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    session = Session(scaled())
    assert usable()[session.provider]
    assert not any(record.levelno >= logging.WARNING for record in caplog.records)


def test_a_provider_that_silently_becomes_the_processor_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    missing = [name for name, works in usable().items() if not works]
    if not missing:
        pytest.skip("every provider that this ONNX Runtime offers works here")
    with pytest.raises(NetworkError, match=rf"small runs nowhere: {missing[-1]} cannot \(it does not work here\)"):
        Session(scaled(), Runtime((missing[-1],)))
    # Even where the tiny model got it and this one does not: what counts is the session itself.
    monkeypatch.setattr(sessions, "_works", lambda name: True)
    onnxruntime.set_default_logger_severity(4)
    with pytest.raises(NetworkError, match=r"took the processor instead|missing"):
        Session(scaled(), Runtime((missing[-1],)))


def test_fp16_is_the_same_network_and_what_it_cannot_hold_is_seen() -> None:
    """The real conversion, on the processor, which runs it slowly: a graphics card opens the same bytes."""
    import onnxruntime

    def run(made: Any, x: Array) -> tuple[list[Array], list[Array]]:
        content, arrays = Material(made).load(Variant("CUDA", half=True), sessions._converted)
        assert isinstance(content, bytes)
        settings = onnxruntime.SessionOptions()
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
        settings.add_external_initializers(list(arrays), values)
        half = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
        assert half.get_inputs()[0].type == "tensor(float)"
        return half.run(None, {"x": x}), [Session(made, CPU)({"x": x})[0].copy()]

    x = likely([Port("x", (1, 3, 32, 32), "float32")])
    assert x is not None
    outputs, truth = run(convolution(channels=200), x["x"])
    assert apart(outputs, truth) == ""
    assert not np.array_equal(outputs[0], truth[0])
    outputs, truth = run(convolution(gain=1e6), x["x"])
    assert "output 0" in apart(outputs, truth)


def test_the_tolerance_is_what_an_eye_would_not_see() -> None:
    random = np.random.default_rng(0)
    truth = [random.random((1, 3, 16, 16), np.float32) * 2 - 1]
    assert apart([truth[0] + np.float32(1 / 255)], truth) == ""
    assert "in the mean" in apart([truth[0] + np.float32(6 / 255)], truth)
    spot = truth[0].copy()
    spot[0, 0, 0, 0] += 0.2
    assert "at most" in apart([spot], truth)
    spot[0, 0, 0, 0] = np.nan
    assert apart([spot], truth) == "output 0 is not finite"
    assert "shape" in apart([truth[0][:, :1]], truth)
    assert apart([np.int64([1, 2])], [np.int64([1, 2])]) == ""
    assert apart([np.int64([1, 2])], [np.int64([1, 3])]) == "output 0 differs"


def test_made_feeds_look_like_pictures_and_are_always_the_same() -> None:
    ports = [Port("target", (None, 3, 64, 64), "float32"), Port("source", (1, 512), "float32"), Port("weight", (1,), "float64")]
    feeds, again = likely(ports), likely(ports)
    assert feeds is not None
    assert again is not None
    picture = feeds["target"]
    assert picture.shape == (1, 3, 64, 64)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert abs(np.diff(picture, axis=-1)).max() < 0.1
    assert np.ptp(picture) > 0.4
    for name in feeds:
        np.testing.assert_array_equal(feeds[name], again[name])
    assert likely([Port("x", (1, 3, None, None), "float32")]) is None
    assert likely([Port("k", (2,), "int64")]) == {"k": pytest.approx([0, 0])}


def test_compiled_networks_of_other_weights_never_share_a_folder() -> None:
    """DFM files have the same graph and other faces in them."""
    first, second = convolution(seed=1), convolution(seed=2)
    assert first.graph.node == second.graph.node
    marks = {mark(*Material(made).load(Variant("CPU"), sessions._converted), "1.31") for made in (first, second, first)}
    assert len(marks) == 2
    small, arrays = detach(first, 0)
    other = {**arrays, "w1": arrays["w1"] + 1}
    assert mark(small.SerializeToString(), arrays) != mark(small.SerializeToString(), other)
    assert mark(b"a", {}, "1.31") != mark(b"a", {}, "1.32")


def test_a_file_has_the_mark_of_its_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    for path in (one, two):
        path.write_bytes(scaled().SerializeToString())
    assert mark(str(one), {}) == mark(str(two), {})
    two.write_bytes(scaled(3.0).SerializeToString())
    assert mark(str(one), {}) != mark(str(two), {})


def test_reasons_are_short_and_plain() -> None:
    assert of_run(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : /src/onnxruntime/core/x.cc:12 void f(int) CUDA failure 2: out of memory"
    ) == ("out of memory")
    assert of_run("[ONNXRuntimeError] : 1 : FAIL : Something broke.\nat some place") == "Something broke"
    assert of_run("") == "no reason given"
    assert len(of_run("x" * 1000)) <= 200


def test_what_sessions_log_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from realtime.terminal import plainly

    with plainly():
        Session(identity(), Runtime(("cuda", "cpu")), name="swapper", opener=Machine(CUDA=refuses))
    assert "swapper runs on CPU: CUDA cannot (the driver is too old)." in capsys.readouterr().err


def test_the_opener_that_is_used_is_the_real_one() -> None:
    opened = open_variant(Variant("CPU"), Material(scaled()), CPU, True)
    np.testing.assert_allclose(opened({"x": pictures(1)})[0], 2 * pictures(1) + 0.25, atol=1e-6)
    opened.close()
