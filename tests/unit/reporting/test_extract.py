from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.errors import InputError
from edgecnn.reporting import extract, write
from edgecnn.reporting.extract import Packed, pack, read_embedded, unpack
from edgecnn.results import Block, Results
from tests.unit.reporting import factory


def test_results_come_out_as_they_went_in(results):
    board = factory.sample("Board", 2.0, 3)
    assert unpack(pack([results, board])) == [results, board]


def test_a_page_gives_its_results_back(results, tmp_path):
    write([results], tmp_path / "report.html")
    assert read_embedded(tmp_path / "report.html") == [results]
    write(read_embedded(tmp_path / "report.html"), tmp_path / "results.json", raw=True)
    assert Results.load(tmp_path / "results.json") == results


def test_several_results_come_out_as_several_files(results, tmp_path):
    board = factory.sample("Board", 2.0, 3)
    written = write([results, board], tmp_path / "results.json", raw=True)
    assert [path.name for path in written] == ["results.json", "results-2.json"]
    assert Results.load(written[1]) == board


def test_hostile_results_come_out_as_they_went_in(hostile):
    assert unpack(pack([hostile])) == [hostile]


@pytest.mark.parametrize("samples", [(0,), (), (5, 5), (2**62, 0, 1)])
def test_odd_samples_survive(results, samples):
    row = results.measurements[0]
    odd = replace(row, runs=(replace(row.runs[0], samples_ns=samples),))
    assert unpack(pack([replace(results, measurements=(odd,))]))[0].measurements == (odd,)


def test_samples_beyond_the_budget_are_thinned_and_the_thinning_is_said(results):
    packed = pack([results], 20_000)
    assert packed.kept < packed.measured
    (back,) = unpack(packed)
    assert back.protocol["samples_embedded"] == f"{packed.kept} of {packed.measured}"
    assert sum(len(r.samples_ns) for m in back.measurements for r in m.runs) == packed.kept
    for before, after in zip(results.measurements, back.measurements, strict=True):
        if before.latency and after.latency:
            assert after.latency.p50 == pytest.approx(before.latency.p50, rel=0.01)
            assert after.latency.min == before.latency.min
            if before.contention is None:  # the largest of all may be a disturbed one
                assert after.latency.max == before.latency.max


STAGES = {"infer": [900 + n % 7 for n in range(500)], "end_to_end": [1000] * 500, "decode": None}


def _staged(results, times=STAGES):
    """The first row alone, with times of stages."""
    row = results.measurements[0]
    run = replace(row.runs[0], passes={**row.runs[0].passes, "stages": {"times_ns": times}})
    return replace(results, measurements=(replace(row, runs=(run, *row.runs[1:])),))


@pytest.mark.parametrize("times", [STAGES, {"infer": [1.5, 2], "decode": []}, {}, None])
def test_times_of_stages_come_out_as_they_went_in(results, times):
    given = _staged(results, times)
    assert unpack(pack([given])) == [given]
    assert given.measurements[0].runs[0].passes["stages"]["times_ns"] == times


def test_times_of_stages_are_thinned_with_the_samples(results):
    (back,) = unpack(pack([_staged(results)], 1_000))
    times = back.measurements[0].runs[0].passes["stages"]["times_ns"]
    assert len(times["infer"]) == len(times["end_to_end"]) == 100
    assert np.median(times["infer"]) == pytest.approx(np.median(STAGES["infer"]), abs=1)
    assert times["decode"] is None


def test_a_page_of_the_first_kind_is_still_read(results):
    """Its times of stages are in the JSON document."""
    given = _staged(results)
    document = extract._plain(given)
    body = b""
    for holder, run in zip(extract._holders([document]), given.measurements[0].runs, strict=True):
        for name in extract._FIELDS:
            samples = np.asarray(getattr(run, name), np.uint64)
            holder[name] = [samples.size, 0]
            body += samples.astype("<u8").tobytes()
    planes = np.frombuffer(body, np.uint8).reshape(-1, 8).T.tobytes()
    assert unpack(payload({"width": 8, "results": [document]}, planes)) == [given]


