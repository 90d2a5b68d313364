//! Medians and bootstrap intervals.
