//! A record as one self-contained HTML file and as Markdown.
