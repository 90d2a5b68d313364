//! Options on the command line of a benchmark.

use std::error::Error;

pub fn option(name: &str, default: f64) -> Result<f64, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == name) {
        Some(at) => Ok(arguments.get(at + 1).ok_or_else(|| format!("{name} needs a value"))?.parse()?),
        None => Ok(default),
    }
}
