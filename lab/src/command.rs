//! Programs that the lab calls: each with a time limit, its output kept, and its own process group, so that a
//! Ctrl-C that is meant for the lab does not end an engine in the middle of taking a contestant down. A
//! program that takes long, such as a build, is ended by the flag of [`stop_on`], but for those that take
//! something down.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

use crate::meters;

/// How often a program is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);
/// Of what a program says on its error channel, this much of the end goes into an error of ours.
const ERROR_BYTES: usize = 600;
/// Of each word of a command, this many characters.
const LONGEST_WORD: usize = 200;
/// A program that is told to end gets this long to put its things away: a build has containers of its own.
const ORDERLY: Duration = Duration::from_secs(5);

/// Whether the lab is to end.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on `flag`, once it is set, ends every program that runs, and lets no further one start; but for
/// [`unstopped`]. Only the first call counts.
pub fn stop_on(flag: Arc<AtomicBool>) {
    // A process has one such flag.
    let _ = STOP.set(flag);
}

/// Whether [`stop_on`]'s flag is set.
#[must_use]
pub fn interrupted() -> bool {
    is_set(STOP.get().map(Arc::as_ref))
}

/// That [`stop_on`]'s flag is set, as an error.
#[derive(Debug)]
struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Runs `command` to its end and returns what it wrote to its output.
///
/// # Errors
/// It cannot be started, takes longer than `limit` (its group is then killed), is interrupted, or ends with
/// another code than 0; the error names the command and quotes the end of its error channel.
pub fn output(command: &mut Command, limit: Duration) -> Result<String> {
    both(command, limit).map(|(out, _)| out)
}

/// Like [`output`], with what it wrote to its error channel next to it.
///
/// # Errors
/// As for [`output`].
pub fn both(command: &mut Command, limit: Duration) -> Result<(String, String)> {
    successful(command, limit, STOP.get().map(Arc::as_ref))
}

/// Like [`output`], for what has to be done though the lab is to end, such as taking down what it started.
///
/// # Errors
/// As for [`output`], but for the interruption.
pub fn unstopped(command: &mut Command, limit: Duration) -> Result<String> {
    successful(command, limit, None).map(|(out, _)| out)
}

/// Loopback, as `no_proxy` names it.
const LOOPBACK: &str = "localhost,127.0.0.1,::1";

/// Lets `command` ask this machine directly, whatever proxy the environment names; other exceptions stay.
pub(crate) fn directly(command: &mut Command) {
    let excepted = |name| std::env::var(name).ok().filter(|excepted: &String| !excepted.is_empty());
    // Some programs read the one and some the other, and those that read both do so in either order.
    for (name, other) in [("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")] {
        let excepted = excepted(name).or_else(|| excepted(other)).unwrap_or_default();
        command.env(name, with_loopback(&excepted));
    }
}

/// A lone `*` is kept: within a list it would mean nothing.
fn with_loopback(excepted: &str) -> String {
    match excepted {
        "" => LOOPBACK.to_owned(),
        "*" => excepted.to_owned(),
        others => format!("{others},{LOOPBACK}"),
    }
}

fn successful(command: &mut Command, limit: Duration, stop: Option<&AtomicBool>) -> Result<(String, String)> {
    let name = shown(command);
    let (status, out, error) = collect(command, limit, stop).with_context(|| name.clone())?;
    if !status.success() {
        bail!("{name}: {status}: {}", tail(&error));
    }
    Ok((out, error))
}

/// Like [`output`], for a program whose failure is an answer.
///
/// # Errors
/// It cannot be started, takes longer than `limit`, or is interrupted.
pub fn succeeds(command: &mut Command, limit: Duration) -> Result<bool> {
    let name = shown(command);
    Ok(collect(command, limit, STOP.get().map(Arc::as_ref)).context(name)?.0.success())
}

fn collect(
    command: &mut Command,
    limit: Duration,
    stop: Option<&AtomicBool>,
) -> Result<(ExitStatus, String, String)> {
    ensure!(!is_set(stop), Interrupted);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let out = read_all(child.stdout.take());
    let error = read_all(child.stderr.take());
    let status = wait(&mut child, limit, stop)?;
    Ok((status, text(&out), text(&error)))
}

fn is_set(stop: Option<&AtomicBool>) -> bool {
    stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
}

fn wait(child: &mut Child, limit: Duration, stop: Option<&AtomicBool>) -> Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            kill_group(child);
            child.wait()?;
            bail!("it did not end within {} s", limit.as_secs());
        }
        if is_set(stop) {
            end_group(child)?;
            bail!(Interrupted);
        }
        thread::sleep(POLL);
    }
}

/// Asks a group to end, and makes it end; and whatever descends from it: podman's build does not end the step
/// that it runs, which has a session of its own.
fn end_group(child: &mut Child) -> Result<()> {
    let root = i32::try_from(child.id())?;
    let family: Vec<(i32, Option<u64>)> =
        meters::family(root).into_iter().map(|pid| (pid, meters::alive(pid))).collect();
    signal_group(child, Signal::TERM);
    let deadline = Instant::now() + ORDERLY;
    // The leader may end before those that it started: podman-compose does not wait for podman's build.
    while (child.try_wait()?.is_none() || group_exists(child)) && Instant::now() < deadline {
        thread::sleep(POLL);
    }
    kill_group(child);
    for (pid, started) in family {
        // Its number may be another process's by now.
        if let Some(number) =
            Pid::from_raw(pid).filter(|_| started.is_some() && meters::alive(pid) == started)
        {
            let _ = kill_process(number, Signal::KILL);
        }
    }
    child.wait()?;
    Ok(())
}

