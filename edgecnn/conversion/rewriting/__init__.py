"""Graphs rewritten in plainer operators that compute the same, so that more converters and runtimes
take them: one folder for each kind of model.
"""
