//! Every key there is: what may be written where, and what a value from the environment is read as.

/// What a value looks like: decides how an environment variable becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string, also a duration or a size.
    Text,
    /// A whole number.
    Whole,
    /// A number.
    Real,
    /// true or false.
    Flag,
    /// A list of strings.
    List,
    /// A secret: text, `{ env }` or `{ file }`.
    Secret,
    /// A table, or one of several kinds; never from the environment.
    Other,
}

/// A section `[name]` or a list of tables `[[name]]`.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// `[[name]]`.
    pub repeated: bool,
    /// Its keys.
    pub keys: &'static [(&'static str, Kind)],
    /// Keys that the contract has and this version does not support yet.
    pub later: &'static [&'static str],
}

use Kind::{Flag, List, Other, Real, Secret, Text, Whole};

/// Every section.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "proxy",
        repeated: false,
        keys: &[
            ("listen", Text),
            ("upstream", Text),
            ("upstream_tls", Other),
            ("tls", Other),
            ("h2c", Flag),
            ("proxy_protocol", Flag),
            ("workers", Whole),
            ("commit", Text),
            ("on_store_failure", Text),
            ("trusted_proxies", List),
            ("max_connections", Whole),
            ("max_connections_per_client", Whole),
            ("max_head", Text),
            ("via", Flag),
            ("max_depth", Whole),
            ("connect_timeout", Text),
            ("response_timeout", Text),
            ("upstream_idle_timeout", Text),
            ("idle_timeout", Text),
            ("header_timeout", Text),
            ("body_timeout", Text),
            ("send_timeout", Text),
            ("upstream_body_timeout", Text),
            ("tunnel_timeout", Text),
            ("shutdown_grace", Text),
        ],
        later: &[],
    },
    Section {
        name: "capture",
        repeated: false,
        keys: &[
            ("max_request_body", Text),
            ("max_response_body", Text),
            ("max_total", Text),
            ("max_duration", Text),
            ("keep_headers", List),
            ("redact_headers", List),
            ("redact_fields", List),
            ("redact_query", List),
        ],
        later: &[],
    },
    Section {
        name: "store",
        repeated: false,
        keys: &[("path", Text), ("retain", Text), ("max_size", Text)],
        later: &["url"],
    },
    Section {
        name: "delivery",
        repeated: false,
        keys: &[
            ("timeout", Text),
            ("concurrency", Whole),
            ("retry", List),
            ("jitter", Real),
            ("disable_after", Whole),
            ("pause_after", Whole),
            ("require_https", Flag),
            ("allow_networks", List),
            ("deny_networks", List),
            ("egress_proxy", Secret),
            ("source_address", Text),
            ("user_agent", Text),
            ("max_response_kept", Text),
        ],
        later: &[],
    },
    Section {
        name: "admin",
        repeated: false,
        keys: &[
            ("listen", Text),
            ("token", Secret),
            ("read_token", Secret),
            ("allowed_hosts", List),
            ("watch_config", Flag),
            ("tls", Other),
        ],
        later: &[],
    },
    Section {
        name: "event",
        repeated: true,
        keys: &[
            ("id", Whole),
            ("label", Text),
            ("tag", Text),
            ("method", Other),
            ("url", Text),
            ("query", Text),
            ("status", Other),
            ("when", Text),
            ("subject", Text),
            ("on_disconnect", Text),
            ("max_request_body", Text),
            ("max_response_body", Text),
        ],
        later: &[],
    },
    Section {
        name: "webhook",
        repeated: true,
        keys: &[
            ("name", Text),
            ("url", Text),
            ("active", Flag),
            ("events", List),
            ("secret", Secret),
            ("signing_secret", Secret),
            ("ed25519_key", Secret),
            ("headers", Other),
            ("basic_auth", Other),
            ("method", Text),
            ("format", Other),
            ("signatures", List),
            ("retry", List),
            ("timeout", Text),
            ("disable_after", Whole),
            ("pause_after", Whole),
            ("concurrency", Whole),
            ("rate_limit", Text),
            ("ordered", Flag),
            ("ca_file", Text),
            ("client_cert", Other),
        ],
        later: &[],
    },
];

impl Section {
    /// The section of this name.
    pub fn of_name(name: &str) -> Option<&'static Self> {
        SECTIONS.iter().find(|section| section.name == name)
    }

    /// The kind of a key; `None`: no such key.
    pub fn kind(&self, key: &str) -> Option<Kind> {
        self.keys.iter().find(|(name, _)| *name == key).map(|(_, kind)| *kind)
    }

    /// How it is written: `[proxy]`, `[[event]]`.
    pub fn heading(&self) -> String {
        if self.repeated { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }
}
