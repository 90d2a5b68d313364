//! A generator that was waited for before its meter was stopped. Alone in its file: the children of another
//! test of the same process would count with it.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

use pouco_lab::meters::ProcessMeter;

#[test]
fn what_it_used_until_its_end_is_counted() {
    // The shell ends by itself, after about a third of a second of work, and no sample comes before its end.
    let work = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; times";
    let child = Command::new("sh").args(["-c", work]).stdout(Stdio::piped()).spawn().unwrap();
    let meter = ProcessMeter::of(i32::try_from(child.id()).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let usage = meter.stop().unwrap();
    // The first line of `times` is the shell's own: `0m0.330s 0m0.010s`.
    let text = String::from_utf8(output.stdout).unwrap();
    let own = text.lines().next().unwrap();
    let seconds = |time: &str| {
        let (minutes, seconds) = time.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    let expected: f64 = own.split_whitespace().map(seconds).sum();
    assert!(expected > 0.05, "the work was too short to tell: {own}");
    assert!((usage.cpu_seconds - expected).abs() < 0.05, "{} instead of {expected}", usage.cpu_seconds);
}
