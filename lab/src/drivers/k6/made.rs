//! What the script of scenarios tells the oracle: a line of its console for each creation,
//! `pouco-made,NUMBER,STATUS,ID,end`, without an id where the answer gave none.

use anyhow::{Result, bail, ensure};

use super::console;
use crate::oracle::Creation;

/// Before each line that is for the oracle.
const MARK: &str = "pouco-made,";

/// What the script has told in `console`, which is whatever k6 has written there.
///
/// # Errors
/// A line is cut short, or is not a creation.
pub(super) fn creations(console: &str) -> Result<Vec<Creation>> {
    console::told(console, MARK, |fields| {
        let [payload, status, id] = *fields else { bail!("{} fields are no creation", fields.len()) };
        let id = (!id.is_empty()).then(|| id.parse()).transpose()?;
        Ok(Creation { payload: payload.parse()?, status: status.parse()?, id })
    })
}

/// Each creation that was sent must have been told of: one that is missing would be a row that nobody asked
/// for.
///
/// # Errors
/// One is missing, or told twice.
pub(super) fn complete(creations: &[Creation], sent: u64) -> Result<()> {
    let told = creations.len() as u64;
    ensure!(told == sent, "k6 sent {sent} creations, and its script reported {told}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creations_are_read_whatever_stands_around_them() {
        let text = concat!(
            "time=\"2026-11-29T12:00:00Z\" level=info msg=\"pouco-made,7,201,1001,end\" source=console\n",
            "time=\"2026-11-29T12:00:00Z\" level=warning msg=\"Request Failed\" error=\"EOF\"\n",
            "{\"level\":\"info\",\"msg\":\"pouco-made,8,0,,end\"}\n",
        );
        let told = creations(text).unwrap();
        let expected = [
            Creation { payload: 7, status: 201, id: Some(1_001) },
            Creation { payload: 8, status: 0, id: None },
        ];
        assert_eq!(told, expected);
        assert!(complete(&told, 2).is_ok());
        let missing = complete(&told, 3).unwrap_err().to_string();
        assert_eq!(missing, "k6 sent 3 creations, and its script reported 2");
    }

    #[test]
    fn what_is_cut_or_no_number_is_an_error_with_its_line() {
        let refused = |line: &str| format!("{:#}", creations(&format!("{MARK}{line}")).unwrap_err());
        assert!(refused("7,201,10").contains("cut short"));
        assert!(refused("7,201,end").contains("2 fields are no creation"));
        assert!(refused("7,x,1,end").contains("7,x,1,end"));
    }
}
