from __future__ import annotations

from dataclasses import replace

import pytest

from edgecnn.analysis.answer import Constraints, choose, name
from edgecnn.analysis.rows import collect
from edgecnn.reporting.charts import catalog as charts
from tests.unit.reporting import factory


@pytest.fixture
def rows(results):
    return collect([results])


def test_the_fastest_usable_row_within_the_limits_is_chosen(rows):
    (choice,) = choose(rows)
    within = [row for row in rows if row.measured and row.drop_bound <= 1.0]
    assert choice.row.paired_p50 == min(row.paired_p50 for row in within)
    assert choice.row.artifact in choice.sentence
    assert "accuracy drop ≤ 1 point" in choice.sentence


def test_a_tighter_accuracy_limit_gives_another_answer(rows):
    (choice,) = choose(rows, Constraints(drop=0.1))
    assert choice.row.recipe == "float32"
    assert choice.row.drop <= 0.1


@pytest.mark.parametrize(
    ("limits", "field", "limit"),
    [
        (Constraints(size=70_000), "size", 70_000),
        (Constraints(peak_rss=58e6), "peak_rss", 58e6),
        (Constraints(p50=0.07), "p50", 0.07),
    ],
)
def test_every_limit_is_kept(rows, limits, field, limit):
    (choice,) = choose(rows, limits)
    assert choice.row is not None
    assert getattr(choice.row, field) <= limit


def test_limits_that_nothing_keeps_give_no_row_but_a_sentence(rows):
    (choice,) = choose(rows, Constraints(p50=1e-6))
    assert choice.row is None
    assert "none of 46" in choice.sentence


def test_a_number_that_was_never_measured_is_named_and_no_limit_blamed(results):
    rows = tuple(replace(row, accuracy=None) for row in results.measurements)
    (choice,) = choose(
        collect([replace(results, measurements=rows)]), Constraints(objective="accuracy")
    )
    assert choice.row is None
    assert choice.sentence.endswith("accuracy was not measured (46 measured configurations).")


@pytest.mark.parametrize(
    ("objective", "field", "best"),
    [("size", "size", min), ("memory", "peak_rss", min), ("accuracy", "accuracy", max),
     ("throughput", "throughput", max)],
)  # fmt: skip
def test_the_objective_decides(rows, objective, field, best):
    (choice,) = choose(rows, Constraints(objective=objective))
    usable = [row for row in rows if row.measured and row.drop_bound <= 1]
    assert getattr(choice.row, field) == best(getattr(row, field) for row in usable)


def test_an_invalid_or_failed_row_is_never_the_answer(results):
    row = factory.measurement(slowdown=0.001, verdict="INVALID", reasons=("wrong",))
    more = results.with_measurement(row)
    assert choose(collect([more]))[0].row.state == "VALID"


def test_a_noisy_row_without_shared_rounds_is_chosen_only_for_want_of_a_valid_one(results):
    noisy = factory.measurement(slowdown=0.001, verdict="NOISY", batch=2, processes=2)
    assert choose(collect([results.with_measurement(noisy)]))[0].row.state == "VALID"
    (choice,) = choose(collect([replace(results, measurements=(noisy,))]))
    assert choice.row.state == "NOISY"
    assert "noisy" in choice.sentence


def test_a_noisy_row_in_rounds_of_its_own_does_not_beat_a_valid_one(results):
    noisy = factory.measurement(slowdown=0.5, verdict="NOISY", batch=2)
    later = replace(noisy, runs=tuple(replace(run, round=run.round + 9) for run in noisy.runs))
    rows = (factory.measurement(), later)
    (choice,) = choose(collect([replace(results, measurements=rows)]))
    assert choice.row.state == "VALID"
    assert "round by round" not in choice.sentence


def test_a_noisy_row_that_is_faster_in_every_round_is_the_fastest(results):
    noisy = factory.measurement(slowdown=0.5, verdict="NOISY", batch=2)
    (choice,) = choose(collect([replace(results, measurements=(factory.measurement(), noisy))]))
    assert choice.row.state == "NOISY"
    assert "noisy" in choice.sentence


