//! Why connections are not served, as a label.

/// Why a client's connection was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the label values")]
pub enum Unserved {
    Accept,
    Limit,
    ClientLimit,
    Untrusted,
    ProxyHeader,
    Handshake,
}

impl Unserved {
    pub(super) const ALL: [Self; 6] = [
        Self::Accept,
        Self::Limit,
        Self::ClientLimit,
        Self::Untrusted,
        Self::ProxyHeader,
        Self::Handshake,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Limit => "limit",
            Self::ClientLimit => "client_limit",
            Self::Untrusted => "untrusted",
            Self::ProxyHeader => "proxy_header",
            Self::Handshake => "handshake",
        }
    }
}
