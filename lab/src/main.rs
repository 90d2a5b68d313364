//! The lab's command line: it only wires.

fn main() {}
