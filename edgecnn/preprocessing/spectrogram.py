"""Log-mel spectrograms: loudness of frequency bands over time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgecnn.errors import InputError
from edgecnn.preprocessing.base import FloatArray, Preprocessing, check_sizes

LONGEST = 60.0
"""Seconds of a window or a hop: more is no spectrogram, and would not fit into memory."""


@dataclass(frozen=True)
class SpectrogramPreprocessing(Preprocessing):
    """Samples over time (n,) or (n, channels) → log-mel spectrogram, float32 (frames, bands).

    Channels are averaged. Every `hop` seconds a Hann window of `window` seconds gives a power
    spectrum, whose sums under `bands` triangles between `lowest` hertz and half the `rate`, evenly
    on the mel scale (S. Davis and P. Mermelstein 1980), become logarithms: 1 is the recording's
    loudest, 0 is `floor_db` below it or softer, so that how loud a recording is does not matter.
    More frames than `frames` are cut to the loudest stretch, fewer are centered in silence (0).

    A band's mean over the recording stays: a single word is too short for that mean to be the
    microphone's color rather than the word's.
    """

    frames: int
    bands: int = 40
    rate: int = 8000
    window: float = 0.032
    hop: float = 0.01
    lowest: float = 60.0
    floor_db: float = 45.0

    kind: ClassVar[str] = "spectrogram"
    layout: ClassVar[str] = "NLC"

    def __post_init__(self) -> None:
        check_sizes("a spectrogram", frames=self.frames, bands=self.bands, rate=self.rate)
        shortest = 4 / self.rate, 1 / self.rate
        if not (shortest[0] <= self.window <= LONGEST and shortest[1] <= self.hop <= LONGEST):
            raise InputError(
                f"window and hop are seconds, at least 4 samples and 1 at {self.rate} Hz and at "
                f"most {LONGEST:g} s, received: {self.window:g} and {self.hop:g}"
            )
        if not 0 <= self.lowest < self.rate / 2:
            raise InputError(
                f"the lowest frequency lies between 0 and {self.rate / 2:g} Hz, "
                f"received: {self.lowest}"
            )
        if not self.floor_db > 0:
            raise InputError(f"the floor is more than 0 dB down, received: {self.floor_db}")

    @property
    def shape(self) -> tuple[int, int]:
        """(frames, bands) of the tensor."""
        return (self.frames, self.bands)

    def __call__(self, sample: Any) -> FloatArray:
        """One recording (n,) or (n, channels), int16 or float → float32 (frames, bands)."""
        power = self._power(_mono(np.asarray(sample)))
        loudest = power.max()
        if not loudest > 0:
            return np.zeros(self.shape, np.float32)
        below_loudest = 10 * np.log10(np.maximum(power / loudest, 10 ** (-self.floor_db / 10)))
        levels = 1 + below_loudest / self.floor_db
        return self._fit(levels, power.sum(axis=1))

    def _power(self, samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Power of each band in each window that starts within the recording."""
        window, hop = round(self.window * self.rate), round(self.hop * self.rate)
        count = max(-(-(len(samples) - window) // hop), 0) + 1
        padded = np.zeros((count - 1) * hop + window)
        padded[: min(len(samples), len(padded))] = samples[: len(padded)]
        windows = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
        size = _fft_size(window)
        spectrum = np.fft.rfft(windows * np.hanning(window + 2)[1:-1], size)
        power = spectrum.real**2 + spectrum.imag**2
        return power @ mel_triangles(self.bands, self.rate, size, self.lowest)

    def _fit(
        self, levels: npt.NDArray[np.float64], loudness: npt.NDArray[np.float64]
    ) -> FloatArray:
        spare = self.frames - len(levels)
        if spare <= 0:
            sums = np.cumsum(np.concatenate(([0.0], loudness)))
            start = int(np.argmax(sums[self.frames :] - sums[: -self.frames]))
            return np.ascontiguousarray(levels[start : start + self.frames], np.float32)
        fitted = np.zeros(self.shape, np.float32)
        fitted[spare // 2 : spare // 2 + len(levels)] = levels
        return fitted


@lru_cache(maxsize=8)
def mel_triangles(bands: int, rate: int, size: int, lowest: float) -> npt.NDArray[np.float64]:
    """Weights (size // 2 + 1, bands) of an FFT's powers in each band.

    Neighboring triangles meet in each other's middle; one too narrow for the FFT's steps takes
    the nearest frequency's power.
    """
    edges = _hertz(np.linspace(_mel(lowest), _mel(rate / 2), bands + 2))
    frequencies = np.fft.rfftfreq(size, 1 / rate)[:, None]
    below, middle, above = edges[:-2], edges[1:-1], edges[2:]
    rising = (frequencies - below) / (middle - below)
    falling = (above - frequencies) / (above - middle)
    weights = np.maximum(np.minimum(rising, falling), 0)
    empty = np.flatnonzero(weights.sum(axis=0) == 0)
    weights[np.abs(frequencies - middle[empty]).argmin(axis=0), empty] = 1
    weights.flags.writeable = False
    return weights


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 700 * (10 ** (mel / 2595) - 1)


def _fft_size(window: int) -> int:
    return 1 << (window - 1).bit_length()


def _mono(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if values.ndim == 2:
        values = values.mean(axis=1) if values.shape[1] else values[:, 0:0].ravel()
    if values.ndim != 1 or not len(values):
        raise InputError(f"a sound is (samples,) or (samples, channels), received: {values.shape}")
    return values.astype(np.float64)
