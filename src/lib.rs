//! pouco: a backend that needs little.
pub mod http;