def test_a_short_process_leaves_its_share_to_the_long_ones():
    assert extract._fair_share([10, 10, 1000, 1000], 520) == 250
    assert extract._fair_share([10, 10], 520) == 10


def test_thinned_samples_keep_their_order_in_time():
    samples = np.random.default_rng(0).permutation(1000)
    kept = extract._at_even_ranks(samples, 100)
    assert kept.tolist() == sorted(kept)
    assert sorted(samples[kept]) == pytest.approx(np.linspace(0, 999, 100), abs=0.51)


def test_thinned_samples_stay_in_their_blocks():
    samples = tuple(np.random.default_rng(0).permutation(1000).tolist())
    blocks = (Block(0, 600, (100, 100)), Block(600, 400, (100, 190), quiet=False))
    kept = np.asarray(extract._at_even_ranks(np.asarray(samples), 100))
    first, second = extract._thinned(blocks, kept)
    assert first["count"] + second["count"] == 100
    assert (kept[: first["count"]] < 600).all()
    assert (kept[second["first"] :] >= 600).all()
    assert not second["quiet"]


@pytest.mark.parametrize("codec", ["zlib", "lzma"])
def test_a_truncated_payload_is_refused(results, codec, monkeypatch):
    monkeypatch.setattr(extract, "_SMALL", 1 << 30 if codec == "lzma" else 0)
    packed = pack([results])
    assert packed.codec == codec
    with pytest.raises(InputError, match="damaged"):
        unpack(Packed(packed.text[: len(packed.text) // 2 // 4 * 4], codec))


def test_a_bomb_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(extract, "MAX_UNPACKED_BYTES", 1 << 20)
    bomb = base64.b64encode(zlib.compress(bytes(1 << 24))).decode()
    with pytest.raises(InputError, match="more than 1 MiB"):
        unpack(Packed(bomb, "zlib"))


def payload(document: object, body: bytes = b"", magic: bytes = b"edgecnn raw 1\n") -> Packed:
    header = json.dumps(document).encode()
    plain = magic + len(header).to_bytes(8, "little") + header + body
    return Packed(base64.b64encode(zlib.compress(plain)).decode(), "zlib")


RUN = {"load_ns": 1, "first_inference_ns": 1, "warmup_ns": [0, 0]}


@pytest.mark.parametrize(
    "packed",
    [
        Packed("AAAA", "zlib"),
        Packed("not base64!", "zlib"),
        payload({}, magic=b"something else"),
        payload([]),
        payload({"width": 0, "results": []}),
        payload({"width": 9, "results": []}),
        payload({"width": 3, "results": []}, b"12"),
        payload({"width": 1, "results": [1]}),
        payload({"width": 1, "results": [{"measurements": [{"runs": [RUN]}]}]}),
        payload(
            {"width": 1, "results": [{"measurements": [{"runs": [{**RUN, "samples_ns": [9, 0]}]}]}]}
        ),
        payload(
            {
                "width": 1,
                "results": [
                    {
                        "measurements": [{"runs": [{**RUN, "samples_ns": [-9, 0]}]}],
                        "schema_version": 1,
                    }
                ],
            }
        ),
        payload({"width": 1, "results": [{"schema_version": 99, "measurements": []}]}),
    ],
)
def test_a_payload_that_is_not_ours_is_a_clear_error(packed):
    with pytest.raises(InputError):
        unpack(packed)


def test_a_page_without_raw_data_is_a_clear_error(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>hello</p>")
    with pytest.raises(InputError, match="no edgecnn raw data"):
        read_embedded(page)
    with pytest.raises(InputError, match="no such file"):
        read_embedded(tmp_path / "absent.html")


def test_a_page_with_two_payloads_is_refused(results, tmp_path):
    write([results], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    start = text.index('<script type="application/octet-stream"')
    (tmp_path / "report.html").write_text(text + text[start:])
    with pytest.raises(InputError, match="2 blocks"):
        read_embedded(tmp_path / "report.html")
