//! JTLs are made here, as JMeter 5.6.3 writes them, and a shell script takes Java's place: that tests how
//! JMeter is started, followed and ended, and what is wrong with a JTL. JMeter itself is run in
//! `tests/conformance`.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::*;
use crate::contest::Contest;
use crate::drivers::testing::write_program;
use crate::oracle::inventory::{Answer, Deed};
use crate::shop::{Customer, Open};

const HEADER: &str = "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,\
    bytes,sentBytes,grpThreads,allThreads,URL,Latency,IdleTime,Connect,\"product\",\"price\",\"added\",\"removed\",\
    \"order\",\"ordered\",\"charged\"\n";

const THREADS: u32 = 2;
const LOOPS: u32 = 3;
const BEGIN_MS: u64 = 1_700_000_000_000;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The contest with fewer threads and loops.
fn inventory() -> Contest {
    let mut contest = Contest::load(&top(), "inventory").unwrap().with_load(Some("plan")).unwrap();
    let steps = Steps { threads: vec![THREADS], ramp_seconds: 0, loops: Some(LOOPS), seconds: 60 };
    contest.load.jmeter = Some(steps);
    contest
}

/// A line of the JTL; `answer` is code, message, success, failure message.
fn line(at_ms: u64, label: &str, thread: u32, product: u64, answer: [&str; 4]) -> String {
    let [code, message, success, failure] = answer;
    format!(
        "{at_ms},7,{label},{code},{message},Users 1-{thread},text,{success},{failure},1,1,2,2,http://127.0.0.1/,7,0,0,\
        {product},50,20,5,{},3,50.49\n",
        product + 1_000
    )
}

const GOOD: [&str; 4] = ["200", "OK", "true", ""];

/// All lines of a whole one, in which `answer` may say otherwise for a label and a number from 0.
fn lines_of(answer: impl Fn(&str, u64) -> Option<[&'static str; 4]>) -> Vec<String> {
    let contest = inventory();
    let plan = contest.jmeter.unwrap();
    let mut lines = vec![HEADER.to_owned()];
    let mut at_ms = BEGIN_MS;
    let mut products = 0;
    for number in 0..LOOPS {
        for thread in 1..=THREADS {
            let once = plan.once.iter().filter(|_| number == 0);
            for label in once.chain(&plan.each_loop) {
                at_ms += 100;
                let answer = answer(label, products).unwrap_or(GOOD);
                lines.push(line(at_ms, label, thread, products, answer));
            }
            products += 1;
        }
    }
    lines
}

fn whole() -> String {
    lines_of(|_, _| None).concat()
}

/// A Java that is `script`, in which `$jtl` is where the samples go and `$recorded` what is in the JTL.
fn stand_in(folder: &Path, recorded: &str, script: &str) -> Jmeter {
    let home = folder.join("home");
    fs::create_dir_all(home.join("bin")).unwrap();
    fs::write(home.join(JAR), "").unwrap();
    fs::write(home.join(INSTALLED), "5.6.3\n").unwrap();
    fs::write(home.join("recorded"), recorded).unwrap();
    let java = folder.join("java");
    let finding = "#!/bin/sh\nset -eu\nrecorded=$(dirname \"$0\")/home/recorded\nprintf '%s\\n' \"$@\"\n\
        while [ \"$1\" != -l ]; do shift; done\njtl=$2\n";
    write_program(&java, &format!("{finding}{script}"));
    Jmeter::with(java, Some(&home), Path::new("/nonexistent")).unwrap()
}

fn drive(contest: &Contest, driver: &Jmeter, folder: &Path, stop: &AtomicBool) -> Result<Outcome> {
    drive_looking(contest, driver, folder, stop, &mut || {})
}

/// The same, with a look about once a second from the first sample on.
fn drive_looking(
    contest: &Contest,
    driver: &Jmeter,
    folder: &Path,
    stop: &AtomicBool,
    look: &mut dyn FnMut(),
) -> Result<Outcome> {
    let scratch = tempfile::tempdir_in(folder).unwrap();
    let customer = Customer {
        id: 5,
        email: "a@example.com".into(),
        password: "correct horse".into(),
        token: "t".into(),
    };
    let open = Arc::new(Open { customers: vec![customer], products: Vec::new() });
    let job = Job {
        contest,
        top: folder,
        scale: 1.0,
        seed: 7,
        payloads: folder,
        terms: folder,
        folder: scratch.path(),
        seconds: None,
        shop: Some(&open),
    };
    let outcome = driver.run(&job, stop, &mut |_| look());
    for output in fs::read_dir(scratch.path()).unwrap().flatten() {
        if output.path().extension().is_some_and(|ending| ending == "out") {
            fs::copy(output.path(), folder.join("printed")).unwrap();
        }
    }
    outcome
}

/// What came of a JTL.
fn outcome_of(recorded: &str) -> Result<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let driver = stand_in(folder.path(), recorded, "cp \"$recorded\" \"$jtl\"");
    drive(&inventory(), &driver, folder.path(), &AtomicBool::new(false))
}

