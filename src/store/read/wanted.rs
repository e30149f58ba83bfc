//! What somebody looks for: a piece of a path or of a subject, in any case; or an id, or the
//! beginning of one, in any spelling. Where ids begin so, they are what is meant, and only they
//! are found: an id is found at once, a text must be searched for.

use uuid::Uuid;

use crate::model::{DeliveryId, EventId};
use crate::store::StoreError;
use crate::store::index::ids;
use crate::store::index::rows::{DeliveryRow, EventRow};
use crate::store::index::{Tree, failed, keys, parse};

/// Digits without a prefix that are taken for the beginning of an id.
const N_DIGITS_MIN: usize = 8;
/// So many ids that begin alike are looked up; more of them are searched for.
const N_IDS_MAX: usize = 5000;

/// What to look for.
#[derive(Debug)]
pub(super) enum Wanted {
    Everything,
    /// Lower case.
    Text(String),
    /// The ordinals of those there are, newest first; `None`: too many.
    Ids(Ids, Option<Vec<u64>>),
}

/// Ids of events or deliveries that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    of_events: bool,
    of_deliveries: bool,
    first: Uuid,
    last: Uuid,
}

impl Wanted {
    /// Decides what is meant, by what there is before an ordinal: what arrives while somebody
    /// pages through a list changes nothing.
    pub(super) fn find(tree: &Tree, q: Option<&str>, before: u64) -> Result<Self, StoreError> {
        let Some(text) = q else { return Ok(Self::Everything) };
        if let Some(ids) = Ids::parse(text) {
            let ordinals = ids.ordinals(tree, before)?;
            if ordinals.as_ref().is_none_or(|ordinals| !ordinals.is_empty()) {
                return Ok(Self::Ids(ids, ordinals));
            }
        }
        Ok(Self::Text(text.to_lowercase()))
    }

    /// Where it can only be; `None`: anywhere.
    pub(super) fn ordinals(&self) -> Option<Vec<u64>> {
        match self {
            Self::Ids(_, ordinals) => ordinals.clone(),
            Self::Everything | Self::Text(_) => None,
        }
    }

    /// No set says where it is.
    pub(super) const fn must_be_searched_for(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Ids(_, None))
    }

    pub(super) fn is_event(&self, row: &EventRow) -> bool {
        match self {
            Self::Everything => true,
            Self::Text(text) => is_in(text, row),
            Self::Ids(ids, _) => {
                ids.has_event(row.id) || row.deliveries.iter().any(|&(id, _)| ids.has_delivery(id))
            }
        }
    }

    /// Whether it is this delivery of the event.
    pub(super) fn is_delivery(&self, row: &EventRow, id: DeliveryId) -> bool {
        match self {
            Self::Everything => true,
            Self::Text(text) => is_in(text, row),
            Self::Ids(ids, _) => ids.has_event(row.id) || ids.has_delivery(id),
        }
    }
}

impl Ids {
    /// `None`: no id begins so.
    fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (of_events, of_deliveries, digits) = match lower.split_at_checked(4) {
            Some(("evt_", digits)) => (true, false, digits),
            Some(("del_", digits)) => (false, true, digits),
            _ => (true, true, lower.as_str()),
        };
        let n_min = if of_events && of_deliveries { N_DIGITS_MIN } else { 1 };
        let mut plain = String::with_capacity(32);
        for (at, c) in digits.chars().enumerate() {
            match c {
                '-' if [8, 13, 18, 23].contains(&at) => {}
                '0'..='9' | 'a'..='f' => plain.push(c),
                _ => return None,
            }
        }
        // With hyphens all or none, as far as the digits go.
        let n_hyphens = digits.len() - plain.len();
        let n_expected = [8, 13, 18, 23].iter().filter(|&&at| at < digits.len()).count();
        if !(n_min..=32).contains(&plain.len()) || (n_hyphens > 0 && n_hyphens != n_expected) {
            return None;
        }
        let first = Uuid::try_parse(&format!("{plain:0<32}")).ok()?;
        let last = Uuid::try_parse(&format!("{plain:f<32}")).ok()?;
        Some(Self { of_events, of_deliveries, first, last })
    }

    /// The events that have them, before an ordinal, newest first; `None`: too many have.
    fn ordinals(&self, tree: &Tree, before: u64) -> Result<Option<Vec<u64>>, StoreError> {
        let mut ordinals = Vec::new();
        let mut n_left = N_IDS_MAX;
        if self.of_events {
            let range = EventId::from_uuid(self.first)..=EventId::from_uuid(self.last);
            let Some(found) = ids::ordinals_in(tree, range, n_left)? else { return Ok(None) };
            n_left -= found.len();
            ordinals = found;
        }
        if self.of_deliveries {
            let range = keys::delivery(DeliveryId::from_uuid(self.first))
                ..=keys::delivery(DeliveryId::from_uuid(self.last));
            for value in tree.range(range).values() {
                let Some(left) = n_left.checked_sub(1) else { return Ok(None) };
                n_left = left;
                ordinals.push(parse::<DeliveryRow>(&value.map_err(failed)?)?.ordinal);
            }
        }
        ordinals.retain(|&ordinal| ordinal < before);
        ordinals.sort_unstable_by(|a, b| b.cmp(a));
        ordinals.dedup();
        Ok(Some(ordinals))
    }

    fn has_event(&self, id: EventId) -> bool {
        self.of_events && (self.first..=self.last).contains(&id.uuid())
    }

    fn has_delivery(&self, id: DeliveryId) -> bool {
        self.of_deliveries && (self.first..=self.last).contains(&id.uuid())
    }
}

/// Whether a text is in the path or in the subject.
fn is_in(text: &str, row: &EventRow) -> bool {
    let path = row.url.split('?').next().unwrap_or_default();
    contains(path, text) || row.subject.as_deref().is_some_and(|subject| contains(subject, text))
}

/// Whether a text is part of another, in any case. `part` is in lower case.
fn contains(whole: &str, part: &str) -> bool {
    if !whole.is_ascii() {
        return whole.to_lowercase().contains(part);
    }
    let (whole, part) = (whole.as_bytes(), part.as_bytes());
    part.is_empty() || whole.windows(part.len()).any(|piece| piece.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_of_ids_are_told_from_text() {
        let ids = |text: &str| Ids::parse(text);
        let whole = ids("70195486-8934-4a31-a504-a97a72c7f322").expect("an id");
        assert_eq!(whole.first, whole.last);
        assert_eq!(ids("70195486893"), ids("70195486-893"));
        assert_eq!(ids("7019548689344A31A504A97A72C7F322"), Some(whole));
        let of_event = ids("EVT_70195486-8934-4a31-a504-a97a72c7f322").expect("an id");
        assert_eq!((of_event.first, of_event.of_deliveries), (whole.first, false));
        let short = ids("del_7").expect("its beginning");
        assert_eq!((short.of_events, short.first.as_bytes()[0]), (false, 0x70));
        assert_eq!(short.last.as_bytes()[..2], [0x7f, 0xff]);
        for text in [
            "",
            "evt_",
            "7019548",
            "7019548-6",
            "70195486-89344",
            "7019548689344a31a504a97a72c7f3220",
            "70195486x",
            "wh_70195486",
            "é70195486",
        ] {
            assert_eq!(ids(text), None, "{text}");
        }
    }

    #[test]
    fn text_is_found_in_any_case() {
        assert!(contains("/api/Tasks/5", "tasks") && !contains("/api/Tasks/5", "task/"));
        assert!(contains("Ünder", "ünd") && !contains("a", "é") && !contains("ab", "abc"));
    }
}