/// Ends a child that was started in a group of its own, with all that it started.
pub fn kill_group(child: &Child) {
    signal_group(child, Signal::KILL);
}

fn group_exists(child: &Child) -> bool {
    let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    leader.is_some_and(|pid| test_kill_process_group(pid).is_ok())
}

fn signal_group(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself since.
        let _ = kill_process_group(pid, signal);
    }
}

/// What has come out of a pipe so far, and its reader thread.
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// A pipe must be read while the program runs, or it stops when the pipe is full.
fn read_all(pipe: Option<impl Read + Send + 'static>) -> Pipe {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&bytes);
    let reader = thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut piece = vec![0; 64 * 1024];
        while let Ok(n) = pipe.read(&mut piece) {
            if n == 0 {
                return;
            }
            into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..n]);
        }
    });
    Pipe { bytes, reader }
}

/// A program's grandchild may keep the pipe open for as long as it lives (an engine's monitor may): what has
/// come within a second after the program's end is all.
fn text(pipe: &Pipe) -> String {
    let deadline = Instant::now() + Duration::from_secs(1);
    while !pipe.reader.is_finished() && Instant::now() < deadline {
        thread::sleep(POLL);
    }
    String::from_utf8_lossy(&pipe.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

/// The end of what a program said, without blanks around it.
pub(crate) fn tail(error: &str) -> &str {
    let error = error.trim();
    let mut start = error.len().saturating_sub(ERROR_BYTES);
    while !error.is_char_boundary(start) {
        start += 1;
    }
    &error[start..]
}

/// The command as one would type it, for errors; a word that is a whole text, such as a statement, by its
/// beginning.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| beginning(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

fn beginning(word: &str) -> String {
    let line = word.trim_start().lines().next().unwrap_or_default();
    let short: String = line.chars().take(LONGEST_WORD).collect();
    if short.len() == word.len() { short } else { short + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_quotes_the_error_channel() {
        let error =
            output(Command::new("sh").args(["-c", "echo out; echo why >&2; exit 3"]), Duration::from_secs(5));
        let message = format!("{:#}", error.expect_err("exit code 3"));
        assert!(message.contains("why") && message.contains('3'), "{message}");
    }

    #[test]
    fn loopback_is_excepted_from_proxies_beside_what_is_already() {
        let all = ["", "*", "a.example"].map(with_loopback);
        assert_eq!(all, ["localhost,127.0.0.1,::1", "*", "a.example,localhost,127.0.0.1,::1"]);
    }

    #[test]
    fn an_error_shows_the_beginning_of_a_text() {
        let command = |text: &str| shown(Command::new("psql").args(["-c", text]));
        assert_eq!(command("SELECT 1"), "psql -c SELECT 1");
        assert_eq!(command("CREATE TABLE a (\n  b text\n)"), "psql -c CREATE TABLE a (…");
        assert_eq!(command(&"x".repeat(500)).chars().count(), "psql -c ".len() + LONGEST_WORD + 1);
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_all_that_it_started() {
        let started = Instant::now();
        let error =
            output(Command::new("sh").args(["-c", "sleep 60 & sleep 60"]), Duration::from_millis(200));
        assert!(format!("{:#}", error.expect_err("it hangs")).contains("did not end"));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_program_is_ended_in_order_where_the_lab_is_to_end_and_no_other_one_starts() {
        let folder = tempfile::tempdir().expect("a folder");
        // One in a session of its own hears nothing of it. The leader ends at once, and what it has started
        // needs a moment.
        let script = "setsid sh -c 'echo $$ > apart; exec sleep 600' &
            while ! [ -s apart ]; do sleep 0.02; done
            (trap 'sleep 0.3; touch ended; exit 1' TERM; touch begun; while :; do sleep 0.02; done) &
            wait";
        let mut program = Command::new("sh");
        program.args(["-c", script]).current_dir(&folder);
        let stop = AtomicBool::new(false);
        let started = Instant::now();
        let error = thread::scope(|scope| {
            let run = scope.spawn(|| collect(&mut program, Duration::from_secs(60), Some(&stop)));
            while !folder.path().join("begun").exists() {
                assert!(started.elapsed() < Duration::from_secs(30), "it did not begin");
                thread::sleep(POLL);
            }
            stop.store(true, Ordering::Relaxed);
            run.join().expect("no panic").expect_err("it was interrupted")
        });
        assert!(error.is::<Interrupted>(), "{error:#}");
        assert!(folder.path().join("ended").exists(), "it was not asked to end");
        let apart = std::fs::read_to_string(folder.path().join("apart")).expect("a number");
        let apart = apart.trim().parse().expect("a number");
        while meters::alive(apart).is_some() {
            assert!(started.elapsed() < Duration::from_secs(30), "{apart} still runs");
            thread::sleep(POLL);
        }
        assert!(started.elapsed() < Duration::from_secs(30));

        let error = collect(Command::new("touch").arg(folder.path().join("more")), POLL, Some(&stop));
        assert!(error.expect_err("the flag is set").is::<Interrupted>());
        assert!(!folder.path().join("more").exists());
    }

    #[test]
    fn more_than_a_pipe_holds_comes_whole() {
        let text = output(Command::new("sh").args(["-c", "yes | head -n 200000"]), Duration::from_secs(20));
        assert_eq!(text.map(|text| text.len()).unwrap_or(0), 400_000);
    }
}