def test_the_order_is_that_of_the_rounds_where_medians_say_otherwise(results):
    """The faster row of each round took part in two slow rounds more."""
    moods = (1.0, 1.02, 1.6, 1.7, 1.8)

    def row(name, factor, rounds):
        one = named(factory.measurement(), name)
        runs = (
            replace(run, samples_ns=tuple(int(3e5 * mood * factor) for _ in run.samples_ns))
            for run, mood in zip(one.runs, moods, strict=True)
        )
        return replace(one, runs=tuple(runs)[:rounds])

    slow, fast = row("slow.tflite", 1.03, 3), row("fast.tflite", 1.0, 5)
    (choice,) = choose(rows_of(results, slow, fast))
    assert choice.row.p50 > choice.runner_up.p50
    assert choice.row.artifact == "fast.tflite"
    assert "Next: slow.tflite on litert:cpu, 1 thread, 1.03× the latency round by round." in (
        choice.sentence
    )


def test_overlapping_intervals_are_called_a_tie(results):
    one = factory.measurement()
    twin = replace(one, artifact=replace(one.artifact, name="twin.tflite"))
    (choice,) = choose(collect([replace(results, measurements=(one, twin))]))
    assert choice.tied
    assert "Statistically indistinguishable from" in choice.sentence


def test_a_limit_that_nobody_measured_does_not_exclude_everybody(results):
    bare = replace(factory.measurement(), accuracy=None)
    (choice,) = choose(collect([replace(results, measurements=(bare,))]))
    assert choice.row is not None
    assert "accuracy not measured" in choice.sentence


def test_a_row_without_the_number_fails_where_others_have_it(results):
    bare = replace(factory.measurement(slowdown=0.01, batch=2), accuracy=None)
    (choice,) = choose(collect([results.with_measurement(bare)]))
    assert choice.row.accuracy is not None


def test_every_machine_and_device_gets_an_answer(results):
    gpu = factory.measurement(device="gpu", batch=3)
    choices = choose(collect([results.with_measurement(gpu), factory.sample("Board")]))
    assert [(c.machine_label, c.device) for c in choices] == [
        ("Sample CPU @ 2.10GHz", "cpu"),
        ("Sample CPU @ 2.10GHz", "gpu"),
        ("Board", "cpu"),
    ]


def rows_of(results, *measurements):
    return collect([replace(results, measurements=measurements)])


def named(row, name, **record):
    return replace(row, artifact=replace(row.artifact, name=name, **record))


def test_a_score_on_36_samples_is_not_sold_as_within_a_point(results):
    keras = factory.measurement(file_format="keras", runtime="keras")
    rows = rows_of(
        results,
        replace(keras, accuracy=factory.answered(36, 36)),
        replace(factory.measurement(), accuracy=factory.answered(36, 36)),
    )
    (choice,) = choose(rows)
    assert (
        "top1 100.0% (n = 36, ±0.00 points [−9.64, +9.64], at most 6.99 lost with 95% confidence)"
    ) in choice.sentence
    assert "measured within accuracy drop ≤ 1 point" in choice.sentence
    assert (
        "Undecided: 36 samples cannot show whether the drop is within 1 point; about 270 would."
        in choice.sentence
    )


def test_enough_samples_leave_no_doubt(results):
    keras = factory.measurement(file_format="keras", runtime="keras")
    rows = rows_of(
        results,
        replace(keras, accuracy=factory.answered(990, 1_000)),
        replace(factory.measurement(), accuracy=factory.answered(990, 1_000)),
    )
    (choice,) = choose(rows)
    assert "Undecided" not in choice.sentence
    assert "fastest of 2 within accuracy drop ≤ 1 point" in choice.sentence


def test_a_drop_without_a_parent_is_not_judged_and_not_claimed(results):
    row = factory.measurement(recipe="static_int8")
    (choice,) = choose(rows_of(results, row))
    assert "fastest of 1 (1 measured)." in choice.sentence
    assert "Not judged: the accuracy drop, for which no parent was measured." in choice.sentence


def test_files_of_different_networks_never_compete(results):
    small = factory.measurement(model="lenet5", slowdown=0.1)
    large = factory.measurement(model="resnet18", slowdown=10)
    twin = factory.measurement(model="resnet18", recipe="static_int8", slowdown=10)
    choices = choose(rows_of(results, small, large, twin))
    assert [choice.model for choice in choices] == ["lenet5", "resnet18"]
    assert [choice.measured for choice in choices] == [1, 2]
    assert ", cpu, resnet18: " in choices[1].sentence


