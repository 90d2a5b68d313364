//! The lab: contests between backends in equal budgets.
//!
//! A contestant is a folder below `peers/` and needs no Rust. A contest is a folder below `lab/contests/` and
//! names the oracle by which it is judged, which is Rust (`src/oracle/`).
//!
//! The lab starts the contestants one at a time within the contest's budget, proves from their cgroups that
//! the budget holds, checks the API's rules, loads it, compares the stored rows with what was acknowledged,
//! kills everything and compares again, and writes what it saw as JSON, HTML and Markdown.
//!
//! Without the feature `contests` there is only what `pouco-meters` is made of.
//!
//! What may not enter: any rule of one contestant. The lab knows contestants by their files alone, pouco
//! included.
#![warn(clippy::print_stdout, clippy::print_stderr)] // see `view`

#[cfg(feature = "contests")]
pub mod archive;
#[cfg(feature = "contests")]
pub mod cli;
#[cfg(feature = "contests")]
pub mod command;
#[cfg(feature = "contests")]
pub mod compare;
#[cfg(feature = "contests")]
pub mod conformance;
#[cfg(feature = "contests")]
pub mod contest;
#[cfg(feature = "contests")]
pub mod contestant;
#[cfg(feature = "contests")]
pub mod doctor;
#[cfg(feature = "contests")]
pub mod drivers;
#[cfg(feature = "contests")]
pub mod experiment;
pub mod exporter;
#[cfg(feature = "contests")]
pub mod figures;
#[cfg(feature = "contests")]
pub mod format;
#[cfg(feature = "contests")]
pub mod http;
#[cfg(feature = "contests")]
pub mod lines;
#[cfg(feature = "contests")]
pub mod live;
#[cfg(feature = "contests")]
pub mod load;
#[cfg(feature = "contests")]
pub mod machine;
pub mod meters;
#[cfg(feature = "contests")]
pub mod model;
#[cfg(feature = "contests")]
pub mod oracle;
#[cfg(feature = "contests")]
pub mod record;
#[cfg(feature = "contests")]
pub mod report;
#[cfg(feature = "contests")]
pub mod runner;
#[cfg(feature = "contests")]
pub mod shop;
#[cfg(feature = "contests")]
pub mod stack;
#[cfg(feature = "contests")]
pub mod stats;
#[cfg(feature = "contests")]
pub mod stress;
#[cfg(feature = "contests")]
pub mod table;
pub mod view;
