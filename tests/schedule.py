"""Which files of tests go first where several processes share them: those that take longest.

A long file that is begun last leaves all other processes idle until it is done.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
LONGEST = (
    "integration/search/test_search.py",
    "e2e/test_walk_through.py",
    "integration/training/test_train.py",
    "e2e/test_walk_through_how_to.py",
    "integration/boards/test_faults.py",
    "integration/boards/test_boards.py",
    "integration/boards/test_transfer.py",
    "e2e/test_nobody_is_called.py",
    "integration/training/test_boxes.py",
    "e2e/test_documentation_site.py",
    "integration/optimization/test_optimize.py",
    "integration/boards/test_search.py",
    "integration/sequences/test_sequences.py",
    "unit/models/test_architectures.py",
    "integration/optimization/test_bundle.py",
    "e2e/test_report_page.py",
    "e2e/test_locale.py",
    "e2e/test_explain.py",
    "e2e/test_wheel.py",
    "e2e/test_notebooks.py",
    "integration/benchmarking/test_versions_of_a_runtime.py",
    "integration/live/test_detect_command.py",
    "integration/conversion/test_onnx_to_tflite.py",
    "integration/conversion/test_keras_sources.py",
    "e2e/test_bad_input.py",
    "e2e/test_command_line.py",
    "e2e/test_output_files.py",
    "integration/optimization/test_levers.py",
    "integration/conversion/test_ncnn_and_mnn.py",
    "integration/conversion/test_artifacts.py",
    "integration/conversion/test_modalities.py",
    "integration/conversion/test_applications.py",
    "integration/optimization/test_command_line.py",
    "integration/runtimes/test_contract.py",
    "integration/training/test_resume.py",
    "integration/training/test_devices.py",
    "integration/vision/test_as_any_other_task.py",
    "integration/vision/test_detector.py",
    "integration/optimization/test_bundles_of_other_models.py",
    "traps/test_what_goes_in.py",
    "traps/test_what_data_hold.py",
    "traps/test_how_it_is_measured.py",
    "traps/test_what_comes_out.py",
    "traps/test_what_runs.py",
    "e2e/test_measure_again.py",
    "e2e/test_interruption.py",
    "e2e/test_models_command.py",
    "unit/feeding/test_keras_models.py",
    "unit/search/test_worker_pool.py",
    "unit/formats/test_hostile_files.py",
    "integration/benchmarking/test_worker_process.py",
)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests by their file, in place; all others follow in their order."""
    rank = {TESTS / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(LONGEST)))
