"""Reports of whole, partial, failed and empty runs, and of several at once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from report.reading import change_info, change_rows, data_of, digest_of, make, text_of

from bench.codec import Complexity
from bench.errors import RunError, SchemaError, UnknownNameError, UsageError
from bench.profile.cost import Cost
from bench.report.build import write_report
from bench.report.fingerprint import Asked, is_current


def test_pictures_come_from_the_bitstreams_of_the_cache(reports: Path) -> None:
    pictures = data_of((reports / "report.html").read_text("utf-8"))["sections"][0]["pictures"]
    assert pictures["lossless"]
    assert len(pictures["images"]) == 3
    codecs = {p["codec"] for image in pictures["images"] for p in image["pictures"]}
    assert codecs == {"jpeg", "jpeg-444", "webp"}


def test_without_the_cache_the_report_says_that_pictures_are_missing(
    measured: Path, tmp_path: Path
) -> None:
    # The fixture that gives every test a home of its own leaves no bitstream in it.
    page = make([measured], tmp_path)
    assert data_of(page)["sections"][0]["pictures"] is None
    assert "the bitstream is no longer in the cache" in page


def test_partial_run_says_what_is_missing(copied: Path, tmp_path: Path) -> None:
    change_rows(copied, lambda frame: frame.iloc[:50])
    change_info(copied, status="interrupted")
    page = make([copied], tmp_path)
    assert "the run was interrupted before its end" in page
    assert "22 of 72 cells have not been measured" in page


def test_failed_cells_are_listed_with_their_reason(copied: Path, tmp_path: Path) -> None:
    def fail(frame: pd.DataFrame) -> pd.DataFrame:
        mine = (frame["codec"] == "webp") & (frame["quality"] == "50")
        empty = ["bytes", "bitstream_sha256", "bpp", "psnr", "ms_ssim", "encode_s", "decode_s"]
        frame.loc[mine, empty] = ""
        return frame.assign(
            status=frame["status"].mask(mine, "failed"),
            error=frame["error"].mask(mine, "the <b>program</b> exited with 1"),
        )

    change_rows(copied, fail)
    page = make([copied], tmp_path)
    assert "3 of 72 cells failed (webp 3)" in page
    assert "the &lt;b&gt;program&lt;/b&gt; exited with 1" in page
    assert "without the setting 50, which failed on every image" in page


def test_run_that_failed_altogether_has_a_report(copied: Path, tmp_path: Path) -> None:
    def fail(frame: pd.DataFrame) -> pd.DataFrame:
        frame[["bytes", "bitstream_sha256", "bpp", "psnr", "ms_ssim"]] = ""
        return frame.assign(status="failed", error="no luck")

    change_rows(copied, fail)
    paths = write_report([copied], out=tmp_path)
    page = paths[0].read_text("utf-8")
    assert "72 of 72 cells failed" in page
    assert "No codec can be compared with jpeg" in page
    assert "no luck" in text_of(paths[1])


@pytest.mark.parametrize("content", ["", "header"], ids=["no byte", "no row"])
def test_empty_run_has_a_report(copied: Path, tmp_path: Path, content: str) -> None:
    header = (copied / "results.csv").read_text("utf-8").splitlines()[0] + "\n"
    (copied / "results.csv").write_text(header if content else "", "utf-8")
    change_info(copied, results_sha256=digest_of(copied))
    paths = write_report([copied], out=tmp_path)
    page = paths[0].read_text("utf-8")
    assert "What is missing" in page
    assert ("no cell was measured" if content else "is empty") in page
    assert "nothing was measured" in text_of(paths[1])


def test_run_without_results_has_a_report(copied: Path, tmp_path: Path) -> None:
    (copied / "results.csv").unlink()
    change_info(copied, status="running")
    page = make([copied], tmp_path)
    assert "the run is still going on, or was killed" in page


def test_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds neither run\.json nor results\.csv"):
        write_report([tmp_path])
    with pytest.raises(RunError, match="is made from the folder of a run"):
        write_report([])


def test_run_of_another_schema_is_an_error(copied: Path) -> None:
    change_info(copied, schema=99)
    with pytest.raises(SchemaError, match="99"):
        write_report([copied])


def test_unknown_format_and_anchor_are_errors(measured: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'doc'"):
        write_report([measured], ["doc"], out=tmp_path)
    with pytest.raises(UnknownNameError, match="webp"):
        write_report([measured], anchor="webb", out=tmp_path)


def test_anchor_can_be_chosen(measured: Path, tmp_path: Path) -> None:
    page = make([measured], tmp_path, anchor="webp")
    section = data_of(page)["sections"][0]
    assert section["anchor"] == "webp"
    assert "Nothing here beats webp" in section["metrics"]["psnr"]["verdict"]["headline"]


def test_two_versions_of_a_codec_are_shown_as_two(
    measured: Path, copied: Path, tmp_path: Path
) -> None:
    def other(frame: pd.DataFrame) -> pd.DataFrame:
        mine = frame["codec"] == "webp"
        return frame.assign(codec_id=frame["codec_id"].mask(mine, "f" * 16))

    change_rows(copied, other)
    page = make([measured, copied], tmp_path)
    section = data_of(page)["sections"][0]
    assert section["codecs"] == ["jpeg", "jpeg-444", "webp (run)", "webp (copy)"]
    assert "webp was measured in 2 versions" in page
    assert "jpeg is the same in run and copy" in page


def test_other_pixels_under_the_same_name_stay_apart(
    measured: Path, copied: Path, tmp_path: Path
) -> None:
    def other(frame: pd.DataFrame) -> pd.DataFrame:
        mine = frame["image"] == "b.png"
        return frame.assign(image_sha256=frame["image_sha256"].mask(mine, "0" * 64))

    change_rows(copied, other)
    page = make([measured, copied], tmp_path)
    assert [s["title"] for s in data_of(page)["sections"]] == ["photos (run)", "photos (copy)"]
    assert "1 of its 3 images have other pixels under the same name" in page


def test_fewer_images_are_no_point_of_the_same_curve(
    measured: Path, copied: Path, tmp_path: Path
) -> None:
    change_rows(copied, lambda frame: frame[frame["image"] != "b.png"])
    page = make([measured, copied], tmp_path)
    assert len(data_of(page)["sections"]) == 2
    assert "it is over 2 images, this over 3" in page


def test_values_of_another_metric_version_are_left_out(
    measured: Path, copied: Path, tmp_path: Path
) -> None:
    info = json.loads((copied / "run.json").read_text("utf-8"))
    change_info(copied, metrics=info["metrics"] | {"psnr": "psnr/99"})
    change_rows(copied, lambda f: f[f["codec"] != "jpeg"].assign(codec_id="e" * 16))
    page = make([measured, copied], tmp_path)
    metrics = data_of(page)["sections"][0]["metrics"]
    assert "psnr is of another version in copy (psnr/99)" in page
    there = {row["codec"]: row for row in metrics["psnr"]["rows"]}
    assert there["webp (copy)"]["bd_rate"] is None
    assert "another version of the metric" in there["webp (copy)"]["reason"]
    assert there["webp (run)"]["bd_rate"] is not None
    # The metric whose version is the same is compared.
    assert all(row["bd_rate"] is not None for row in metrics["ms-ssim"]["rows"])


def test_two_data_sets_stand_side_by_side(measured: Path, copied: Path, tmp_path: Path) -> None:
    change_rows(copied, lambda frame: frame.assign(dataset="other"))
    page = make([measured, copied], tmp_path)
    assert len(data_of(page)["sections"]) == 2
    assert 'id="section-choice"' in page


def test_few_images_give_a_hint_and_many_a_result(reports: Path, kodak_reports: Path) -> None:
    few, many = (
        data_of((folder / "report.html").read_text("utf-8"))["sections"][0]["metrics"]["psnr"]
        for folder in (reports, kodak_reports)
    )
    words = " ".join(few["verdict"]["details"])
    assert "Over 3 images this is a hint, not a result" in words
    assert "so it is ahead" not in words
    assert "hint" not in " ".join(many["verdict"]["details"])


def test_what_networks_cost_is_a_table_where_a_run_has_it(copied: Path, tmp_path: Path) -> None:
    assert 'id="cost"' not in make([copied], tmp_path / "before")
    info = json.loads((copied / "run.json").read_text("utf-8"))
    told = Complexity(1_234_567, 40.25, 60.5, 30.0, 45.0, 900.0, 1100.0, "768x512")
    reason = "it does not tell <why>"
    for codec, cost in (
        ("webp", Cost("webp", (50,), told)),
        ("jpeg-444", Cost("jpeg-444", (10,), None, reason)),
    ):
        info["codecs"][codec]["complexity"] = [cost.to_json()]
    (copied / "run.json").write_text(json.dumps(info), "utf-8")
    paths = write_report([copied], out=tmp_path)
    table = paths[0].read_text("utf-8").split('id="cost"')[1].split("</table>")[0]
    assert "1,234,567" in table
    assert "<td>10.25</td>" in table  # the entropy part of the encoder: 40.25 less 30
    assert "NA: it does not tell &lt;why&gt;" in table
    assert "jpeg</th>" not in table  # no network
    text = text_of(paths[1])
    assert "What networks cost" in text
    assert "1,234,567" in text


def test_report_is_current_until_its_run_changes(copied: Path) -> None:
    paths = write_report([copied])
    assert is_current([copied], "html")
    assert is_current([copied], "pdf")
    before = [path.stat().st_mtime_ns for path in paths]
    change_info(copied, started="2030-01-01T00:00:00+00:00")  # as a cached rerun does
    assert write_report([copied], reuse=True) == paths
    assert [path.stat().st_mtime_ns for path in paths] == before
    assert not is_current([copied], "html", Asked(anchor="webp"))
    assert not is_current([copied], "html", Asked(published="none"))
    change_rows(copied, lambda frame: frame.iloc[:-1])
    assert not is_current([copied], "html")
    assert not is_current([copied], "pdf")


def test_asking_whether_it_is_current_imports_nothing_heavy(copied: Path) -> None:
    write_report([copied], ["html"])
    code = (
        "import sys; from bench.report.build import write_report\n"
        f"write_report([{str(copied)!r}], ['html'], reuse=True)\n"
        "print(*sorted({'pandas', 'numpy', 'jinja2', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_page_forbids_everything_but_itself(reports: Path) -> None:
    page = (reports / "report.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src &#39;none&#39;")
    assert "unsafe" not in policy[1]
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
