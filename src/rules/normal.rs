//! The normal form of a path.

/// The path in its normal form (RFC 3986 6.2.2): percent-encoded unreserved characters decoded,
/// the hexadecimal digits of the rest in upper case, dot segments removed; besides, repeated
/// slashes merged. `None` when the path is in its normal form already; without allocating.
pub fn normal_path(path: &[u8]) -> Option<Vec<u8>> {
    if !looks_unusual(path) {
        return None;
    }
    let normal = without_dot_segments(&merged_slashes(&decoded_unreserved(path)));
    (normal != path).then_some(normal)
}

fn looks_unusual(path: &[u8]) -> bool {
    path.contains(&b'%') || path.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

fn decoded_unreserved(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let encoded = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let Some((high, low)) = encoded else {
            out.push(*first);
            continue;
        };
        rest = &tail[2..];
        let byte = high << 4 | low;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend([b'%', tail[0].to_ascii_uppercase(), tail[1].to_ascii_uppercase()]);
        }
    }
    out
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn merged_slashes(path: &[u8]) -> Vec<u8> {
    let mut out = path.to_vec();
    out.dedup_by(|next, before| *next == b'/' && *before == b'/');
    out
}

/// RFC 3986 5.2.4, for a path that begins with a slash.
fn without_dot_segments(path: &[u8]) -> Vec<u8> {
    let Some(inner) = path.strip_prefix(b"/") else { return path.to_vec() };
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut ends_in_slash = false;
    for segment in inner.split(|&byte| byte == b'/') {
        ends_in_slash = matches!(segment, b"." | b"..");
        match segment {
            b"." => {}
            b".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    if ends_in_slash {
        segments.push(b"");
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_rfc_3986() {
        for (path, expected) in [
            ("/a/b", "/a/b"),
            ("/", "/"),
            ("", ""),
            ("*", "*"),
            ("/%7Efoo/%41", "/~foo/A"),
            ("/a%2fb%3a", "/a%2Fb%3A"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/a/./b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/b/.", "/a/b/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/%2e%2E/a", "/a"),
            ("///a//b/", "/a/b/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a/..b/...", "/a/..b/..."),
            ("/%252e", "/%252e"),
        ] {
            let normal = normal_path(path.as_bytes());
            let normal = normal.as_deref().unwrap_or(path.as_bytes());
            assert_eq!(String::from_utf8_lossy(normal), expected, "{path}");
        }
    }
}