def test_two_trainings_of_one_name_are_two_networks(results):
    rows = rows_of(
        results,
        named(factory.measurement(), "lenet5.float32.tflite", parent_sha256="aa" * 32),
        named(factory.measurement(slowdown=2), "lenet5.b.tflite", parent_sha256="bb" * 32),
    )
    choices = choose(rows)
    assert [choice.model for choice in choices] == ["lenet5 (aaaaaaaa)", "lenet5 (bbbbbbbb)"]


def test_a_parent_competes_with_its_own_files(results):
    keras = factory.measurement(file_format="keras", runtime="keras")
    child = named(
        factory.measurement(), "net.tflite", model="net", parent_sha256=keras.artifact.sha256
    )
    (choice,) = choose(rows_of(results, keras, child))
    assert choice.measured == 2


def test_a_file_converted_from_a_converted_file_competes_with_the_first_of_them(results):
    keras = factory.measurement(file_format="keras", runtime="keras")
    onnx = factory.measurement(file_format="onnx", runtime="onnxruntime")
    onnx = named(onnx, "net_float32.onnx", sha256="bb" * 32, parent_sha256=keras.artifact.sha256)
    int8 = factory.measurement(file_format="onnx", runtime="onnxruntime", recipe="static_int8")
    int8 = named(int8, "net_static_int8.onnx", sha256="cc" * 32, parent_sha256="bb" * 32)
    for files in ((keras, onnx, int8), (int8, onnx, keras)):
        rows = rows_of(results, *files)
        (choice,) = choose(rows)
        assert choice.measured == 3
        assert all(row.drop is not None for row in rows)
        assert all(row.speed.speedup.estimate is not None for row in rows)


def test_files_that_name_each_other_as_parents_are_one_network(results):
    hashes = ["aa" * 32, "bb" * 32, "cc" * 32]
    circle = [
        named(factory.measurement(), f"{sha256[:2]}.tflite", sha256=sha256, parent_sha256=parent)
        for sha256, parent in zip(hashes, hashes[1:] + hashes[:1], strict=True)
    ]
    itself = named(factory.measurement(), "d.tflite", sha256="dd" * 32, parent_sha256="dd" * 32)
    assert [choice.measured for choice in choose(rows_of(results, *circle, itself))] == [3, 1]


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("vww_96_float.tflite", "vww_96_int8.tflite", True),
        ("net.onnx", "net_full_integer_quant.tflite", True),
        ("mobilenet_v2.tflite", "mobilenet_v3.tflite", False),
        ("resnet8.onnx", "lenet5.onnx", False),
    ],
)
def test_foreign_files_are_told_apart_by_name_without_its_recipe(results, one, two, same):
    rows = rows_of(
        results,
        *(
            named(
                factory.measurement(),
                name,
                model=name.rpartition(".")[0],
                sha256=name,
                recipe="",
                format=name.rpartition(".")[2],
            )
            for name in (one, two)
        ),
    )
    assert len(choose(rows)) == (1 if same else 2)


def test_two_foreign_files_of_one_name_are_two_networks(results):
    files = (named(factory.measurement(threads=n), "model.tflite", model="model",
                   sha256=f"{n}" * 64) for n in (1, 2))  # fmt: skip
    assert len(choose(rows_of(results, *files))) == 2


def test_all_rows_that_are_as_good_are_counted(results):
    one = factory.measurement()
    twins = [named(one, f"twin{number}.tflite") for number in range(3)]
    slower = factory.measurement(slowdown=1.5, threads=1, batch=1, runtime="litert")
    slower = named(slower, "slower.tflite")
    (choice,) = choose(rows_of(results, one, *twins, slower))
    assert len(choice.ties) == 3
    assert (
        "Statistically indistinguishable from twin0.tflite on litert:cpu, 1 thread and 2 more."
        in (choice.sentence)
    )
    assert "Next: slower.tflite on litert:cpu, 1 thread, 1.5" in choice.sentence


