//! A table as data, and its two spellings. What may not enter: what stands in it.

use maud::{Markup, html};

use crate::format;

/// How a cell is meant. Colour follows it, but never stands alone: the text says the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Plain,
    /// As it must be.
    Good,
    /// To be looked at.
    Warn,
    /// Wrong.
    Bad,
    /// Nothing to see.
    Muted,
}

impl Tone {
    /// As a class of `page.css`.
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Muted => "muted",
        }
    }
}

/// Groups of rows below headings.
pub struct Table {
    /// In a sentence.
    pub caption: String,
    #[allow(missing_docs)]
    pub columns: Vec<Column>,
    /// Which column names the row.
    pub head: usize,
    #[allow(missing_docs)]
    pub groups: Vec<Group>,
}

/// A column's heading.
#[derive(Default)]
pub struct Column {
    /// Columns beside each other with the same one share a heading.
    pub group: String,
    /// With the unit.
    pub title: String,
    /// Its cells are numbers.
    pub numeric: bool,
}

/// Rows under a heading of their own.
#[derive(Default)]
pub struct Group {
    /// The heading.
    pub title: Option<String>,
    #[allow(missing_docs)]
    pub rows: Vec<Row>,
}

/// Cells, as many as columns, or fewer and a rest.
#[derive(Default)]
pub struct Row {
    #[allow(missing_docs)]
    pub cells: Vec<Cell>,
    /// Takes all columns that remain.
    pub rest: Option<String>,
}

/// A cell.
#[derive(Clone, Default)]
pub struct Cell {
    #[allow(missing_docs)]
    pub text: String,
    /// Below the text, smaller: an interval, a remark.
    pub small: Option<String>,
    #[allow(missing_docs)]
    pub tone: Tone,
}

impl Cell {
    /// Plain.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    #[allow(missing_docs)]
    #[must_use]
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// With a text below.
    #[must_use]
    pub fn small(self, small: impl Into<String>) -> Self {
        Self { small: Some(small.into()), ..self }
    }
}

/// A whole number.
#[must_use]
pub fn number(value: u64) -> Cell {
    Cell::new(format::count(value as f64))
}

/// Red where it is not 0.
#[must_use]
pub fn faults(value: u64) -> Cell {
    number(value).tone(if value > 0 { Tone::Bad } else { Tone::Plain })
}

/// A dash where it is absent.
#[must_use]
pub fn optional(value: Option<String>) -> Cell {
    value.map_or_else(|| Cell::new(format::ABSENT).tone(Tone::Muted), Cell::new)
}

impl Column {
    /// Of words.
    #[must_use]
    pub fn text(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    /// Of numbers.
    #[must_use]
    pub fn number(title: &str) -> Self {
        Self { numeric: true, ..Self::text(title) }
    }

    /// Of numbers, in a group.
    #[must_use]
    pub fn of(group: &str, title: &str) -> Self {
        Self { group: group.to_owned(), ..Self::number(title) }
    }
}

impl Table {
    /// Without rows.
    #[must_use]
    pub fn new(caption: impl Into<String>, columns: Vec<Column>) -> Self {
        Self { caption: caption.into(), columns, head: 0, groups: Vec::new() }
    }

    /// All rows in one group without a heading.
    #[must_use]
    pub fn with(mut self, rows: Vec<Row>) -> Self {
        self.groups = vec![Group { title: None, rows }];
        self
    }

    /// It has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.rows.is_empty())
    }

    /// With headings for rows and columns; in a box of its own that scrolls, so that the page never does.
    #[must_use]
    pub fn html(&self, id: &str) -> Markup {
        let grouped = self.columns.iter().any(|column| !column.group.is_empty());
        html! {
            div.scroll tabindex="0" role="region" aria-labelledby=(id) {
                table {
                    caption id=(id) { (self.caption) }
                    thead {
                        @if grouped { tr { (self.group_headings()) } }
                        tr { @for (place, column) in self.columns.iter().enumerate() {
                            @if !grouped || !column.group.is_empty() {
                                th scope="col" class=(self.kind(place)) { (column.title) }
                            }
                        } }
                    }
                    @for group in &self.groups {
                        tbody {
                            @if let Some(title) = &group.title {
                                tr.group { th scope="rowgroup" colspan=(self.columns.len()) {
                                    span { (title) }
                                } }
                            }
                            @for row in &group.rows { (self.row(row)) }
                        }
                    }
                }
            }
        }
    }

