//! What must be stored after a run, compared with what is.