def test_a_machine_twice_as_slow_for_a_while_hides_no_difference(results):
    """Both rows are slow in the same rounds: their intervals overlap, their ratio does not."""
    moods = (1.0, 2.0, 1.0, 2.0, 1.5)

    def moody(name, factor):
        row = named(factory.measurement(), name)
        runs = tuple(
            replace(run, samples_ns=tuple(int(t * mood * factor) for t in run.samples_ns))
            for run, mood in zip(row.runs, moods, strict=True)
        )
        return replace(row, runs=runs)

    (choice,) = choose(rows_of(results, moody("fast.tflite", 1.0), moody("slow.tflite", 1.05)))
    assert choice.row.speed.p50.high > choice.runner_up.speed.p50.low
    assert not choice.ties
    assert "Next: slow.tflite" in choice.sentence


def test_one_process_decides_nothing(results):
    rows = rows_of(
        results,
        named(factory.measurement(processes=1), "a.tflite"),
        named(factory.measurement(processes=1, slowdown=1.2), "b.tflite"),
    )
    (choice,) = choose(rows)
    assert choice.row.lack == "no interval: one process"
    assert "Undecided against b.tflite" in choice.sentence
    assert "fewer than three processes on one side" in choice.sentence


def test_the_neighbor_is_named_with_its_share_and_the_latency_then(results):
    (choice,) = choose(rows_of(results, factory.watched(factory.measurement(), 0.4, 2.0)))
    assert "A neighbor shared the core in 57% of the time: 0.62" in choice.sentence
    assert choice.row.p50 == pytest.approx(0.31, rel=0.05)


def test_a_network_that_guesses_is_not_praised(results):
    guess = replace(factory.answered(37, 360), chance=0.1, chance_p=0.46, answered=9)
    (choice,) = choose(rows_of(results, replace(factory.measurement(), accuracy=guess)))
    assert "The network is not better than chance: 10.3% of 360 samples right" in choice.sentence
    assert " measured within " in choice.sentence


SHAPES = ("1x3x640x640", "1x3x320x320", "")


def test_inputs_of_other_shapes_and_servers_of_other_demands_do_not_compete():
    choices = choose(collect([factory.asked()]))
    assert [choice.measured for choice in choices] == [2, 1, 2, 1, 1, 1]
    assert [choice.row.shape for choice in choices[:3]] == list(SHAPES)
    assert [choice.sentence.partition(": ")[0] for choice in choices] == [
        f"Sample CPU @ 2.10GHz, cpu{work}"
        for work in (
            ", shape 1x3x640x640",
            ", shape 1x3x320x320",
            "",
            ", server",
            ", server, 100 queries a second",
            ", server, 100 queries a second, latency bound 7.5 ms",
        )
    ]


def test_names_say_what_was_asked_where_it_is_not_the_usual():
    rows = collect([factory.asked()])
    where = "lenet5.float32.tflite on litert:cpu, 1 thread"
    assert [name(row).removeprefix(where) for row in rows[2:]] == [
        ", shape 1x3x320x320",
        "",
        ", beam 4",
        "",
        ", 100 queries a second",
        ", 100 queries a second, latency bound 7.5 ms",
    ]
    assert [row.unusual for row in rows[2:]] == [
        " shape 1x3x320x320",
        "",
        " beam 4",
        " server 1",
        " server 1 100 qps",
        " server 1 100 qps bound 7.5 ms",
    ]
    assert len({label for label, _, _ in charts.labels(rows)}) == len(rows)


def test_speed_and_accuracy_are_compared_at_the_same_shape(results):
    def asked(row, shape):
        return replace(row, options=replace(row.options, shape=shape))

    keras = factory.measurement(file_format="keras", runtime="keras")
    parents = [replace(asked(keras, shape), accuracy=factory.answered(right))
               for shape, right in zip(SHAPES, (300, 320, 340), strict=True)]  # fmt: skip
    child = replace(factory.measurement(), accuracy=factory.answered(300))
    children = [asked(child, shape) for shape in (*SHAPES, "1x3x96x96")]
    *small, other = rows_of(results, *parents, *children)[len(parents) :]
    lost = [100 * count / 360 for count in (0, 20, 40)]
    assert [row.drop for row in small] == pytest.approx(lost)
    assert other.drop == pytest.approx(lost[-1])  # of the parent that has a shape of its own
    (alone,) = rows_of(results, parents[0], children[1])[1:]
    assert (alone.drop, alone.speed.speedup.estimate) == (None, None)
