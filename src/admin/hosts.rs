//! Which names the API answers to: a page that rebinds its own name to our address, or calls us
//! across sites, is told no before anything else is looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::uri::Authority;

/// The names of this listener.
#[derive(Debug)]
pub(super) struct Hosts {
    listen: SocketAddr,
    allowed: Vec<String>,
    has_tls: bool,
}

impl Hosts {
    pub(super) fn new(listen: SocketAddr, allowed: &[String], has_tls: bool) -> Self {
        let allowed = allowed.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { listen, allowed, has_tls }
    }

    /// Whether a `Host` (RFC 9110 7.2) is one of ours: the listen address or a name of this
    /// machine, with the port or without, or one of `allowed_hosts`.
    pub(super) fn answers_to(&self, host: &str) -> bool {
        self.knows(host, None)
    }

    /// Whether an `Origin` (RFC 6454 7) is this very listener. One without TLS may stand behind a
    /// reverse proxy that has it; one with TLS has no pages of plain HTTP.
    pub(super) fn is_own_origin(&self, origin: &str) -> bool {
        match origin.split_once("://") {
            Some(("http", host)) if !self.has_tls => self.knows(host, Some(80)),
            Some(("https", host)) => self.knows(host, Some(443)),
            _ => false,
        }
    }

    fn knows(&self, authority: &str, implied_port: Option<u16>) -> bool {
        let Ok(parsed) = authority.parse::<Authority>() else { return false };
        // A name before `@` is not what was dialled; whoever sends one has something in mind.
        let Some(rest) = authority.strip_prefix(parsed.host()) else { return false };
        let port = match rest.strip_prefix(':') {
            None => None,
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) => Some(port),
                Err(_) => return false,
            },
        };
        let host = parsed.host().to_ascii_lowercase();
        let whole = authority.to_ascii_lowercase();
        if self.allowed.iter().any(|name| *name == host || *name == whole) {
            return true;
        }
        self.is_own_host(&host)
            && port.or(implied_port).is_none_or(|port| port == self.listen.port())
    }

    fn is_own_host(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match bare.unwrap_or(host).parse::<IpAddr>() {
            // Rebinding needs a name: a literal address can only be the one that was dialled.
            Ok(address) => {
                address == self.listen.ip()
                    || address == Ipv4Addr::LOCALHOST
                    || address == Ipv6Addr::LOCALHOST
                    || self.listen.ip().is_unspecified()
            }
            Err(_) => host == "localhost",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(listen: &str) -> Hosts {
        let allowed = ["Admin.example.com".to_owned(), "other.example.com:8443".to_owned()];
        Hosts::new(listen.parse().expect("an address"), &allowed, false)
    }

    #[test]
    fn names_of_this_listener_and_no_others() {
        let hosts = hosts("10.1.2.3:8081");
        for ours in [
            "10.1.2.3:8081",
            "10.1.2.3",
            "localhost",
            "LOCALHOST:8081",
            "127.0.0.1:8081",
            "[::1]:8081",
            "[::1]",
            "admin.example.com",
            "admin.example.com:443",
            "other.example.com:8443",
        ] {
            assert!(hosts.answers_to(ours), "{ours}");
        }
        for foreign in [
            "",
            "evil.example",
            "evil.example:8081",
            "localhost:8080",
            "localhost.evil.example",
            "localhost.",
            "10.1.2.4:8081",
            "a@localhost:8081",
            "other.example.com",
            "localhost:99999",
            "admin.example.com.evil.example",
        ] {
            assert!(!hosts.answers_to(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_wildcard_listener_answers_to_addresses_but_not_to_names() {
        let hosts = hosts("0.0.0.0:8081");
        assert!(hosts.answers_to("10.9.9.9:8081"));
        assert!(!hosts.answers_to("evil.example:8081"));
    }

    #[test]
    fn only_this_listener_is_the_same_origin() {
        let hosts = hosts("127.0.0.1:8081");
        assert!(hosts.is_own_origin("http://localhost:8081"));
        assert!(hosts.is_own_origin("https://admin.example.com"));
        for foreign in ["null", "", "http://localhost", "http://localhost:3000", "file://"] {
            assert!(!hosts.is_own_origin(foreign), "{foreign}");
        }
        let listen = "127.0.0.1:8081".parse().expect("an address");
        let secured = Hosts::new(listen, &["admin.example.com".to_owned()], true);
        assert!(secured.is_own_origin("https://localhost:8081"));
        assert!(secured.is_own_origin("https://admin.example.com"));
        for plain in ["http://localhost:8081", "http://admin.example.com"] {
            assert!(!secured.is_own_origin(plain), "{plain}");
        }
    }
}
