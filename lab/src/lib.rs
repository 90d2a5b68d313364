//! The lab: contests between backends in equal budgets.
//!
//! A contest is a folder below `lab/contests/`, a contestant is a folder below `peers/`; neither needs Rust. The lab starts the
//! contestants one at a time within the contest's budget, proves from their cgroups that the budget holds, checks the API's
//! rules, loads it, compares the stored rows with what was acknowledged, kills everything and compares again, and writes what
//! it saw as JSON, HTML and Markdown.
//!
//! What may not enter: any rule of one contestant. The lab knows contestants by their files alone, pouco included.
#![warn(clippy::print_stdout, clippy::print_stderr)] // see `view`

pub mod archive;
pub mod cli;
pub mod command;
pub mod compare;
pub mod conformance;
pub mod contest;
pub mod contestant;
pub mod doctor;
pub mod drivers;
pub mod exporter;
pub mod figures;
pub mod http;
pub mod lines;
pub mod load;
pub mod machine;
pub mod meters;
pub mod oracle;
pub mod record;
pub mod report;
pub mod runner;
pub mod stack;
pub mod stats;
pub mod view;
