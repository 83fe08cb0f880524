"""Simulate light, weather, lens and compression between a sign and the sensor.

Each effect takes and returns (height, width, 3) uint8 RGB and draws its own strength.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgecnn.data.synthetic.backgrounds import grain
from edgecnn.registry import require

ImageArray = npt.NDArray[np.uint8]
Generator = np.random.Generator


def weather(image: ImageArray, rng: Generator) -> ImageArray:
    """At most one weather, then perhaps glare, night, a color cast, blur, noise and JPEG."""
    roll = rng.random()
    if roll < 0.08:
        image = fog(image, rng)
    elif roll < 0.14:
        image = rain(image, rng)
    elif roll < 0.20:
        image = snow(image, rng)
    if rng.random() < 0.14:
        image = night(image, rng)
    if rng.random() < 0.08:
        image = glare(image, rng)
    image = tone(image, rng)
    roll = rng.random()
    if roll < 0.12:
        image = motion_blur(image, rng)
    elif roll < 0.32:
        image = defocus(image, rng)
    if rng.random() < 0.5:
        image = sensor_noise(image, rng)
    if rng.random() < 0.4:
        image = jpeg(image, rng)
    return image


def fog(image: ImageArray, rng: Generator) -> ImageArray:
    """Blend towards gray, thicker at the top, where the distance is."""
    cv2 = require("cv2", "opencv")
    gray = float(rng.uniform(150, 235))
    thick = np.linspace(rng.uniform(0.3, 0.75), rng.uniform(0.1, 0.4), image.shape[0])
    keep = (1 - thick).astype(np.float32)[:, None, None]
    shape = image.shape[:2]
    return np.asarray(
        cv2.convertScaleAbs(
            image * np.broadcast_to(keep, (*shape, 1)) + gray * (1 - keep), alpha=1.0
        ),
        np.uint8,
    )


def rain(image: ImageArray, rng: Generator) -> ImageArray:
    """Slanted streaks, brighter than what is behind them, in duller light."""
    cv2 = require("cv2", "opencv")
    height, width = image.shape[:2]
    streaks = np.zeros((height, width), np.uint8)
    slant = float(rng.uniform(-0.35, 0.35))
    length = float(rng.uniform(0.03, 0.1)) * height
    starts = rng.uniform((0, -length), (width, height), (int(rng.integers(80, 400)), 2))
    for x, y in starts:
        cv2.line(streaks, (int(x), int(y)), (int(x + slant * length), int(y + length)), 255, 1)
    streaks = cv2.blur(streaks, (1, 3))
    veil = cv2.cvtColor(streaks, cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(image, 0.8, veil, float(rng.uniform(0.15, 0.5)), 12))


def snow(image: ImageArray, rng: Generator) -> ImageArray:
    """Flakes of several sizes in front of everything, and a paler scene."""
    cv2 = require("cv2", "opencv")
    height, width = image.shape[:2]
    image = np.asarray(cv2.addWeighted(image, 0.8, image, 0, float(rng.uniform(20, 60))))
    for _ in range(int(rng.integers(60, 350))):
        center = (int(rng.integers(width)), int(rng.integers(height)))
        radius = 1 + int(rng.exponential(0.8))
        cv2.circle(image, center, min(radius, 6), (240, 242, 245), -1, cv2.LINE_AA)
    return image


def night(image: ImageArray, rng: Generator) -> ImageArray:
    """Dark and blue or yellow, with lamps; signs return a headlight's beam."""
    cv2 = require("cv2", "opencv")
    height, width = image.shape[:2]
    level = float(rng.uniform(0.12, 0.5))
    tint = np.asarray(((0.85, 0.9, 1.15), (1.15, 1.0, 0.75))[rng.integers(2)])
    beam = _spot(height, width, rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height,
                 rng.uniform(0.2, 0.6) * width)  # fmt: skip
    gain = (level + beam * float(rng.uniform(0.2, 0.9)))[:, :, None] * tint.astype(np.float32)
    dark = np.clip(image * gain, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 7))):
        center = (int(rng.integers(width)), int(rng.integers(height)))
        color = ((255, 240, 200), (255, 60, 50), (255, 180, 90))[rng.integers(3)]
        cv2.circle(dark, center, int(rng.integers(1, 6)), color, -1, cv2.LINE_AA)
    return dark


def glare(image: ImageArray, rng: Generator) -> ImageArray:
    """A low sun: one bright spot that washes out its surroundings."""
    height, width = image.shape[:2]
    spot = _spot(height, width, rng.uniform(0, width), rng.uniform(0, height),
                 rng.uniform(0.1, 0.5) * width)  # fmt: skip
    light = spot[:, :, None] * np.asarray((255, 245, 220), np.float32) * float(rng.uniform(0.3, 1))
    return np.clip(image + light, 0, 255).astype(np.uint8)


def tone(image: ImageArray, rng: Generator) -> ImageArray:
    """Exposure, contrast, gamma, white balance and saturation, as cameras disagree on them."""
    cv2 = require("cv2", "opencv")
    gamma = math.exp(rng.normal(0, 0.25))
    contrast = math.exp(rng.normal(0, 0.15))
    offset = rng.normal(0, 10)
    values = np.linspace(0, 1, 256)[:, None] ** gamma * 255
    values = (values - 127) * contrast + 127 + offset
    values = values * np.exp(rng.normal(0, 0.06, 3))
    table = np.clip(values, 0, 255).astype(np.uint8)[:, None]
    toned = np.asarray(cv2.LUT(image, table.reshape(1, 256, 3)), np.uint8)
    saturation = float(np.clip(rng.normal(0.95, 0.25), 0.0, 1.6))
    if abs(saturation - 1) > 0.08:
        gray = cv2.cvtColor(cv2.cvtColor(toned, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        toned = np.asarray(cv2.addWeighted(toned, saturation, gray, 1 - saturation, 0), np.uint8)
    return toned


def motion_blur(image: ImageArray, rng: Generator) -> ImageArray:
    cv2 = require("cv2", "opencv")
    length = int(rng.integers(3, 10))
    angle = float(rng.uniform(0, math.pi))
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    reach = np.asarray((math.cos(angle), math.sin(angle))) * middle
    ends = [tuple(round(v) for v in middle + sign * reach) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def defocus(image: ImageArray, rng: Generator) -> ImageArray:
    cv2 = require("cv2", "opencv")
    return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.5))), np.uint8)


def sensor_noise(image: ImageArray, rng: Generator) -> ImageArray:
    cv2 = require("cv2", "opencv")
    noise = grain(rng, *image.shape[:2], octave=int(rng.random() < 0.2))
    strength = float(rng.uniform(2, 16)) / 42
    return np.asarray(cv2.addWeighted(image, 1.0, noise, strength, 0, dtype=cv2.CV_8U), np.uint8)


def jpeg(image: ImageArray, rng: Generator) -> ImageArray:
    cv2 = require("cv2", "opencv")
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 92))]
    _, packed = cv2.imencode(".jpg", image, quality)
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def _spot(height: int, width: int, x: float, y: float, radius: float) -> npt.NDArray[np.float32]:
    across = np.exp(-((np.arange(width) - x) ** 2) / (2 * radius**2))
    down = np.exp(-((np.arange(height) - y) ** 2) / (2 * radius**2))
    return np.asarray(down[:, None] * across[None, :], np.float32)
