"""Hardware-aware hyperparameter search: which network to train for a target.

Optuna chooses what to try (`study`), Dask carries trials to processes and machines (`worker_pool`,
`dask_worker`), a process of its own trains and converts each (`trial`), and the client alone
measures on the target and writes to the database (`measuring`, `search`).
"""
