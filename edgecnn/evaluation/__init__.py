"""Outputs against labels: what a model answered, and how often it was right. numpy only."""
