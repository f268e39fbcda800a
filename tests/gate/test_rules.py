"""Rules: from files and the command line, laid over the defaults."""

from __future__ import annotations

import pytest

from bench.errors import RuleError
from bench.gate.rules import DEFAULTS, find_rules, limits_for, parse_options, read_rules


def test_without_rules_the_defaults_hold():
    limits = limits_for("any", [])
    assert limits.bd_rate == {"psnr": 0.5}
    assert limits.worst_image == {"psnr": 1.0}
    assert limits.drop == {"psnr": 0.01}
    assert limits.failures == 0
    assert not limits.timed
    assert not limits.exact


def test_rules_of_the_command_line_lie_over_those_of_the_file_and_the_defaults(tmp_path):
    (tmp_path / "bench.toml").write_text(
        """
        [gates]
        bd_rate = {psnr = 0.3, ms-ssim = 0.4}
        bytes = 2
        [[gates.codecs]]
        match = "mine-*"
        exact = true
        worst_image = {psnr = "off"}
        """
    )
    layers = [find_rules(tmp_path), parse_options(["mine-*:bytes=0", "bd_rate.psnr=0.2"])]
    mine, other = limits_for("mine-fast", layers), limits_for("jpeg", layers)
    assert mine.bd_rate == other.bd_rate == {"psnr": 0.2, "ms-ssim": 0.4}
    assert (mine.bytes, other.bytes) == (0, 2)
    assert (mine.exact, other.exact) == (True, False)
    assert (mine.worst_image, other.worst_image) == ({"psnr": None}, {"psnr": 1.0})
    assert mine.metrics == ["ms-ssim", "psnr"]


def test_pyproject_is_read_where_there_is_no_bench_toml(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.bench.gates]\nbytes = 1\n")
    assert find_rules(tmp_path).bytes == 1
    (tmp_path / "bench.toml").write_text("[gates]\nbytes = 2\n")
    assert find_rules(tmp_path).bytes == 2


def test_files_without_a_section_hold_no_rule(tmp_path):
    assert find_rules(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert find_rules(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gates]\nbd_rat = 1", "gates.bd_rat: there is no such field"),
        ("[gates]\nbytes = -1", "gates.bytes: "),
        ("[gates]\nbytes = true", "gates.bytes: a number of 0 or more was expected, or off"),
        ("[gates]\nbytes = inf", "gates.bytes: "),
        ("[gates]\nencode_ratio = 0.5", "gates.encode_ratio: "),
        ("[gates]\nbd_rate = {psnr = 'x'}", "gates.bd_rate.psnr: "),
        ("[[gates.codecs]]\nbytes = 1", "gates.codecs.0.match: this field is required"),
        ("[gates]\nyardstick = 'a'\npredecessor = 'b'", "exclude each other"),
        ("gates = 3", "gates: a table was expected, not int"),
        ("[gates", "is no TOML"),
    ],
)
def test_a_wrong_rule_names_file_and_field(tmp_path, text, message):
    file = tmp_path / "bench.toml"
    file.write_text(text)
    with pytest.raises(RuleError) as caught:
        read_rules(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "option", ["bytes", "=3", "bytes=much", "jpeg:=3", "nothing=1", "bd_rate=1", "codecs=[]x"]
)
def test_a_wrong_option_is_an_error_of_ours(option):
    with pytest.raises(RuleError, match="--rule"):
        parse_options([option])


def test_a_metric_rule_with_and_without_a_metric_is_an_error():
    with pytest.raises(RuleError, match="with and without"):
        parse_options(["bd_rate=1", "bd_rate.psnr=1"])


def test_a_limit_on_time_needs_something_to_measure_against():
    with pytest.raises(RuleError, match="yardstick = 'jpeg'"):
        limits_for("mine", [parse_options(["decode_ratio=1.1"])])


def test_the_defaults_are_valid_rules():
    assert limits_for("x", [DEFAULTS]) == limits_for("x", [])