fn error_of(recorded: &str) -> String {
    format!("{:#}", outcome_of(recorded).unwrap_err())
}

#[test]
fn a_whole_jtl_becomes_figures_seconds_and_deeds() {
    let outcome = outcome_of(&whole()).unwrap();
    let figures = &outcome.figures;
    assert_eq!((figures.users_asked, figures.users_started), (2, 2));
    assert_eq!((figures.total.count, figures.total.failed), (2 + 6 * 11, 0));
    assert_eq!(figures.total.statuses, [(200, 68)].into());
    let order = &figures.requests["create order"];
    assert_eq!((order.count, order.p50_ms, order.p95_ms, order.p99_ms), (6, Some(7.0), Some(7.0), Some(7.0)));
    assert_eq!(outcome.begun_at, Some((BEGIN_MS + 100) as f64 / 1_000.0));
    assert!((figures.seconds - 6.707).abs() < 1e-6, "{}", figures.seconds);
    assert_eq!(outcome.series.iter().map(|second| second.answers).sum::<u64>(), 68);
    assert_eq!(outcome.series.iter().map(|second| second.started).sum::<u64>(), 2);
    assert!(outcome.faults.is_empty() && !outcome.interrupted);

    assert_eq!(outcome.deeds.len(), 6 * 4);
    let answer = Answer::Yes(None);
    assert_eq!(outcome.deeds[0], Deed::Change { product: 0, pieces: 20, answer });
    assert_eq!(outcome.deeds[1], Deed::Change { product: 0, pieces: -5, answer });
    let Deed::Order { customer, lines, answer } = &outcome.deeds[2] else { panic!("{:?}", outcome.deeds) };
    assert_eq!((*customer, *answer), (5, Answer::Yes(Some(1_000))));
    // At the price that it was changed to.
    assert_eq!(
        (lines[0].product, lines[0].quantity, lines[0].cents),
        (0, 3, 50 * 100 + deeds::CHANGED_CENTS)
    );
}

#[test]
fn an_order_costs_what_its_thread_knows() {
    let cents = |answer: [&'static str; 4]| {
        let lines = lines_of(|label, _| (label == "update product").then_some(answer));
        let outcome = outcome_of(&lines.concat()).unwrap();
        let order = outcome.deeds.into_iter().find_map(|deed| match deed {
            Deed::Order { lines, .. } => Some(lines[0].cents),
            _ => None,
        });
        order.unwrap()
    };
    assert_eq!(cents(GOOD), 5_049);
    assert_eq!(cents(["422", "", "false", ""]), 5_000 + deeds::MADE_CENTS, "it stays as it was made");
    assert_eq!(cents(["503", "", "false", ""]), 5_049, "its answer was lost, and the order's says it");
}

#[test]
fn failures_are_told_by_what_they_are() {
    let lines = lines_of(|label, number| match (label, number) {
        ("get product", 0) => Some(["404", "Not Found", "false", "Test failed"]),
        ("get order", 1) => Some([
            "Non HTTP response code: java.net.SocketException",
            "\"Non HTTP response message: Connection, \"\"reset\"\"\n by peer\"",
            "false",
            "",
        ]),
        _ => None,
    });
    let outcome = outcome_of(&lines.concat()).unwrap();
    assert_eq!(outcome.figures.total.failed, 2);
    assert_eq!(outcome.figures.total.statuses, [(0, 1), (200, 66), (404, 1)].into());
    let messages: Vec<&str> = outcome.figures.errors.iter().map(|error| error.message.as_str()).collect();
    let lost = "get order: no answer: Non HTTP response message: Connection, \"reset\" by peer";
    assert_eq!(messages, [lost, "get product: status 404"]);
    assert_eq!(outcome.faults, [""; 0], "what fails and says so is no lie");
}

