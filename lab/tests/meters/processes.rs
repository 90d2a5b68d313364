//! The meters on real processes. The process that is measured is this program itself, run for the one test
//! that does as the environment says; it measures by another way what it uses, and says when it is ready.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use pouco_lab::meters::{Meter, ProcessMeter, Target};
use rustix::time::{ClockId, clock_gettime};

const WORK: &str = "POUCO_LAB_TEST_WORK";
const BURNT: Duration = Duration::from_millis(300);
const MIB: u64 = 1 << 20;
const ALLOCATED: u64 = 64 * MIB;

#[test]
#[ignore = "not a test: the process that the tests of this file measure"]
fn work() {
    let Ok(work) = std::env::var(WORK) else { return };
    let cpu = || Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let mut held = Vec::new();
    match work.as_str() {
        "burn" => {
            while cpu() < BURNT {
                std::hint::spin_loop();
            }
        }
        "allocate" => held = vec![1u8; usize::try_from(ALLOCATED).unwrap()],
        // Each sleep is one voluntary switch.
        "switch" => (0..200).for_each(|_| std::thread::sleep(Duration::from_micros(100))),
        other => panic!("no such work: {other}"),
    }
    println!("ready");
    // Until whoever measures has seen enough.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    std::hint::black_box(&held);
}

/// The process, and its input: it ends when that is dropped.
struct Worker {
    child: Child,
    input: Option<ChildStdin>,
}

impl Worker {
    /// Returns when the work is done.
    fn start(work: &str, below_a_shell: bool) -> Self {
        let mut worker = Self::begin(work, below_a_shell);
        worker.work();
        worker
    }

    /// It does nothing before [`Worker::work`].
    fn begin(work: &str, below_a_shell: bool) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = if below_a_shell {
            let mut shell = Command::new("sh");
            // Not the last command, or the shell would become it.
            shell.args(["-c", "\"$@\"; exit $?", "sh"]).arg(program);
            shell
        } else {
            Command::new(program)
        };
        command.args(["--exact", "processes::work", "--ignored", "--nocapture"]).env(WORK, work);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        Self { child, input }
    }

    /// Returns when the work is done.
    fn work(&mut self) {
        self.input.as_mut().unwrap().write_all(b"go\n").unwrap();
        let mut output = BufReader::new(self.child.stdout.take().unwrap());
        let mut line = String::new();
        // The harness prints before it, and on the same line.
        while !line.trim_end().ends_with("ready") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "the process ended before it was ready");
        }
        // What the harness prints at the end needs somewhere to go.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn end(&mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn target(&self) -> Target {
        Target { service: "worker".into(), role: None, pid: self.pid(), container_id: None, root: "/".into() }
    }
}

impl Drop for Worker {
    /// It ends with its input, and one below a shell with it, which a signal to the shell would not reach.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Twice or half of what was burnt is wrong.
fn assert_burnt(cpu_seconds: f64) {
    assert!((0.2..0.55).contains(&cpu_seconds), "{cpu_seconds} CPU s instead of about 0.3");
}

#[test]
fn cpu_between_start_and_stop_is_counted_and_no_more() {
    let mut worker = Worker::begin("burn", true);
    let meter = Meter::start(vec![worker.target()], None).unwrap();
    worker.work();
    let report = meter.stop().unwrap();
    let usage = &report.resources.services["worker"];
    assert_burnt(usage.cpu_seconds);
    assert!((report.resources.total.cpu_seconds - usage.cpu_seconds).abs() < 1e-9);
    assert_eq!(usage.throttled_seconds, None);

    let meter = Meter::start(vec![worker.target()], None).unwrap();
    let idle = meter.stop().unwrap().resources.total.cpu_seconds;
    assert!(idle < 0.1, "{idle} CPU s of before the start");
}

#[test]
fn memory_is_the_largest_sum_and_shows_in_the_series() {
    let workers = [Worker::start("allocate", false), Worker::start("allocate", true)];
    let mut targets: Vec<Target> = workers.iter().map(Worker::target).collect();
    targets[1].service = "other".into();
    let meter = Meter::start(targets, None).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let point = loop {
        match meter.latest() {
            Some(point) => break point,
            None => assert!(Instant::now() < deadline, "no point after 20 s"),
        }
        std::thread::park_timeout(Duration::from_millis(10));
    };
    let report = meter.stop().unwrap();
    for usage in report.resources.services.values() {
        assert!((ALLOCATED..ALLOCATED * 3 / 2).contains(&usage.memory_bytes), "{usage:?}");
    }
    let total = report.resources.total.memory_bytes;
    assert!((2 * ALLOCATED..3 * ALLOCATED).contains(&total), "{total} bytes");
    assert!((0.9..10.0).contains(&point.second) && point.cpus < 0.5, "{point:?}");
    assert_eq!(report.series[0], point);
    assert_eq!(point.memory_bytes, total);
}

#[test]
fn switches_of_a_process_that_sleeps_are_voluntary() {
    let mut worker = Worker::begin("switch", false);
    let meter = Meter::start(vec![worker.target()], None).unwrap();
    worker.work();
    let total = meter.stop().unwrap().resources.total;
    let voluntary = total.voluntary_switches.unwrap();
    assert!((200..400).contains(&voluntary), "{voluntary} switches");
    assert!(total.involuntary_switches.is_some());
}

#[test]
fn a_process_that_ended_is_told() {
    let mut worker = Worker::start("burn", false);
    let meter = Meter::start(vec![worker.target()], None).unwrap();
    worker.end();
    let report = meter.stop().unwrap();
    assert!(report.notes.len() == 1 && report.notes[0].starts_with("worker: after"), "{:?}", report.notes);
}

#[test]
fn a_generator_is_counted_from_its_beginning_with_what_it_started() {
    for below_a_shell in [false, true] {
        let worker = Worker::start("burn", below_a_shell);
        let meter = ProcessMeter::of(worker.pid()).unwrap();
        let usage = meter.stop().unwrap();
        assert_burnt(usage.cpu_seconds);
        let memory = usage.memory_bytes.unwrap();
        assert!((MIB..ALLOCATED).contains(&memory), "{memory} bytes");
    }
    let worker = Worker::start("allocate", true);
    let usage = ProcessMeter::of(worker.pid()).unwrap().stop().unwrap();
    assert!((ALLOCATED..ALLOCATED * 3 / 2).contains(&usage.memory_bytes.unwrap()), "{usage:?}");
}

#[test]
fn this_process_is_counted_from_the_meter_s_start() {
    let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let meter = ProcessMeter::of_this_process().unwrap();
    let begin = cpu();
    while cpu() - begin < BURNT {
        std::hint::spin_loop();
    }
    let usage = meter.stop().unwrap();
    // Other tests of this file run in the same process, and cost little beside.
    assert!((0.29..1.2).contains(&usage.cpu_seconds), "{usage:?}");
    assert!(usage.memory_bytes.unwrap() > MIB, "{usage:?}");
}
