//! What does a server do with requests that are right, odd or hostile?
//!
//! `cargo run --release -p pouco-tools --bin probe -- tcp:127.0.0.1:9999` asks a server several hundred
//! questions taken from RFC 9110, 9112 and 3986, on a connection each, and compares what comes back with what
//! these allow. It knows nothing of the server's insides. Only for servers of your own: it sends attacks, and
//! stores rows by good requests.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pouco_tools::client::Target;
use pouco_tools::probe::case::Case;
use pouco_tools::probe::cases::{self, SMUGGLING};
use pouco_tools::probe::outcome::Baseline;
use pouco_tools::probe::run::{Outcome, Runner, Verdict};
use pouco_tools::probe::template::{Hidden, Names};
use pouco_tools::probe::{report, self_test};

const USAGE: &str = "probe [OPTIONS] tcp:HOST:PORT | unix:/PATH
probe --self-test

  --path PATH          a GET of this answers 2xx (/contagem-pessoas)
  --post PATH          a POST of a person to this answers 2xx (/pessoas)
  --host NAME          what is sent as Host (the address)
  --only CATEGORY      cases of this category alone
  --proxy              a proxy is in front: exit code 1 only if it and the server disagree about what is a request,
                       that is, a stranger gets a wrong answer, or something hidden is carried out without an answer
  --timeout-ms MS      silence that long means that nothing more comes (1000)
  --threads N          cases at the same time (12)
  --json FILE          everything that was sent and came
  --markdown FILE      a table
  --list               the cases, and nothing else

Exit code 0: all is well; 1: a MUST or SHOULD is broken, or a request was smuggled through; 2: could not be found out.";

struct Options {
    target: Target,
    path: String,
    post: String,
    host: Option<String>,
    only: Option<String>,
    proxy: bool,
    timeout: Duration,
    threads: usize,
    json: Option<String>,
    markdown: Option<String>,
}

enum Command {
    Probe(Box<Options>),
    SelfTest,
    List,
}

fn main() -> ExitCode {
    let result = match command(std::env::args().skip(1)) {
        Ok(Command::Probe(options)) => probe(&options),
        Ok(Command::SelfTest) => self_test::run(),
        Ok(Command::List) => list(),
        Err(what) => Err(format!("{what}\n\n{USAGE}")),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(what) => {
            eprintln!("probe: {what}");
            ExitCode::from(2)
        }
    }
}

fn command(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options {
        target: Target::Tcp(String::new()),
        path: "/contagem-pessoas".to_owned(),
        post: "/pessoas".to_owned(),
        host: None,
        only: None,
        proxy: false,
        timeout: Duration::from_millis(1000),
        threads: 12,
        json: None,
        markdown: None,
    };
    let mut target = None;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse::<u32>().map_err(|_| format!("{word}: {text} is no number"));
        match word.as_str() {
            "--self-test" => return Ok(Command::SelfTest),
            "--list" => return Ok(Command::List),
            "--proxy" => options.proxy = true,
            "--path" => options.path = value()?,
            "--post" => options.post = value()?,
            "--host" => options.host = Some(value()?),
            "--only" => options.only = Some(value()?),
            "--timeout-ms" => options.timeout = Duration::from_millis(number(value()?)?.max(1).into()),
            "--threads" => options.threads = number(value()?)?.clamp(1, 64) as usize,
            "--json" => options.json = Some(value()?),
            "--markdown" => options.markdown = Some(value()?),
            _ if word.starts_with('-') => return Err(format!("{word} is no option")),
            _ => target = Some(word.parse()?),
        }
    }
    options.target = target.ok_or("which server?")?;
    Ok(Command::Probe(Box::new(options)))
}

fn list() -> Result<bool, String> {
    for Case { category, id, section, level, .. } in cases::asked()? {
        println!("{category} / {id} ({level}, RFC {section})");
    }
    Ok(true)
}

fn probe(options: &Options) -> Result<bool, String> {
    let started = Instant::now();
    let runner = runner(options)?;
    let mut cases = cases::asked()?;
    if let Some(only) = &options.only {
        cases.retain(|case| case.category == only);
    }
    if cases.is_empty() {
        return Err("no such category; --list shows all".to_owned());
    }
    let outcomes = outcomes(&runner, &cases)?;
    print!("{}", report::text(&outcomes));
    println!("{} cases in {:.1} s", outcomes.len(), started.elapsed().as_secs_f64());
    let target = runner.target.to_string();
    let write = |path: &Option<String>, text: String| match path {
        Some(path) => std::fs::write(path, text).map_err(|error| format!("{path}: {error}")),
        None => Ok(()),
    };
    write(&options.json, format!("{:#}\n", report::json(&outcomes, &target)))?;
    write(&options.markdown, report::markdown(&outcomes, &target))?;
    Ok(report::is_good(&outcomes, options.proxy))
}

fn runner(options: &Options) -> Result<Runner, String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let names = Names {
        host: options.host.clone().unwrap_or_else(|| options.target.host().to_owned()),
        path: options.path.clone(),
        post: options.post.clone(),
        hidden: None,
        run: format!("{:012x}", since.as_micros() % (1 << 48)),
    };
    let mut runner = Runner {
        target: options.target.clone(),
        names,
        timeout: options.timeout,
        threads: options.threads,
        baseline: Baseline { ok: 0, done: 0 },
        proxy: options.proxy,
        search: false,
    };
    runner.learn()?;
    Ok(runner)
}

/// All cases with a hidden GET, whose answer shows; then those of smuggling with a hidden POST, whose row
/// shows.
fn outcomes(runner: &Runner, cases: &[Case]) -> Result<Vec<Outcome>, String> {
    let mut outcomes = runner.run(cases, Hidden::Get);
    let smuggling: Vec<Case> = cases.iter().filter(|case| case.category == SMUGGLING).copied().collect();
    if smuggling.is_empty() {
        return Ok(outcomes);
    }
    if runner.proxy && outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Smuggled(_))) {
        println!("Something was smuggled; the cases once more, one by one, to see by which:");
        let alone =
            Runner { target: runner.target.clone(), names: runner.names.clone(), threads: 1, ..*runner };
        outcomes.retain(|outcome| outcome.case.category != SMUGGLING);
        outcomes.extend(alone.run(&smuggling, Hidden::Get));
    }
    let second = runner.run(&smuggling, Hidden::Post);
    // Both are in the order of the cases; the worse of the two counts.
    let first = outcomes.iter_mut().filter(|outcome| outcome.case.category == SMUGGLING);
    for (first, second) in first.zip(second) {
        if second.verdict > first.verdict {
            *first = second;
        }
    }
    if !runner.search {
        println!("The server has no search: whether hidden requests stored anything is not known.");
    }
    Ok(outcomes)
}
