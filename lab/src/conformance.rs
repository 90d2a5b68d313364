//! The pass over a contest's rules before the load: requests and expected answers from a file.
