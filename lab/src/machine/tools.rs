//! Asks programs for something short, for a bounded time.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// More than any answer that is read here; the rest of a longer one is dropped.
const LONGEST_OUTPUT_BYTES: u64 = 1 << 20;

/// Where a program is in the `PATH`.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| {
        use std::os::unix::fs::PermissionsExt;
        file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// What `program` prints, standard output first, if it ends well within `limit`.
///
/// # Errors
/// It is not there, ends with another code than 0 (the error has its last line), or does not end in time.
pub fn run(program: &str, arguments: &[&str], limit: Duration) -> Result<String> {
    let shown = || format!("{program} {}", arguments.join(" "));
    let deadline = Instant::now() + limit;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(shown)?;
    let output = read_in_background(child.stdout.take());
    let errors = read_in_background(child.stderr.take());
    let Some(status) = wait_until(&mut child, deadline).with_context(shown)? else {
        child.kill().with_context(shown)?;
        child.wait().with_context(shown)?;
        bail!("{}: no answer within {} s", shown(), limit.as_secs());
    };
    // A process that it left behind may hold the pipes open.
    let rest = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
    let text = output.recv_timeout(rest()).unwrap_or_default();
    let errors = errors.recv_timeout(rest()).unwrap_or_default();
    if !status.success() {
        let last = errors.trim().lines().last().unwrap_or_default().to_owned();
        bail!("{}: {}: {last}", shown(), code_in_words(status));
    }
    Ok(text + &errors)
}

fn code_in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (_, Some(signal)) => format!("ended by signal {signal}"),
        _ => "ended".to_owned(),
    }
}

fn read_in_background(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut bytes = Vec::new();
        let _ = pipe.by_ref().take(LONGEST_OUTPUT_BYTES).read_to_end(&mut bytes);
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
        // A program whose output nobody takes would not end.
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    });
    receive
}

/// `None` if it still runs at the deadline.
fn wait_until(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("its process id")?;
    // It is not waited for yet, so the number is still its own.
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(child.try_wait()?);
        }
        let mut waited_for = [PollFd::new(&handle, PollFlags::IN)];
        match poll(&mut waited_for, Some(&Timespec::try_from(left)?)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(Some(child.wait()?)),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn what_it_prints_comes_back() {
        assert_eq!(run("sh", &["-c", "echo out; echo err >&2"], LIMIT).unwrap(), "out\nerr\n");
    }

    #[test]
    fn a_bad_end_is_told_with_its_last_words() {
        let error = run("sh", &["-c", "echo first >&2; echo last words >&2; exit 3"], LIMIT).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("exit code 3") && text.contains("last words"), "{text}");
        assert!(run("no-such-program-anywhere", &[], LIMIT).is_err());
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let begin = Instant::now();
        // Without `exec` the shell's child would live on.
        let error = run("sh", &["-c", "exec sleep 600"], Duration::from_millis(200)).unwrap_err();
        assert!(format!("{error:#}").contains("no answer"), "{error:#}");
        assert!(begin.elapsed() < LIMIT);
    }

    #[test]
    fn an_answer_longer_than_a_pipe_is_read_whole() {
        let text = run(
            "sh",
            &["-c", "i=0; while [ $i -lt 3000 ]; do echo \"$i $(printf %60s)\"; i=$((i+1)); done"],
            LIMIT,
        );
        assert!(text.unwrap().len() > 180_000);
    }
}
