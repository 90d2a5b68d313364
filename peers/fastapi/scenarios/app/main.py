"""The application that was chosen, as `main:app`, and nothing of the others."""

import importlib

import experiments
import settings

app = experiments.changed(importlib.import_module(f"api_{settings.API}").app)
