//! Trace context (W3C Trace Context): a delivery belongs to its call's trace (`traceparent`), and
//! is marked as ours (`tracestate`), so that a call which its receiver makes is known again.

use crate::model::{DeliveryId, HeaderList};

/// Our member's key in `tracestate`.
const OWN_KEY: &str = "sidehook";
/// Members of a `tracestate` (3.3.1.1).
const MEMBERS_MAX: usize = 32;
/// Characters of a `tracestate` that are passed on (3.3.1.5).
const STATE_CHARS: usize = 512;
/// Where there is too much, longer members go first (3.3.1.5).
const MEMBER_CHARS: usize = 128;

/// The `traceparent` of an attempt: the trace of the call's own, with a new span. `None` when
/// the call's is not valid (3.2.2), so that no receiver gets a broken one from us.
pub(super) fn child_of(parent: &[u8], span: u64) -> Option<String> {
    let text = str::from_utf8(parent).ok()?;
    let mut parts = text.split('-');
    let version = hexadecimal(parts.next()?, 2)?;
    let trace = hexadecimal(parts.next()?, 32)?;
    let span_before = hexadecimal(parts.next()?, 16)?;
    let flags = hexadecimal(parts.next()?, 2)?;
    let is_valid = version != "ff"
        && (version != "00" || parts.next().is_none())
        && trace.bytes().any(|b| b != b'0')
        && span_before.bytes().any(|b| b != b'0');
    let span = span.max(1); // all zeros is not a span
    // Of a later version only what version 00 knows is understood, and so passed on (4.3).
    is_valid.then(|| format!("00-{trace}-{span:016x}-{flags}"))
}

/// The `tracestate` of an attempt: our member, then those of the call that are valid and fit.
pub(super) fn state_of(call: &HeaderList, delivery: DeliveryId) -> String {
    let mut members = vec![format!("{OWN_KEY}={}", delivery.uuid().simple())];
    let fields = call.0.iter().filter(|(name, _)| name == "tracestate");
    for field in fields.filter_map(|(_, value)| str::from_utf8(value).ok()) {
        for member in field.split(',').map(|member| member.trim_matches([' ', '\t'])) {
            // One member per key; the later one is the older.
            let is_new =
                key_of(member).is_some_and(|key| !members.iter().any(|m| key_of(m) == Some(key)));
            if is_new && members.len() < MEMBERS_MAX {
                members.push(member.to_owned());
            }
        }
    }
    let chars =
        |members: &[String]| members.iter().map(|member| member.len() + 1).sum::<usize>() - 1;
    if chars(&members) > STATE_CHARS {
        members.retain(|member| member.len() <= MEMBER_CHARS);
    }
    while chars(&members) > STATE_CHARS {
        members.pop();
    }
    members.join(",")
}

/// The key of a valid member (3.3.1.3): `key=value`.
fn key_of(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let is_key = |part: &str, chars_max: usize| {
        let others = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        let starts = part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        starts && part.len() <= chars_max && part.bytes().all(others)
    };
    let is_valid_key = match key.split_once('@') {
        None => is_key(key, 256),
        Some((tenant, system)) => is_key(tenant, 241) && is_key(system, 14),
    };
    let is_valid_value = (1..=256).contains(&value.len())
        && !value.ends_with(' ')
        && value.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b',' | b'='));
    (is_valid_key && is_valid_value).then_some(key)
}

fn hexadecimal(text: &str, len: usize) -> Option<&str> {
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == len && text.bytes().all(is_digit)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn keeps_the_trace_and_makes_a_span() {
        let child = child_of(CALL.as_bytes(), 0xabc);
        assert_eq!(
            child.as_deref(),
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000abc-01")
        );
        let later = CALL.replacen("00", "cc", 1) + "-what-follows";
        assert!(child_of(later.as_bytes(), 1).is_some_and(|text| text.starts_with("00-4bf9")));
        assert!(
            child_of(CALL.as_bytes(), 0).is_some_and(|text| text.contains("-0000000000000001-"))
        );
    }

    #[test]
    fn an_invalid_one_is_not_passed_on() {
        for text in [
            String::new(),
            "00".to_owned(),
            CALL.to_ascii_uppercase(),
            CALL.replacen("00", "ff", 1),
            format!("{CALL}-more"),
            CALL.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            CALL.replace("00f067aa0ba902b7", &"0".repeat(16)),
            format!("{CALL}0"),
        ] {
            assert_eq!(child_of(text.as_bytes(), 1), None, "{text}");
        }
        assert_eq!(child_of(b"\xff", 1), None);
    }

    const DELIVERY: &str = "70195486-8934-4a31-a504-a97a72c7f322";
    const OWN: &str = "sidehook=7019548689344a31a504a97a72c7f322";

    fn state(fields: &[&str]) -> String {
        let pair = |field: &&str| ("tracestate".to_owned(), field.as_bytes().to_vec());
        let call = HeaderList(fields.iter().map(pair).collect());
        state_of(&call, DELIVERY.parse().expect("an id"))
    }

    #[test]
    fn our_mark_comes_first_and_the_calls_own_members_follow() {
        assert_eq!(state(&[]), OWN);
        let kept = format!("{OWN},rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,fw529a3039@dt=a b/c");
        let fields = ["rojo=00f067aa0ba902b7 ,\tcongo=t61rcWkgMzE", "", "fw529a3039@dt=a b/c,,"];
        assert_eq!(state(&fields), kept);
        let before = "rojo=1,sidehook=00000000000000000000000000000001,rojo=2";
        assert_eq!(state(&[before]), format!("{OWN},rojo=1"), "one member per key, ours is new");
    }

    #[test]
    fn malformed_members_are_dropped() {
        let long = format!("k={}", "v".repeat(257));
        for member in
            ["Rojo=1", "=1", "a", "a=", "a=b=c", "a@b@c=1", "a=\u{e9}", "_a=1", "a=\u{1}", &long]
        {
            assert_eq!(state(&[member, "ok=1"]), format!("{OWN},ok=1"), "{member}");
        }
    }

    #[test]
    fn the_state_stays_within_its_limits() {
        let many: Vec<String> = (0..40).map(|n| format!("k{n}=v")).collect();
        assert_eq!(state(&[&many.join(",")]).split(',').count(), 32);
        let long = |key: &str, n: usize| format!("{key}={}", "v".repeat(n));
        let (longest, first, last) = (long("a", 200), long("b", 100), long("z", 100));
        let shown =
            state(&[&[&*longest, &*first, &*longest.replacen('a', "c", 1), &*last].join(",")]);
        assert_eq!(shown, format!("{OWN},{first},{last}"), "long members go first");
        let same: Vec<String> = (0..9).map(|n| long(&format!("k{n}"), 100)).collect();
        let shown = state(&[&same.join(",")]);
        assert!(shown.len() <= 512 && shown.ends_with(&same[3]), "{shown}");
    }
}
