//! The plainest reading of a request, made of neither server's code: it tells what a request is made of, not
//! whether it is valid.

/// One request at the start of a stream.
pub(crate) struct Message<'s> {
    /// Line ends in front of the request line.
    pub(crate) blank_lines: &'s [u8],
    /// From the request line to the last field's line end.
    pub(crate) head: &'s [u8],
    pub(crate) method: &'s [u8],
    pub(crate) target: &'s [u8],
    pub(crate) version: &'s [u8],
    /// Names in lower case, and values with all their blanks.
    fields: Vec<(Vec<u8>, &'s [u8])>,
    /// The line end that is the head's empty line.
    pub(crate) empty_line: &'s [u8],
    /// All that follows the head's empty line.
    pub(crate) behind: &'s [u8],
}

impl<'s> Message<'s> {
    pub(crate) fn read(stream: &'s [u8]) -> Self {
        let blank = stream.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let (blank_lines, rest) = stream.split_at(blank);
        let (head, empty_line, behind) = split_head(rest);
        let mut lines =
            head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut parts = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
        let mut part = || parts.next().unwrap_or_default();
        let (method, target, version) = (part(), part(), part());
        let fields = lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((line[..colon].to_ascii_lowercase(), &line[colon + 1..]))
        });
        Self { blank_lines, head, method, target, version, fields: fields.collect(), empty_line, behind }
    }

    /// The values of a field, with all their blanks.
    pub(crate) fn raw(&self, name: &str) -> impl Iterator<Item = &'s [u8]> {
        self.fields.iter().filter(move |(known, _)| known == name.as_bytes()).map(|(_, value)| *value)
    }

    /// The values of a field.
    pub(crate) fn values(&self, name: &str) -> Vec<&'s [u8]> {
        self.raw(name).map(<[u8]>::trim_ascii).collect()
    }

    /// The elements of a list field in lower case, over all its lines; empty ones are left out.
    pub(crate) fn elements(&self, name: &str) -> Vec<Vec<u8>> {
        let values = self.values(name).join(&b","[..]).to_ascii_lowercase();
        let elements = values.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        elements.filter(|element| !element.is_empty()).map(<[u8]>::to_vec).collect()
    }

    /// The lines of a chunked body's framing, sizes with extensions and the trailer's fields; and what
    /// follows it.
    pub(crate) fn chunk_lines(&self) -> Option<(Vec<&'s [u8]>, &'s [u8])> {
        let mut rest = self.behind;
        let mut lines = Vec::new();
        loop {
            let line = take_line(&mut rest)?;
            let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let size = usize::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
            lines.push(line);
            if size == 0 {
                break;
            }
            rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
        }
        loop {
            match take_line(&mut rest)? {
                [] => return Some((lines, rest)),
                trailer => lines.push(trailer),
            }
        }
    }

    /// What follows the whole request, for one that both servers have accepted.
    pub(crate) fn rest(&self) -> Option<&'s [u8]> {
        if !self.values("transfer-encoding").is_empty() {
            return self.chunk_lines().map(|(_, rest)| rest);
        }
        let length =
            self.values("content-length").first().map_or("0", |value| std::str::from_utf8(value).unwrap());
        self.behind.get(length.parse().ok()?..)
    }
}

/// The head, its empty line, and what follows; a lone line feed ends a line too.
fn split_head(rest: &[u8]) -> (&[u8], &[u8], &[u8]) {
    for (at, _) in rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        let (head, behind) = rest.split_at(at + 1);
        if let Some(empty) = [&b"\r\n"[..], b"\n"].iter().find(|end| behind.starts_with(end)) {
            let (empty_line, behind) = behind.split_at(empty.len());
            return (head, empty_line, behind);
        }
    }
    (rest, &[], &[])
}

fn take_line<'s>(rest: &mut &'s [u8]) -> Option<&'s [u8]> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Some(line)
}
