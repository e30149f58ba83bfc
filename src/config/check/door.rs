//! The few keys that say how a running sidehook is asked. Mistakes elsewhere are not its business: a
//! command must work when the file is the very thing that is wrong.

use super::{Check, read, section, sections};
use crate::config::node::Table;
use crate::config::problem::Problems;
use crate::config::{AdminDoor, DoorToken};
use crate::model::Secret;

/// Reads them from a merged tree.
pub(in crate::config) fn door(mut check: Check<'_>, root: &Table) -> Result<AdminDoor, Problems> {
    let c = &mut check;
    if c.syntax_errors > 0 {
        c.problems.drop_consequences(c.syntax_errors);
    } else {
        c.problems.clear();
    }
    let admin = section(root, "admin");
    let store = sections::store_path(c, section(root, "store"));
    let listen = c.listen(read::key(admin, "listen"));
    let has_tls = admin.get("tls").is_some();
    let token = admin.get("token").map_or(DoorToken::Kept, |node| match c.secret_text(node) {
        Some(text) => DoorToken::Configured(Secret::new(text)),
        // Whoever asks need not have what sidehook has: another token may be at hand.
        None => DoorToken::Elsewhere(
            c.problems
                .take_last()
                .map_or_else(|| "it cannot be read".to_owned(), |problem| problem.message),
        ),
    });
    if check.problems.count() > 0 {
        check.problems.sort();
        return Err(check.problems);
    }
    Ok(AdminDoor { listen, has_tls, store, token })
}
