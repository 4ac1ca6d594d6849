"""History and plan: what undo finds, and what is left when a loop refuses what was asked."""

from __future__ import annotations

import pytest

from realtime.config import Settings
from realtime.frame import RealtimeError
from realtime.steering.history import History, Plan, Step, changed


def _opacity(value: float, history: History | Plan) -> None:
    step = _step("blend.opacity", value)
    step(history) if isinstance(history, History) else history.do(step)


def _step(path: str, value: object) -> Step:
    return lambda history: history.push(changed(history.settings, path.split("."), value))


def _seen(settings: Settings) -> tuple[float, str, str]:
    return settings.blend.opacity, settings.swap.engine, settings.overlay.label


def test_steps_are_undone_and_done_again_in_order() -> None:
    history = History(Settings())
    for value in (0.1, 0.2, 0.2, 0.3):
        _opacity(value, history)
    found = []
    for move in (history.undo, history.undo, history.undo, history.undo, history.redo, history.redo):
        move()
        found.append(history.settings.blend.opacity)
    assert found == [0.2, 0.1, 1.0, 1.0, 0.1, 0.2]
    assert history.undoable
    assert history.redoable
    _opacity(0.9, history)
    assert not history.redoable
    history.undo()
    assert history.settings.blend.opacity == 0.2


def test_a_slider_that_is_drawn_is_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("realtime.steering.history.time.perf_counter", lambda: clock[0])
    history = History(Settings())

    def draw(name: str, *values: float) -> None:
        for value in values:
            clock[0] += 0.1
            history.push(changed(history.settings, ("blend", name), value), ("blend", name))

    draw("opacity", 0.9, 0.8, 0.7)
    draw("seam", 0.5, 0.4)
    clock[0] += 5
    draw("seam", 0.3)
    clock[0] += 5
    draw("seam", 0.2, 0.3)
    found = []
    while history.undoable:
        history.undo()
        found.append((history.settings.blend.opacity, history.settings.blend.seam))
    assert found == [(0.7, 0.4), (0.7, 1.0), (1.0, 1.0)]


def test_what_a_loop_refuses_is_as_if_it_had_never_been_asked() -> None:
    plan = Plan(Settings())
    _opacity(0.5, plan)
    plan.offer()
    assert not plan.accept()
    before = plan.history.snapshot()
    plan.do(_step("swap.engine", "broken"))
    assert _seen(plan.offer())[1] == "broken"
    assert not plan.refuse()
    assert plan.history.snapshot() == before
    # An undo that fails comes back too.
    plan.do(lambda history: history.undo())
    assert plan.offer().blend.opacity == 1.0
    assert not plan.refuse()
    assert plan.history.snapshot() == before


def test_of_several_steps_only_the_one_that_cannot_be_is_taken_back() -> None:
    plan = Plan(Settings())
    for path, value in (("blend.opacity", 0.5), ("swap.engine", "broken"), ("overlay.label", "mine")):
        plan.do(_step(path, value))
    offered = [_seen(plan.offer())]
    plan.do(_step("blend.opacity", 0.6))
    more = plan.refuse()
    while more:
        settings = plan.offer()
        offered.append(_seen(settings))
        more = plan.refuse() if settings.swap.engine == "broken" else plan.accept()
    assert offered == [
        (0.5, "broken", "mine"),
        (0.5, "mesh", "AI-altered"),
        (0.5, "broken", "AI-altered"),
        (0.5, "mesh", "mine"),
        (0.6, "mesh", "mine"),
    ]
    found = [_seen(plan.settings)]
    while plan.history.undoable:
        plan.history.undo()
        found.append(_seen(plan.settings))
    assert found == [(0.6, "mesh", "mine"), (0.5, "mesh", "mine"), (0.5, "mesh", "AI-altered"), (1.0, "mesh", "AI-altered")]


def test_a_step_asked_for_while_another_is_tried_stays() -> None:
    plan = Plan(Settings())
    plan.do(_step("swap.engine", "broken"))
    plan.offer()
    _opacity(0.5, plan)
    assert plan.refuse()
    assert _seen(plan.settings) == _seen(plan.offer()) == (0.5, "mesh", "AI-altered")
    assert not plan.accept()
    _opacity(0.4, plan)
    plan.take_back()
    assert plan.settings.blend.opacity == 0.5


def test_a_change_everywhere_is_no_step_and_nothing_brings_back_what_it_took() -> None:
    plan = Plan(Settings())
    plan.do(_step("swap.sources", ["anna"]))
    plan.settle()
    plan.do(_step("swap.sources", ["bob", "anna"]))
    plan.do(lambda history: history.undo())
    plan.everywhere(lambda settings: settings.model_copy(update={"swap": settings.swap.model_copy(update={"sources": ()})}))
    seen = {plan.settings.swap.sources, plan.offer().swap.sources}
    plan.refuse()
    seen.add(plan.settings.swap.sources)
    while plan.history.redoable:
        plan.history.redo()
    while plan.history.undoable:
        seen.add(plan.settings.swap.sources)
        plan.history.undo()
    assert seen == {()}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("blend", "opacity"), 3, "blend.opacity is 3; it should be less than or equal to 1"),
        (("blend", "opacty"), 1, 'unknown key "opacty" in blend; did you mean "opacity"'),
        (("outputs", 5, "kind"), "none", "outputs has 2 entries, counted from 0; got 5"),
        (("blend", "opacity", "more"), 1, "blend.opacity is a single value"),
        ((), 1, "no place to change"),
        (("input",), {"kind": "film"}, 'input.kind is "film"'),
        (("swap", "assign"), {"two": "anna"}, "swap.assign.two"),
    ],
)
def test_a_value_that_cannot_be_is_told_in_a_sentence(path: tuple[str | int, ...], value: object, message: str) -> None:
    with pytest.raises(RealtimeError) as caught:
        changed(Settings(), path, value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_places_in_lists_and_maps_may_be_written_as_pages_do() -> None:
    settings = changed(Settings(), ("swap", "assign"), {"2": "anna"})
    assert settings.swap.assign == {2: "anna"}
    for key in (2, "2"):
        assert changed(settings, ("swap", "assign", key), "bob").swap.assign == {2: "bob"}
    assert changed(settings, ("swap", "assign", 3), "bob").swap.assign == {2: "anna", 3: "bob"}
    for place in (1, "1"):
        assert changed(settings, ("outputs", place, "fps"), 25).outputs[1].fps == 25  # type: ignore[union-attr]
    assert changed(settings, ["input"], {"kind": "video", "path": "a.mp4"}).input.kind == "video"
