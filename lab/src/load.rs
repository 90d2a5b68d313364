//! The native generator: open model, intended start times, every answer checked.
