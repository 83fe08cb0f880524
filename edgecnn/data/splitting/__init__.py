"""Keep training, calibration and test samples apart."""
