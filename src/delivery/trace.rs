//! Trace context (W3C Trace Context, `traceparent`): a delivery belongs to its call's trace.

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
}
