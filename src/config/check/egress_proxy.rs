//! The way out: `egress_proxy`, whose URL holds a password, and `source_address`.

use std::net::IpAddr;

use url::{Host, Url};

use super::Check;
use crate::config::node::{Node, Value};
use crate::config::problem::quoted;
use crate::egress::EgressProxy;
use crate::model::Secret;

const FORM: &str = "\"http://host:port\" or \"http://user:password@host:port\"";

impl Check<'_> {
    /// `http://user:password@host:port`, as text or as a secret. Nothing of it is quoted in
    /// messages: what is wrong with it may be the password.
    pub(super) fn egress_proxy(&mut self, node: &Node) -> Option<EgressProxy> {
        let text = match &node.value {
            // Without a password the line is shown, which helps.
            Value::Text(text) if !has_credentials(text) => text.clone(),
            _ => self.secret_text(node)?,
        };
        let cure = format!("write {FORM}");
        let url = match Url::parse(&text) {
            Ok(url) => url,
            Err(error) => {
                let message = format!("the egress proxy is not a URL: {error}");
                self.problem(&node.place, message, cure);
                return None;
            }
        };
        let message = match url.scheme() {
            "http" if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
                "an egress proxy has no path and no query"
            }
            "http" => return self.proxy_of(node, &url),
            "https" | "socks4" | "socks5" | "socks5h" => {
                "the egress proxy is asked by HTTP CONNECT over plain http"
            }
            _ => "the egress proxy is not an http:// URL",
        };
        self.problem(&node.place, message, cure);
        None
    }

    fn proxy_of(&mut self, node: &Node, url: &Url) -> Option<EgressProxy> {
        let host = match url.host()? {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        if port == 0 {
            self.problem(&node.place, "nothing can listen on port 0", format!("write {FORM}"));
            return None;
        }
        let given = !url.username().is_empty() || url.password().is_some();
        let user = decoded(url.username());
        let password = decoded(url.password().unwrap_or_default());
        let (Some(user), Some(password)) = (user, password) else {
            let message = "the user name or password of the egress proxy is not text";
            let cure = "write bytes of UTF-8 as %XX, and a percent sign as %25";
            self.problem(&node.place, message, cure);
            return None;
        };
        // RFC 7617 2: the colon ends the user name, and control characters are not allowed.
        if user.contains(':') || user.chars().chain(password.chars()).any(char::is_control) {
            let message = "this user name or password cannot be sent to the egress proxy";
            let cure =
                "choose them without control characters, the name without a colon (RFC 7617)";
            self.problem(&node.place, message, cure);
            return None;
        }
        let credentials = given.then(|| (user, Secret::new(password)));
        Some(EgressProxy { host, port, credentials })
    }

    /// A local address that attempts leave from.
    pub(super) fn source_address(&mut self, node: &Node) -> Option<IpAddr> {
        let form = "an address of this machine, such as \"203.0.113.7\"";
        let text = self.text(node, form)?;
        let address = text.parse::<IpAddr>().ok();
        let address = address.filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
        if address.is_none() {
            let message = format!("{} is not an address to send from", quoted(text));
            self.problem(&node.place, message, format!("write {form}"));
        }
        address
    }
}

/// Whether a URL may hold a user name or a password; what is not plainly without counts as one.
pub(in crate::config) fn has_credentials(text: &str) -> bool {
    text.contains('@') || Url::parse(text).is_err()
}

/// Percent-decodes (RFC 3986 2.1); `None` when the result is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| h << 4 | l),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok())
}
