//! The same report for readers of plain text. What may not enter: anything the page does not have.

use super::{View, details, format, ranking, variants, words};
use crate::record::Record;
use crate::table::{Table, escape};

/// `record` as Markdown, in GitHub's spelling.
#[must_use]
pub fn markdown(record: &Record) -> String {
    let view = View::new(record);
    let findings = words::findings(&view);
    let mut out = format!("# {}\n\n{}\n\n", escape(&record.title), escape(&findings.lead));
    for point in &findings.points {
        out.push_str(&format!("- **{}**: {}\n", point.label, escape(&point.text)));
    }
    out.push_str(&format!(
        "\n{}, {}, scale {}, {}.\n\n",
        escape(&format::moment(&record.started_at)),
        escape(&record.tool),
        record.scale,
        format::plural(f64::from(view.rounds()), "round", "rounds")
    ));
    section(&mut out, "Ranking", &[ranking::ranking(&view), ranking::cpu(&view), details::logins(&view)]);
    section(&mut out, "Variants", &[variants::pairs(&view)]);
    section(&mut out, "Answer times", &[ranking::times(&view)]);
    let judged = [details::found(&view), variants::proofs(&view), details::killed(&view)];
    section(&mut out, view.words.judged, &judged);
    for example in details::examples(&view) {
        out.push_str(&format!("- {}\n", escape(&example)));
    }
    section(&mut out, "The budget and its proof", &[details::budget(&view), details::durability(&view)]);
    section(&mut out, "Rules of the API", &[details::conformance(&view)]);
    section(&mut out, "Capacity, step by step", &[details::capacity(&view)]);
    section(&mut out, "Generator and remarks", &[details::generator(&view), details::remarks(&view)]);
    section(
        &mut out,
        "The run, and how to repeat it",
        &[details::circumstances(&view), details::contestants(&view)],
    );
    out.push_str(&format!("To repeat it, at that commit:\n\n{}", fenced(&record.command)));
    out.push_str("\n## What each figure means\n\n");
    for (term, meaning) in (view.words.footnotes)() {
        out.push_str(&format!("- **{}**: {}\n", escape(term), escape(meaning)));
    }
    out
}

fn section(out: &mut String, title: &str, tables: &[Table]) {
    if tables.iter().all(Table::is_empty) {
        return;
    }
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    out.push_str(&format!("## {title}\n\n"));
    for table in tables.iter().filter(|table| !table.is_empty()) {
        out.push_str(&format!("{}\n\n", escape(&table.caption)));
        table.markdown(out);
    }
}

/// Code between fences that are longer than any in it.
fn fenced(code: &str) -> String {
    let mut fence = "```".to_owned();
    while code.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}sh\n{code}\n{fence}\n")
}
