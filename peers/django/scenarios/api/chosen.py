"""The store that was chosen, and nothing of the other."""

import importlib

import environment

store = importlib.import_module(f"api.store_{environment.STORE}")
