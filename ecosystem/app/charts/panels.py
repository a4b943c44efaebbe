"""The panels with charts: a heading, what can be chosen, and the chart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import solara
from reacton import ipyvuetify as v

from ecosystem.app.charts import affinity, forecast, measures, timeline, trajectories
from ecosystem.app.charts.chart import Chart, file_name
from ecosystem.app.debates.view import ALONE, View
from ecosystem.measures import CATALOGUE
from ecosystem.report.prose import count

STYLE = Path(__file__).parent / "panels.css"

Legend = tuple[tuple[str, str], ...]
"""Colours, and what they stand for."""

_MOST_ENTRIES = 8
_BEGIN = "Press Play or Step to begin the debate."
_OPENING = "The slider leads to the steps that follow."


@solara.component
def AffinityMap(view: View) -> None:
    """Show how far listeners agreed with speakers, ordered by coalition.

    Parameters
    ----------
    view : View
        What is looked at.
    """
    chosen, set_kind = solara.use_state("observed")
    has_said = len(view.viewing.setting.statements) > 0
    kind = chosen if has_said else "alignment"
    window, set_window = solara.use_state(affinity.WINDOW)
    standing = _standing(view)
    option = _option(view, lambda: affinity.affinity_option(view, kind, window, standing), kind, window)
    title, caption = "Who agrees with whom", affinity.affinity_caption(view, kind, window)
    spans = {"1": "This step", str(affinity.WINDOW): f"Last {affinity.WINDOW} steps"}

    def choose_steps() -> None:
        _choice("Steps", spans, str(window), lambda value: set_window(int(value)))

    def choose_kind() -> None:
        _choice("What is shown", affinity.KINDS, kind, set_kind)

    legend = coalitions_legend(view)
    controls = [] if not has_said else [choose_kind] if kind == "alignment" else [choose_steps, choose_kind]
    with _panel(title, caption, *controls, legend=legend):
        if view.step == 0:
            _nothing_yet(view, "Nobody has spoken yet")
        elif np.isnan(affinity.shown_affinity(view, kind, window)).all():
            _empty("Nothing was said", "There is no affinity to show here; alignment says how agents stand.")
        else:
            _body(view, option, title, caption)


@solara.component
def Trajectories(view: View) -> None:
    """Show where agents stand in the plane of the statements, and how they got there.

    Parameters
    ----------
    view : View
        What is looked at.
    """
    whole, set_whole = solara.use_state("tail")
    is_whole = whole == "whole"
    option = _option(view, lambda: trajectories.trajectories_option(view, is_whole), is_whole)
    path = "their whole paths" if is_whole else f"their paths over the last {trajectories.TAIL} steps"
    title = "Where agents stand"
    caption = f"Mean latent of the statements each holds at step {view.step}{f', and {path}' if view.step else ''}."
    paths = {"tail": f"Last {trajectories.TAIL} steps", "whole": "Whole path"}
    with _panel(title, caption, lambda: _choice("Paths", paths, whole, set_whole), legend=coalitions_legend(view)):
        if len(view.viewing.setting.statements):
            _body(view, option, title, caption)
        else:
            _empty("There are no positions", "In this scenario affinity is given: agents hold no statements.")


@solara.component
def Timeline(view: View, on_step: Callable[[int], Any] | None = None) -> None:
    """Show who was in which coalition at every step.

    Parameters
    ----------
    view : View
        What is looked at.
    on_step : callable, optional
        Called with a step that was clicked, or gone to with the arrow keys.
    """
    standing = _standing(view)
    option = _option(view, lambda: timeline.timeline_option(view, standing))
    title = "Who stood with whom"
    caption = timeline.timeline_caption(view, on_step is not None)
    with _panel(title, caption):
        if view.viewing.now == 0:
            _nothing_yet(view, "No coalitions yet")
        else:
            _body(view, option, title, caption, on_step)


@solara.component
def MeasuresPanel(view: View, on_step: Callable[[int], Any] | None = None) -> None:
    """Show measures over time, one small chart each.

    Parameters
    ----------
    view : View
        What is looked at.
    on_step : callable, optional
        Called with a step that was clicked, or gone to with the arrow keys.
    """
    names, set_names = solara.use_state(list(measures.FIRST))
    caption = f"Large: the value at step {view.step}. Dashed lines: interventions."
    with _panel("Measures over time", caption, lambda: _choose_measures(names, set_names)):
        if view.viewing.now == 0:
            _nothing_yet(view, "Nothing has been measured yet")
        elif not names:
            _empty("No measure is chosen", "Choose some above.")
        else:
            with solara.Div(classes=["ec-panel__body", "ec-measures"]):
                for name in CATALOGUE:
                    if name in names:
                        _Measure(view, name, on_step).key(name)


def _choose_measures(names: list[str], set_names: Callable[[list[str]], Any]) -> None:
    v.Select(
        v_model=names,
        on_v_model=set_names,
        items=[{"text": measure.title, "value": name} for name, measure in CATALOGUE.items()],
        multiple=True,
        dense=True,
        outlined=True,
        hide_details=True,
        prefix=f"Measures shown: {len(names)}",
        menu_props={"offsetY": True, "maxHeight": 420},
        class_="ec-chooser",
        attributes={"aria-label": "Measures shown"},
    )


@solara.component
def _Measure(view: View, name: str, on_step: Callable[[int], Any] | None) -> None:
    """Show one measure."""
    measure = CATALOGUE[name]
    option = _option(view, lambda: measures.measure_option(view, name), name)
    about = f"{measure.meaning[:1].upper()}{measure.meaning[1:]}."
    with solara.Div(classes=["ec-measure"]):
        with solara.Div(classes=["ec-measure__head"]):
            v.Html(tag="h3", class_="ec-panel__subtitle", children=[measure.title])
            v.Html(tag="span", class_="ec-measure__value", children=[measures.value_in_words(view, name)])
        more = f"{about} Range: {measure.range_in_words}. Source: {measure.source}."
        v.Html(tag="p", class_="ec-measure__meaning", children=[about], attributes={"title": more})
        _body(view, option, measure.title, about, on_step)


@solara.component
def ForecastPanel(view: View) -> None:
    """Show what the affinity model expected beside what happened.

    Parameters
    ----------
    view : View
        What is looked at.
    """
    score, set_score = solara.use_state("correlation")
    outcome = _option(view, lambda: forecast.outcome_option(view))
    skill = _option(view, lambda: forecast.skill_option(view, score), score)
    caption = forecast.verdict(view) if view.step and forecast.is_scored(view) else ""

    def choose_score() -> None:
        _choice("Score", forecast.SCORES, score, set_score)

    with _panel("Did the forecasts come true?", caption, choose_score):
        if view.viewing.now == 0:
            _nothing_yet(view, "Nothing has been forecast yet")
        elif not forecast.is_scored(view):
            _empty("Nothing is forecast here", "In this scenario affinity is given: there is nothing to foresee.")
        else:
            with solara.Div(classes=["ec-panel__body", "ec-panel__body--two"]):
                _part(view, outcome, f"Every pair at step {view.step}", forecast.outcome_caption(view))
                _part(view, skill, *forecast.skill_words(score))


def _part(view: View, option: dict[str, Any], title: str, caption: str) -> None:
    with solara.Div(classes=["ec-panel__part"]):
        v.Html(tag="h3", class_="ec-panel__subtitle", children=[title])
        v.Html(tag="p", class_="ec-panel__caption", children=[caption])
        _body(view, option, title, caption)


def _standing(view: View) -> Any:
    """Return the order in which agents stand, found anew every ten steps."""
    course = view.viewing.course
    return solara.use_memo(lambda: affinity.standing_order(view), [course, view.viewing.now // 10])


def _option(view: View, build: Callable[[], dict[str, Any]], *choices: Any) -> dict[str, Any]:
    """Return an option, built anew only when what it shows may have changed; nothing before the first step."""
    shown = [view.viewing, view.viewing.course, view.step, view.selected, view.dark, view.revision, *choices]
    found: dict[str, Any] = solara.use_memo(build, shown)
    return found


def _panel(title: str, caption: str, *controls: Callable[[], Any], legend: Legend = ()) -> Any:
    """Return a panel with its heading and what can be chosen; the rest goes into it."""
    main = solara.Div(classes=["ec-panel"], attributes={"role": "region", "aria-label": title})
    with main:
        solara.Style(STYLE)
        with solara.Div(classes=["ec-panel__head"]):
            with solara.Div(classes=["ec-panel__words"]):
                v.Html(tag="h2", class_="ec-panel__title", children=[title])
                v.Html(tag="p", class_="ec-panel__caption", children=[caption])
                _legend(legend)
            with solara.Div(classes=["ec-panel__controls"]):
                for control in controls:
                    control()
    return main


def _legend(entries: Legend) -> None:
    """Show what colours stand for."""
    if entries:
        with v.Html(tag="ul", class_="ec-legend"):
            for colour, words in entries:
                with v.Html(tag="li"):
                    if colour:
                        v.Html(tag="i", style_=f"background: {colour}")
                    v.Html(tag="span", children=[words])


def coalitions_legend(view: View) -> Legend:
    """Return colours of the coalitions at the step shown, the largest first, with how many agents each has."""
    blocks = [(view.colours[label], label, len(members)) for label, members in view.scene.coalitions.items()]
    entries = [(colour, f"coalition {label} ({n})") for colour, label, n in blocks[:_MOST_ENTRIES]]
    if len(blocks) > _MOST_ENTRIES:
        entries.append(("", f"and {count(len(blocks) - _MOST_ENTRIES, 'smaller one')}"))
    alone = int(view.scene.present.sum()) - sum(n for *_, n in blocks)
    return (*entries, *([(ALONE, f"alone ({alone})")] if alone else []))


def _choice(label: str, choices: dict[str, str], chosen: str, on_choose: Callable[[str], Any]) -> None:
    """Show some choices of which one holds."""
    with solara.Div(classes=["ec-choice"], attributes={"role": "group", "aria-label": label}):
        for value, words in choices.items():
            solara.Button(
                words,
                on_click=lambda value=value: on_choose(value),
                classes=["ec-chosen"] if value == chosen else [],
                text=True,
                small=True,
                attributes={"aria-pressed": str(value == chosen).lower()},
            )


def _body(
    view: View, option: dict[str, Any], title: str, caption: str, on_step: Callable[[int], Any] | None = None
) -> None:
    """Show a chart in what room there is; a click on it, or an arrow key, goes to a step."""
    now = view.viewing.now

    def go(step: float) -> None:
        assert on_step is not None
        on_step(min(max(round(step), 0), now))

    with solara.Div(classes=["ec-panel__body"]):
        Chart(
            option,
            label=option.get("aria", {}).get("label", {}).get("description", title),
            heading=title,
            caption=caption,
            file_name=file_name(view.viewing.setting.scenario.name, title, view.step),
            dark=view.dark,
            on_click=None if on_step is None else lambda x, _: go(x),
            on_move=None if on_step is None else lambda steps: go(view.step + steps),
        )


def _nothing_yet(view: View, words: str) -> None:
    _empty(words, _BEGIN if view.viewing.now == 0 else _OPENING)


def _empty(words: str, more: str) -> None:
    with solara.Div(classes=["ec-panel__body"]), solara.Div(classes=["ec-panel__empty"]):
        v.Html(tag="strong", children=[words])
        v.Html(tag="span", children=[more])
