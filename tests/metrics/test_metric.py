"""What a class must have to be a metric."""

from __future__ import annotations

from typing import Any

import pytest

from bench.analysis.results import COLUMNS
from bench.metrics import BUILT_IN
from bench.metrics.metric import RESERVED, DerivedMetric, Metric, column, problem_with


def metric(**fields: Any) -> type[Metric]:
    whole = {
        "name": "mine",
        "title": "Mine",
        "range": (0.0, 1.0),
        "measure": lambda self, reference, distorted, prepared: 0.5,
    }
    kept = {key: value for key, value in {**whole, **fields}.items() if value is not None}
    return type("Mine", (Metric,), kept)


def test_a_name_a_title_a_range_and_measure_make_a_metric():
    assert problem_with("mine", metric()) == ""


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"title": None}, "the class Mine lacks title"),
        ({"name": None, "range": None}, "the class Mine lacks name, range"),
        ({"measure": None}, "the class Mine lacks measure"),
        ({"name": "yours"}, "the metric calls itself 'yours', its entry 'mine'"),
        ({"direction": "up"}, "direction: 'higher' or 'lower' was expected, got 'up'"),
        ({"range": (1.0, 0.0)}, "range: the smaller end comes first, got (1.0, 0.0)"),
    ],
)
def test_what_is_wrong_with_a_class_is_said(fields, problem):
    assert problem_with("mine", metric(**fields)) == problem


def test_a_derived_metric_names_its_base():
    fields = {"name": "mine", "title": "Mine", "range": (0.0, 1.0), "derive": lambda self, x: x}
    assert problem_with("mine", type("Mine", (DerivedMetric,), fields)).endswith("lacks base")
    assert not problem_with("mine", type("Mine", (DerivedMetric,), {**fields, "base": "psnr"}))


@pytest.mark.parametrize("value", [None, 3, int, "bench.metrics.psnr:Psnr"])
def test_what_is_no_metric_is_said(value):
    assert problem_with("mine", value).startswith("a subclass of bench.Metric was expected")


@pytest.mark.parametrize("name", ["Mine", "my_metric", "my metric", "-mine", "mine-", "a--b", ""])
def test_a_name_is_one_that_makes_a_column(name):
    assert "small letters, digits" in problem_with(name, metric(name=name))


def test_no_metric_can_take_a_column_of_results_csv():
    assert "is taken" in problem_with("codec-id", metric(name="codec-id"))
    assert set(COLUMNS) - {column(name) for name in BUILT_IN} <= RESERVED
