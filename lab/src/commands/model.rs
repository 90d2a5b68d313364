//! `model`: how many replicas a load needs, and what they and Postgres come to.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use pouco_lab::cli::Model;
use pouco_lab::model::{Answer, BUSY, MEASURED, Question, Writing};
use pouco_lab::view::Output;

pub(crate) fn run(options: &Model) -> Result<bool> {
    let writing = Writing {
        replicas: 1,
        turn: Duration::from_millis(options.turn_ms),
        linger: Duration::from_millis(options.linger_ms),
        most_rows: options.batch_rows.into(),
        postgres_cores: options.postgres_cores.into(),
        flush: Duration::from_micros(options.flush_us),
    };
    let question = Question {
        creations: options.creations,
        searches: options.searches,
        lookups: options.lookups,
        people: options.people as f64,
        replica_cores: options.replica_cores,
        p99: Duration::from_millis(options.p99_ms),
        writing,
        seed: options.seed,
    };
    let answer = match options.replicas {
        Some(replicas) => Some(question.answer(replicas.into(), &MEASURED)),
        None => question.fewest(1, &MEASURED),
    };
    let Some(answer) = answer else {
        let with_one = question.answer(1, &MEASURED);
        writeln!(Output, "no number of replicas is enough")?;
        tell(&question, &with_one)?;
        return Ok(false);
    };
    tell(&question, &answer)?;
    let is_met = question.is_met_by(&answer);
    if !is_met {
        writeln!(
            Output,
            "that is too little: a part is busy for more than {:.0} %, or waits are too long",
            BUSY * 100.0
        )?;
    }
    Ok(is_met)
}

fn tell(question: &Question, answer: &Answer) -> Result<()> {
    let wait = |share| answer.batches.quantile_s(share) * 1e3;
    writeln!(Output, "replicas      {}", answer.replicas)?;
    writeln!(
        Output,
        "each of them  {:.2} of {} cores, {:.0} MB",
        answer.replica,
        question.replica_cores,
        answer.bytes / 1e6
    )?;
    writeln!(
        Output,
        "Postgres      {:.2} of {} cores, {:.0} batches/s of {:.1} rows",
        answer.postgres,
        question.writing.postgres_cores,
        answer.batches_per_s,
        answer.batches.rows()
    )?;
    writeln!(Output, "creations     p50 {:.1} ms, p99 {:.1} ms", wait(0.5), wait(0.99))?;
    Ok(())
}
