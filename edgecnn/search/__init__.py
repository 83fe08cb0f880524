"""Hyperparameters with the hardware in the loop: which network to train for a target.

Optuna chooses what to try (`study`), Dask carries trials to processes and machines (`crew`,
`carrier`), a process of its own trains and converts each (`trial`), and the client alone measures
on the target and writes to the database (`measuring`, `search`).
"""