#[test]
fn a_failed_sample_behind_a_200_is_a_fault_with_a_name() {
    let failure = "\"Test failed: text expected to contain /\"\"id\"\":[0-9]/,\nand did not\"";
    let lines = lines_of(|label, number| {
        (label == "create order" && number < 2).then_some(["200", "OK", "false", failure])
    });
    let outcome = outcome_of(&lines.concat()).unwrap();
    assert_eq!(outcome.figures.total.failed, 2);
    let told = "2 failed samples behind a 200: create order: Test failed: text expected to contain \
        /\"id\":[0-9]/, and did not";
    assert_eq!(outcome.faults, [told]);
    assert_eq!(outcome.figures.errors[0].message, "create order: a failed sample behind a 200");
}

#[test]
fn a_cut_a_short_and_a_broken_jtl_are_told_by_name() {
    let whole = whole();
    let lines = lines_of(|_, _| None);
    let without_last = lines[..lines.len() - 1].concat();
    let last_line = lines.len();
    let replaced = |line: &str| format!("{without_last}{line}");
    let cases: Vec<(String, String)> = vec![
        (
            whole[..whole.len() - 9].to_owned(),
            format!("a cut JTL: it ends in the middle of line {last_line}"),
        ),
        (whole.trim_end().to_owned(), format!("a cut JTL: it ends in the middle of line {last_line}")),
        (String::new(), "a cut JTL: there is nothing in it".into()),
        (without_last.clone(), "a short JTL: delete product: 5 of 6 samples".into()),
        (HEADER.to_owned(), "a short JTL: login: 0 of 2 samples".into()),
        (whole.replace("success,failure", "good,failure"), "a broken JTL: it has no column success".into()),
        (whole.replace("\"ordered\"", "\"other\""), "a broken JTL: it has no column ordered".into()),
        (whole.split_once('\n').unwrap().1.to_owned(), "a broken JTL: it has no column timeStamp".into()),
        (replaced("1,2,3\n"), format!("a broken JTL: line {last_line} has 3 fields, and the first has 24")),
        (replaced(&lines[1].replace(",7,login", ",soon,login")), "is not a sample".into()),
        (replaced(&lines[1].replace("true", "perhaps")), "is not a sample".into()),
        (
            replaced(&lines[1].replace("login", "log out")),
            "a label that the plan does not have: log out".into(),
        ),
        (replaced(&lines[1].replace("Users 1-1", "Users 1-9")), "more than 2 threads".into()),
        (replaced(&lines[1].replace("17000", "99000")), "s after the first sample".into()),
        (format!("{whole}{}", lines[1]), "a broken JTL: login: 3 samples, and 2 are planned".into()),
    ];
    for (recorded, said) in cases {
        let error = error_of(&recorded);
        assert!(error.contains(&said), "{said}: {error}");
    }
}

#[test]
fn steps_have_figures_of_their_own_and_end_in_the_midst_of_a_loop() {
    let mut contest = inventory();
    // Of 6.7 s of samples.
    let steps = |seconds| Steps { threads: vec![2, 10], ramp_seconds: 0, loops: None, seconds };
    contest.load.jmeter = Some(steps(7));
    let recorded = |lines: &[String]| {
        let folder = tempfile::tempdir().unwrap();
        let driver = stand_in(folder.path(), &lines.concat(), "cp \"$recorded\" \"$jtl\"");
        let outcome = drive(&contest, &driver, folder.path(), &AtomicBool::new(false));
        (outcome, fs::read_to_string(folder.path().join("printed")).unwrap())
    };
    let lines = lines_of(|_, _| None);
    let (outcome, _) = recorded(&lines[..lines.len() - 3]);
    let error = format!("{:#}", outcome.unwrap_err());
    assert!(error.contains("jmeter, 10 threads: a short JTL: login: 2 of 10 samples"), "{error}");
    contest.load.jmeter = Some(Steps { threads: vec![2, 2], ..steps(7) });
    let recorded = |lines: &[String]| {
        let folder = tempfile::tempdir().unwrap();
        let driver =
            stand_in(folder.path(), &lines.concat(), "cp \"$recorded\" \"$jtl.2\"; mv \"$jtl.2\" \"$jtl\"");
        drive(&contest, &driver, folder.path(), &AtomicBool::new(false))
    };
    let outcome = recorded(&lines[..lines.len() - 3]).unwrap();
    assert_eq!(outcome.figures.requests.keys().collect::<Vec<_>>(), ["02 threads"]);
    assert_eq!(outcome.figures.total.count, 2 * 65);
    assert_eq!(outcome.figures.users_asked, 4);
    // A label that is missing in the middle is not at the end of a loop.
    let holes: Vec<String> = lines.iter().filter(|line| !line.contains(",list stock,")).cloned().collect();
    let error = format!("{:#}", recorded(&holes).unwrap_err());
    assert!(error.contains("a short JTL: 0 samples of list stock behind 6 of add stock"), "{error}");
    contest.load.jmeter = Some(Steps { threads: vec![2], ..steps(60) });
    let folder = tempfile::tempdir().unwrap();
    let driver = stand_in(folder.path(), &lines.concat(), "cp \"$recorded\" \"$jtl\"");
    let error = drive(&contest, &driver, folder.path(), &AtomicBool::new(false)).unwrap_err();
    assert!(format!("{error:#}").contains("a short JTL: its samples are of 7 s, not 30"), "{error:#}");
}