    /// Where a column's text stands, as a class of `page.css`: words right after numbers need a gap.
    fn kind(&self, place: usize) -> &'static str {
        let numeric = |place: usize| self.columns.get(place).is_some_and(|column| column.numeric);
        match (numeric(place), place.checked_sub(1).is_some_and(numeric)) {
            (true, _) => "number",
            (false, true) => "after",
            (false, false) => "words",
        }
    }

    fn group_headings(&self) -> Markup {
        // Place and width of each heading.
        let mut spans: Vec<(&Column, usize, usize)> = Vec::new();
        for (place, column) in self.columns.iter().enumerate() {
            match spans.last_mut() {
                Some((last, _, count)) if !column.group.is_empty() && last.group == column.group => {
                    *count += 1;
                }
                _ => spans.push((column, place, 1)),
            }
        }
        html! {
            @for (column, place, count) in spans {
                @if column.group.is_empty() {
                    th scope="col" rowspan="2" class=(self.kind(place)) { (column.title) }
                } @else {
                    th.span scope="colgroup" colspan=(count) { span { (column.group) } }
                }
            }
        }
    }

    fn row(&self, row: &Row) -> Markup {
        html! {
            tr {
                @for (place, (cell, column)) in row.cells.iter().zip(&self.columns).enumerate() {
                    @let wide = if !column.numeric && cell.text.chars().count() > 40 { "long" } else { "" };
                    @let class = [cell.tone.class(), self.kind(place), wide].join(" ");
                    @let content = html! {
                        span.main { (cell.text) } @if let Some(small) = &cell.small { small { (small) } }
                    };
                    @if place == self.head {
                        th scope="row" class=(class.trim_end()) { (content) }
                    } @else {
                        td class=(class.trim_end()) { (content) }
                    }
                }
                @if let Some(rest) = &row.rest {
                    td.rest colspan=(self.columns.len().saturating_sub(row.cells.len()).max(1)) { (rest) }
                }
            }
        }
    }

    /// In GitHub's spelling; headings of groups become rows.
    pub fn markdown(&self, out: &mut String) {
        let mut line = |cells: &mut dyn Iterator<Item = String>| {
            out.push('|');
            for cell in cells {
                out.push(' ');
                out.push_str(&cell);
                out.push_str(" |");
            }
            out.push('\n');
        };
        let title = |column: &Column| escape(format!("{} {}", column.group, column.title).trim());
        line(&mut self.columns.iter().map(title));
        line(&mut self.columns.iter().map(|column| if column.numeric { "--:" } else { "---" }.to_owned()));
        let width = self.columns.len();
        let padded =
            |cells: Vec<String>| cells.into_iter().chain(std::iter::repeat(String::new())).take(width);
        for group in &self.groups {
            if let Some(title) = &group.title {
                line(&mut padded(vec![format!("**{}**", escape(title))]));
            }
            for row in &group.rows {
                let mut cells: Vec<String> = row.cells.iter().map(markdown_cell).collect();
                cells.extend(row.rest.as_deref().map(escape));
                line(&mut padded(cells));
            }
        }
        out.push('\n');
    }
}

fn markdown_cell(cell: &Cell) -> String {
    let text =
        if cell.tone == Tone::Bad { format!("**{}**", escape(&cell.text)) } else { escape(&cell.text) };
    match &cell.small {
        None => text,
        Some(small) => format!("{text}<br>{}", escape(small)),
    }
}

/// Text that Markdown must not read as Markdown or HTML, on one line.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ if character.is_control() => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}
