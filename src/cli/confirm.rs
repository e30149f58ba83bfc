//! Asking before what cannot be taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    Yes,
    No,
    /// Nobody is there to answer.
    Nobody,
}

/// Asks on the terminal; only a clear yes is one.
pub(super) fn ask(question: &str) -> io::Result<Consent> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(Consent::Nobody);
    }
    let mut out = io::stderr().lock();
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let is_yes = matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    Ok(if is_yes { Consent::Yes } else { Consent::No })
}