#[test]
fn the_plan_is_told_what_it_reads() {
    let contest = Contest::load(&top(), "inventory").unwrap();
    let plan = contest.jmeter.clone().unwrap();
    let text = fs::read_to_string(contest.folder.join(&plan.plan)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let driver = stand_in(folder.path(), &whole(), "cp \"$recorded\" \"$jtl\"");
    drive(&inventory(), &driver, folder.path(), &AtomicBool::new(false)).unwrap();
    let printed = fs::read_to_string(folder.path().join("printed")).unwrap();
    for set in ["host=127.0.0.1", "port=9999", "threads=2", "ramp=0", "loops=3", "email=a@example.com"] {
        assert!(printed.contains(&format!("-J{set}\n")), "{set}: {printed}");
    }
    assert!(printed.contains("-Jpassword=correct horse\n") && !printed.contains("-Jseconds="), "{printed}");
    for name in ["host", "port", "threads", "ramp", "loops", "seconds", "email", "password"] {
        assert!(text.contains(&format!("${{__P({name},")), "{name}");
    }
    // Labels in the contest's file are those of the plan, in its order.
    let named = text.split("testclass=\"HTTPSamplerProxy\" testname=\"").skip(1);
    let labels: Vec<&str> = named.map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(labels, plan.once.iter().chain(&plan.each_loop).collect::<Vec<_>>());
    for variable in ["price", "added", "removed", "ordered"] {
        assert!(text.contains(&format!(",{variable})}}")), "{variable}");
    }
    for variable in ["product", "order", "charged"] {
        assert!(text.contains(&format!("refname\">{variable}<")), "{variable}");
    }
    for (label, cents) in [("create product", deeds::MADE_CENTS), ("update product", deeds::CHANGED_CENTS)] {
        let body = text.split(&format!("testname=\"{label}\"")).nth(1).unwrap();
        let body = body.split("Argument.metadata").next().unwrap();
        assert!(body.contains(&format!("${{__Random(10,100,price)}}.{cents}")), "{label}: {body}");
    }
    // What the two back ends' own test sends: 11,010 requests, and five minutes of each number of threads.
    let of = |load| contest.clone().with_load(Some(load)).unwrap().load.jmeter.unwrap();
    let steps = of(&plan.default_load);
    assert_eq!((&steps.threads[..], steps.ramp_seconds, steps.loops), (&[10][..], 30, Some(100)));
    assert_eq!(plan.samples(10, 100).map(|(_, samples)| samples).sum::<u64>(), 11_010);
    let steps = of("steps");
    assert_eq!((&steps.threads[..], steps.seconds, steps.loops), (&[5, 10, 15, 20][..], 300, None));
}

#[test]
fn others_are_told_while_a_plan_runs_and_one_that_is_away_is_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let seen = here.join("seen");
    let script = "cp \"$recorded\" \"$jtl\"\n\
        echo '0 ERROR o.a.HttpMetricsSender: failed to send data.' > \"${jtl%.jtl}.log\"\n\
        until [ -e \"$(dirname \"$0\")/seen\" ]; do sleep 0.05; done";
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let influx = Some("http://127.0.0.1:1");
    let told = Told::new(Some("python-backend"), influx, None, Some(address)).unwrap();
    let driver = stand_in(here, &whole(), script).telling(told);
    let mut text = String::new();
    let mut look = || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        text.clear();
        stream.read_to_string(&mut text).unwrap();
        if text.contains("label=\"delete product\",success=\"true\"} 6") {
            fs::write(&seen, "").unwrap();
        }
    };
    let outcome = drive_looking(&inventory(), &driver, here, &AtomicBool::new(false), &mut look).unwrap();
    let labels = "application=\"python-backend\",label=\"create order\"";
    for sample in [
        "jmeter_threads{application=\"python-backend\"} 2".to_owned(),
        format!("jmeter_samples_total{{{labels},success=\"true\"}} 6"),
        format!("jmeter_samples_total{{{labels},success=\"false\"}} 0"),
        format!("jmeter_sample_duration_seconds_bucket{{{labels},le=\"0.005\"}} 0"),
        format!("jmeter_sample_duration_seconds_bucket{{{labels},le=\"0.01\"}} 6"),
        format!("jmeter_sample_duration_seconds_sum{{{labels}}} 0.042"),
    ] {
        assert!(text.contains(&format!("{sample}\n")), "{sample}: {text}");
    }
    assert!(TcpStream::connect(address).is_err(), "somebody still listens");
    let note = "InfluxDB at http://127.0.0.1:1/write could not be written to 1 times, and the run went on: failed to send data";
    assert_eq!(outcome.notes, [note]);
    let printed = fs::read_to_string(here.join("printed")).unwrap();
    assert!(
        printed.lines().any(|line| line.ends_with("/plan.jmx") && !line.contains("contests")),
        "{printed}"
    );
}

