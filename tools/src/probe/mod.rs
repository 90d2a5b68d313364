//! Questions to any server, taken from RFC 9110, 9112 and 3986, on a connection each, and what these allow as
//! an answer. Nothing here knows the server's insides.

pub mod answer;
pub mod case;
pub mod cases;
pub mod outcome;
pub mod report;
pub mod run;
pub mod self_test;
pub mod template;
pub mod wire;
