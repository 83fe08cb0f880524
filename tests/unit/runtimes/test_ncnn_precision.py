"""What ncnn computes with, by what it says of the processor."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edgecnn.runtimes.ncnn import _computed

DEFAULTS = SimpleNamespace(
    use_int8_inference=True,
    use_bf16_storage=False,
    use_fp16_storage=True,
    use_fp16_arithmetic=True,
)
PROCESSORS = {
    "x86": {"cpu_support_x86_avx2"},
    "Raspberry Pi 4": {"cpu_support_arm_vfpv4"},
    "Raspberry Pi 5": {"cpu_support_arm_vfpv4", "cpu_support_arm_asimdhp"},
    "old": set(),
}


def on(processor: str) -> SimpleNamespace:
    """A stand-in for ncnn on another processor: what it answers there."""
    asked = ("cpu_support_x86_avx2", "cpu_support_arm_vfpv4", "cpu_support_arm_asimdhp")
    return SimpleNamespace(
        **{name: (lambda has=name in PROCESSORS[processor]: int(has)) for name in asked}
    )


@pytest.mark.parametrize(
    ("processor", "dense", "recurrent", "convolution"),
    [
        ("x86", "float16_weights", "float16_weights", "float32"),
        ("Raspberry Pi 4", "float16_weights", "float32", "float32"),
        ("Raspberry Pi 5", "float16", "float16", "float16"),
        ("old", "float32", "float32", "float32"),
    ],
)
def test_what_is_rounded_to_half_depends_on_the_processor(
    processor: str, dense: str, recurrent: str, convolution: str
):
    kinds = ("InnerProduct", "LSTM", "Convolution")
    found = [_computed(on(processor), DEFAULTS, kind, "float32") for kind in kinds]
    assert found == [dense, recurrent, convolution]


def test_the_installed_ncnn_can_be_asked_all_of_it():
    ncnn = pytest.importorskip("ncnn", reason="pip install 'edgecnn[ncnn]'")
    for name in PROCESSORS["x86"] | PROCESSORS["Raspberry Pi 5"]:
        assert isinstance(getattr(ncnn, name)(), int)
