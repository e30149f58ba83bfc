//! Which calls become events. Pure: a rule set is asked with the parts of a request head and
//! answers with the rules that match and what their named groups captured.
//!
//! Almost every call of a busy API matches nothing, so that answer must be the cheapest: one pass
//! of one automaton over the path, without allocating. A path that is spelled unusually
//! (`/a/../b`, `//b`, `/%62`) is searched as received and once more in its normal form.

mod condition;
mod explain;
mod matching;
mod normal;
pub mod redact;
mod tally;

pub use condition::{ConditionError, Judgement, has_conditions, judge, reads_bodies};
pub use explain::{BadField, Call, Explained, Message, Part, Parts, Redaction, Verdict};
pub use matching::{Hit, Matched, RuleSet};
pub use normal::normal_path;
pub use tally::{Counts, Tally};
