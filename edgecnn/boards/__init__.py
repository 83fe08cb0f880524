"""Measure on other machines over SSH. Nothing stays resident there: a board that waits is idle.

`inventory` knows the boards, `connection` reaches one, `remote` brings edgecnn and jobs there and
results back, `runner` is what runs there, under a lock and without the client.
"""
