"""The live demo: a source, a detector, and everything that shows or keeps what they find."""

from edgecnn.vision.live.models import runtimes_for
from edgecnn.vision.live.running import LiveRun
from edgecnn.vision.live.settings import LiveSettings
from edgecnn.vision.live.summary import RunSummary

__all__ = ["LiveRun", "LiveSettings", "RunSummary", "runtimes_for"]
