"""The old names of `edgecnn.training.config`, for one more release: a recipe quantizes."""

from __future__ import annotations

from edgecnn.deprecation import old_names

__getattr__ = old_names(
    __name__,
    {
        "BoxRecipe": "edgecnn.training.config:DetectorTrainingConfig",
        "RECIPES": "edgecnn.training.config:CONFIGS",
        "TrainingRecipe": "edgecnn.training.config:TrainingConfig",
        "default_epochs": "edgecnn.training.config:default_epochs",
        "recipe_for": "edgecnn.training.config:config_for",
    },
)