#[test]
fn who_fails_hangs_or_is_stopped_leaves_nothing_running() {
    let half = lines_of(|_, _| None)[..20].concat();
    let error = |script: &str, seconds: u32| {
        let folder = tempfile::tempdir().unwrap();
        let mut contest = inventory();
        contest.load.jmeter.as_mut().unwrap().seconds = seconds;
        let driver = stand_in(folder.path(), &half, script);
        let begin = Instant::now();
        let error = drive(&contest, &driver, folder.path(), &AtomicBool::new(false)).unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(60), "it was waited for");
        format!("{error:#}")
    };
    let failed = error("echo 'an error in the plan'; exit 1", 60);
    assert!(failed.contains("exit status: 1") && failed.contains("an error in the plan"), "{failed}");
    let hangs = error("cp \"$recorded\" \"$jtl\"; sleep 600 & wait", 1);
    assert!(hangs.contains("jmeter, 2 threads: it did not end within 1 s"), "{hangs}");

    let folder = tempfile::tempdir().unwrap();
    let early = stand_in(folder.path(), &half, "sleep 600");
    let stopped = drive(&inventory(), &early, folder.path(), &AtomicBool::new(true)).unwrap_err();
    assert_eq!(stopped.to_string(), "jmeter was stopped before the first sample");
    let stop = AtomicBool::new(false);
    let late = stand_in(folder.path(), &half, "cp \"$recorded\" \"$jtl\"; sleep 600 & wait");
    let contest = inventory();
    let scratch = tempfile::tempdir().unwrap();
    let customer = Customer { id: 5, email: String::new(), password: String::new(), token: String::new() };
    let open = Arc::new(Open { customers: vec![customer], products: Vec::new() });
    let here = folder.path();
    let job = Job {
        contest: &contest,
        top: here,
        scale: 1.0,
        seed: 7,
        payloads: here,
        terms: here,
        folder: scratch.path(),
        seconds: None,
        shop: Some(&open),
    };
    let outcome = late.run(&job, &stop, &mut |_| stop.store(true, Ordering::Relaxed)).unwrap();
    assert!(outcome.interrupted && outcome.figures.total.count == 19, "{:?}", outcome.figures);
    let again = late.run(&job, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    assert!(format!("{again:#}").contains("of an earlier load?"), "{again:#}");
    let scaled = late.run(&Job { scale: 2.0, ..job }, &stop, &mut |_| {}).unwrap_err();
    assert!(scaled.to_string().contains("threads have no rate"), "{scaled}");
}

#[test]
fn a_home_that_is_none_is_told_with_its_remedy() {
    let error =
        Jmeter::with("/bin/true".into(), Some(Path::new("/nonexistent")), Path::new("/")).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("no JMeter in /nonexistent") && error.contains("jmeter/install.sh"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn messages_are_bounded() {
    let mut failure = String::from("Test failed:");
    for number in 0..10_000 {
        write!(failure, " {number}").unwrap();
    }
    let failure: &'static str = failure.leak();
    let lines = lines_of(|label, _| (label == "login").then_some(["200", "OK", "false", failure]));
    let outcome = outcome_of(&lines.concat()).unwrap();
    assert!(outcome.faults[0].len() < 300, "{}", outcome.faults[0].len());
}
