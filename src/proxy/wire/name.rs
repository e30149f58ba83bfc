//! The field names that the proxy knows, recognised once when a head is parsed, so that questions
//! about them are comparisons of a byte.

/// A field name that means something here; all others are `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::proxy) enum Name {
    Connection,
    ContentLength,
    ContentType,
    Date,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    MaxForwards,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    /// Any other `X-Forwarded-...`.
    XForwardedOther,
    Other,
}

/// A set of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Names(u32);

const X_FORWARDED: &[u8] = b"x-forwarded-";

impl Name {
    /// Recognises a name, in any case.
    pub(in crate::proxy) fn of(name: &[u8]) -> Self {
        let (text, known): (&[u8], Self) =
            match (name.len(), name.first().map(u8::to_ascii_lowercase)) {
                (2, Some(b't')) => (b"te", Self::Te),
                (3, Some(b'v')) => (b"via", Self::Via),
                (4, Some(b'h')) => (b"host", Self::Host),
                (4, Some(b'd')) => (b"date", Self::Date),
                (6, Some(b'e')) => (b"expect", Self::Expect),
                (7, Some(b'u')) => (b"upgrade", Self::Upgrade),
                (7, Some(b't')) => (b"trailer", Self::Trailer),
                (9, Some(b'f')) => (b"forwarded", Self::Forwarded),
                (10, Some(b'c')) => (b"connection", Self::Connection),
                (10, Some(b'k')) => (b"keep-alive", Self::KeepAlive),
                (12, Some(b'c')) => (b"content-type", Self::ContentType),
                (12, Some(b'm')) => (b"max-forwards", Self::MaxForwards),
                (14, Some(b'c')) => (b"content-length", Self::ContentLength),
                (14, Some(b'h')) => (b"http2-settings", Self::Http2Settings),
                (16, Some(b'p')) => (b"proxy-connection", Self::ProxyConnection),
                (17, Some(b't')) => (b"transfer-encoding", Self::TransferEncoding),
                (18, Some(b'p')) => (b"proxy-authenticate", Self::ProxyAuthenticate),
                (19, Some(b'p')) => (b"proxy-authorization", Self::ProxyAuthorization),
                (13.., Some(b'x')) => return Self::of_forwarded(name),
                _ => return Self::Other,
            };
        if name.eq_ignore_ascii_case(text) { known } else { Self::Other }
    }

    fn of_forwarded(name: &[u8]) -> Self {
        let (start, rest) = name.split_at(X_FORWARDED.len());
        if !start.eq_ignore_ascii_case(X_FORWARDED) {
            return Self::Other;
        }
        if rest.eq_ignore_ascii_case(b"for") {
            Self::XForwardedFor
        } else if rest.eq_ignore_ascii_case(b"host") {
            Self::XForwardedHost
        } else if rest.eq_ignore_ascii_case(b"proto") {
            Self::XForwardedProto
        } else {
            Self::XForwardedOther
        }
    }
}

impl Names {
    pub(in crate::proxy) const fn none() -> Self {
        Self(0)
    }

    pub(in crate::proxy) const fn with(self, name: Name) -> Self {
        Self(self.0 | 1 << name as u8)
    }

    pub(in crate::proxy) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(in crate::proxy) const fn has(self, name: Name) -> bool {
        self.0 & 1 << name as u8 != 0
    }

    /// Whether one of these is among the others.
    pub(in crate::proxy) const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    pub(in crate::proxy) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_nothing_else_is() {
        for (text, name) in [
            ("Connection", Name::Connection),
            ("TE", Name::Te),
            ("te", Name::Te),
            ("X-Forwarded-For", Name::XForwardedFor),
            ("x-forwarded-proto", Name::XForwardedProto),
            ("X-FORWARDED-HOST", Name::XForwardedHost),
            ("x-forwarded-port", Name::XForwardedOther),
            ("x-forwarded-", Name::Other),
            ("x-forwardedXfor", Name::Other),
            ("x-request-id-of-it", Name::Other),
            ("xost", Name::Other),
            ("", Name::Other),
            ("Transfer-Encoding", Name::TransferEncoding),
            ("Transfer_Encoding", Name::Other),
        ] {
            assert_eq!(Name::of(text.as_bytes()), name, "{text}");
        }
    }
}
