//! CPU and memory of containers second by second, two panels a row, as one file that stands alone.

use maud::{Markup, PreEscaped, html};

use super::series::{Line, Panel, with_limit};
use super::{Scale, WIDTH};
use crate::meters::Limits;
use crate::record::Second;
use crate::report::format;

const MIB: f64 = 1_048_576.0;
const PAD: f64 = 16.0;
const TOP: f64 = 78.0;
const ROW: f64 = 184.0;
const PANEL: f64 = 150.0;

/// Colours without variables, which not every reader of SVG knows.
const STYLE: &str = "
text { font: 11px system-ui, sans-serif; fill: #1f2328; } .title { font-size: 16px; font-weight: 600; }
.name { font-size: 13px; font-weight: 600; } .tick, .muted { fill: #59636e; } .limit-text { fill: #bc4c00; }
.paper { fill: #ffffff; } .grid { stroke: #d8dee4; } .line { fill: none; stroke-width: 1.4; }
.cpu { stroke: #0b62c4; } .memory { stroke: #0a7a55; } .raw { stroke: #9aa4ae; }
.limit { stroke: #bc4c00; stroke-dasharray: 6 4; } .failure { stroke: #bc4c00; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .tick, .muted { fill: #9198a1; } .paper { fill: #0d1117; } .grid { stroke: #2b3138; }
.cpu { stroke: #58a6ff; } .memory { stroke: #3fb98a; } .limit, .failure { stroke: #f0883e; }
.limit-text { fill: #f0883e; } }
";

/// A row of the picture.
#[derive(Debug)]
pub struct Track {
    /// Whose it is, and what it comes to.
    pub title: String,
    /// Drawn in where they are.
    pub limits: Limits,
    /// One a second, page cache included.
    pub raw_bytes: Vec<Option<u64>>,
    /// One a second: cores, working memory, and as failures the periods in which the CPU was throttled.
    pub seconds: Vec<Second>,
}

/// All `tracks`, over the same seconds.
#[must_use]
pub fn svg_tracks(title: &str, subtitle: &str, tracks: &[Track]) -> String {
    let (width, height) = (2.0 * WIDTH + 3.0 * PAD, TOP + ROW * tracks.len() as f64);
    let seconds = tracks.iter().map(|track| track.seconds.len()).max().unwrap_or(1) as f64;
    let legend =
        "CPU, cores (marks below: throttled in that second); memory, MiB: usage − inactive file, grey: raw";
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
            viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(title) {
            style { (PreEscaped(STYLE)) }
            rect.paper width=(width) height=(height) {}
            text.title x=(PAD) y="26" { (title) }
            text.muted x=(PAD) y="43" { (subtitle) }
            text.muted x=(PAD) y="58" { (legend) }
            @for (index, track) in tracks.iter().enumerate() {
                (row(index, track, TOP + ROW * index as f64, seconds))
            }
        }
    }
    .into_string()
}

fn row(index: usize, track: &Track, top: f64, seconds: f64) -> Markup {
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let mib = |bytes: u64| bytes as f64 / MIB;
    let raw = |second: &Second| track.raw_bytes.get(second.second as usize).copied().flatten().map(mib);
    let cores = [Line { class: "cpu", read: &|second| second.cpus }];
    let memory: [Line<'_>; 2] = [
        Line { class: "raw", read: &raw },
        Line { class: "memory", read: &|second| second.memory_bytes.map(mib) },
    ];
    let most_cores = largest(&mut track.seconds.iter().filter_map(|second| second.cpus));
    let most_mib = largest(&mut track.raw_bytes.iter().flatten().map(|bytes| mib(*bytes)));
    let panel = |name: &str, title, most: f64, limit: Option<f64>, lines, failures| {
        let scale = Scale::Linear { max: with_limit(most, limit.unwrap_or(0.0)) };
        let limit = limit.map(|limit| (limit, format!("limit {}", format::significant(limit))));
        let panel = Panel { id: format!("{name}-{index}"), title, scale, limit, lines, failures };
        panel.draw(&track.title, &track.seconds, seconds)
    };
    let limit_mib = track.limits.memory_bytes.map(mib);
    let both = [
        panel("cpu", "CPU, cores", most_cores, track.limits.cpus, &cores, true),
        panel("memory", "memory, MiB", most_mib, limit_mib, &memory, false),
    ];
    html! {
        text.name x=(PAD) y=(top + 14.0) {
            (track.title)
            @if track.limits.cpus.is_none() || limit_mib.is_none() { " (no limit holds)" }
        }
        @for (place, panel) in both.into_iter().enumerate() {
            svg x=(PAD + place as f64 * (WIDTH + PAD)) y=(top + 20.0) width=(WIDTH) height=(PANEL) { (panel) }
        }
    }
}
