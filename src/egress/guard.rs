//! The address guard: which targets a webhook may have. A table, not predicates of the standard
//! library: every row of the IANA special-purpose registries (RFC 6890) that is not plainly
//! public, IPv6 by what is allowed rather than by what is not, and the addresses where clouds
//! keep credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use super::Settings;
use crate::model::{Failure, GuardReason};

/// Why a target is refused, with the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither `http` nor `https`.
    #[error("`{scheme}:` is not supported: a target is an http:// or https:// URL")]
    Scheme {
        /// The scheme as written.
        scheme: String,
    },
    /// A user name or password in the URL.
    #[error("a target's URL carries no user name or password: use basic_auth")]
    UserInfo,
    /// No host.
    #[error("the target's URL has no host")]
    NoHost,
    /// Port 0.
    #[error("nothing can listen on port 0")]
    PortZero,
    /// Plain http under `require_https`.
    #[error("{target} is plain http and [delivery] require_https is on: use https://")]
    NotHttps {
        /// Scheme and host.
        target: String,
    },
    /// A special address outside `allow_networks`.
    #[error(
        "{address} is not a public address ({network}): to allow it, add \"{cure}\" to [delivery] \
         allow_networks"
    )]
    NotPublic {
        /// The address, or the name that stands for it.
        address: String,
        /// What the special network is.
        network: &'static str,
        /// The narrowest sensible entry of `allow_networks`.
        cure: IpNet,
    },
    /// In `deny_networks`.
    #[error("{address} is in {network}, which [delivery] deny_networks lists")]
    Denied {
        /// The address.
        address: String,
        /// The entry.
        network: IpNet,
    },
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::NotHttps { target } => {
                Self::Refused { reason: GuardReason::NotHttps, address: Some(target) }
            }
            TargetError::NotPublic { address, .. } => {
                Self::Refused { reason: GuardReason::NotPublic, address: Some(address) }
            }
            TargetError::Denied { address, .. } => {
                Self::Refused { reason: GuardReason::Denied, address: Some(address) }
            }
            other => Self::Unrenderable { detail: other.to_string() },
        }
    }
}

/// A network that is not plainly public.
struct Special {
    network: IpNet,
    what: &'static str,
}

/// Judges a target as far as its URL tells: scheme, user information, and the address where the
/// host is a literal (in any spelling that RFC 3986 readers accept: `url` has made it canonical)
/// or a name of this machine. Other names are judged at every attempt, by their addresses.
///
/// # Errors
/// The target is refused; the error names the cure.
pub fn judge_url(url: &Url, settings: &Settings) -> Result<(), TargetError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(TargetError::Scheme { scheme: url.scheme().to_owned() });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::UserInfo);
    }
    let host = url.host().ok_or(TargetError::NoHost)?;
    if url.port() == Some(0) {
        return Err(TargetError::PortZero);
    }
    if settings.require_https && url.scheme() == "http" {
        return Err(TargetError::NotHttps { target: format!("http://{host}") });
    }
    match host {
        Host::Ipv4(ip) => judge(IpAddr::V4(ip), settings),
        Host::Ipv6(ip) => judge(IpAddr::V6(ip), settings),
        Host::Domain(name) if is_localhost(name) => local_addresses(name, settings).map(|_| ()),
        Host::Domain(_) => Ok(()),
    }
}

/// Judges one address. `deny_networks` goes before everything; a public address is allowed;
/// any other must be in `allow_networks`, and one that may hold credentials (link-local and
/// cloud metadata) must be listed exactly, as a network of one address: no broad entry opens it.
///
/// # Errors
/// The address is refused.
pub fn judge(ip: IpAddr, settings: &Settings) -> Result<(), TargetError> {
    let ip = ip.to_canonical();
    if let Some(&network) = settings.deny_networks.iter().find(|net| net.contains(&ip)) {
        return Err(TargetError::Denied { address: ip.to_string(), network });
    }
    let Some(special) = special(ip) else { return Ok(()) };
    let exact = METADATA.iter().any(|net| net.contains(&ip));
    let opens =
        |net: &IpNet| net.contains(&ip) && (!exact || net.prefix_len() == net.max_prefix_len());
    if !settings.allow_networks.iter().any(opens) {
        let cure = if exact { IpNet::from(ip) } else { special.network };
        return Err(TargetError::NotPublic {
            address: ip.to_string(),
            network: special.what,
            cure,
        });
    }
    // An allowed translation prefix must not be a way around the table.
    embedded_v4(ip).map_or(Ok(()), |inner| judge(IpAddr::V4(inner), settings))
}

/// Whether a name always means this machine (RFC 6761 6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

/// The loopback addresses that a localhost name stands for and that are allowed: these names
/// are never asked of DNS (RFC 6761 6.3), so leaving one out is not a weakness.
///
/// # Errors
/// None of them is allowed.
pub(super) fn local_addresses(name: &str, settings: &Settings) -> Result<Vec<IpAddr>, TargetError> {
    let mut allowed = Vec::new();
    let mut refusal = None;
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        match judge(ip, settings) {
            Ok(()) => allowed.push(ip),
            Err(error) => {
                refusal.get_or_insert(error);
            }
        }
    }
    match refusal {
        Some(TargetError::NotPublic { network, cure, .. }) if allowed.is_empty() => {
            Err(TargetError::NotPublic { address: name.to_owned(), network, cure })
        }
        Some(other) if allowed.is_empty() => Err(other),
        _ => Ok(allowed),
    }
}

fn special(ip: IpAddr) -> Option<Special> {
    match ip {
        IpAddr::V4(ip) => V4
            .iter()
            .find(|(net, _)| net.contains(&ip))
            .map(|&(net, what)| Special { network: IpNet::V4(net), what }),
        IpAddr::V6(ip) => {
            if let Some(&(net, what)) = V6.iter().find(|(net, _)| net.contains(&ip)) {
                return Some(Special { network: IpNet::V6(net), what });
            }
            (!GLOBAL_UNICAST.contains(&ip)).then(|| Special {
                network: IpNet::from(IpAddr::V6(ip)),
                what: "outside the global unicast range 2000::/3",
            })
        }
    }
}

/// The IPv4 address that a translated IPv6 address leads to (NAT64, RFC 6052; 6to4, RFC 3056).
fn embedded_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let s = ip.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match s {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

#[rustfmt::skip]
const V4: &[(Ipv4Net, &str)] = &[
    (v4(0, 0, 0, 0, 8), "this network, RFC 791"),
    (v4(10, 0, 0, 0, 8), "private, RFC 1918"),
    (v4(100, 64, 0, 0, 10), "carrier-grade NAT, RFC 6598"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local and cloud metadata, RFC 3927"),
    (v4(172, 16, 0, 0, 12), "private, RFC 1918"),
    (v4(192, 0, 0, 0, 24), "protocol assignments, RFC 6890"),
    (v4(192, 0, 2, 0, 24), "documentation, RFC 5737"),
    (v4(192, 31, 196, 0, 24), "AS112, RFC 7535"),
    (v4(192, 52, 193, 0, 24), "AMT, RFC 7450"),
    (v4(192, 88, 99, 0, 24), "6to4 relay, RFC 7526"),
    (v4(192, 168, 0, 0, 16), "private, RFC 1918"),
    (v4(192, 175, 48, 0, 24), "AS112, RFC 7534"),
    (v4(198, 18, 0, 0, 15), "benchmarking, RFC 2544"),
    (v4(198, 51, 100, 0, 24), "documentation, RFC 5737"),
    (v4(203, 0, 113, 0, 24), "documentation, RFC 5737"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved and broadcast"),
    (v4(168, 63, 129, 16, 32), "Azure's platform address"),
];

/// IPv4-mapped addresses are made IPv4 before; what is not here is allowed in 2000::/3 only.
#[rustfmt::skip]
const V6: &[(Ipv6Net, &str)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "unspecified and IPv4-compatible, RFC 4291"),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), "IPv4-translated, RFC 2765"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "NAT64, RFC 6052"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "local NAT64, RFC 8215"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discard, RFC 6666"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "protocol assignments, Teredo, ORCHID, RFC 2928"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation, RFC 3849"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4, RFC 3056"),
    (v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), "AS112, RFC 7534"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation, RFC 9637"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "segment routing, RFC 9602"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique local, RFC 4193"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local, RFC 4291"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local, RFC 3879"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];

/// Where clouds hand out credentials: opened only by an entry for exactly that address.
const METADATA: &[IpNet] = &[
    IpNet::V4(v4(169, 254, 0, 0, 16)),
    IpNet::V4(v4(168, 63, 129, 16, 32)),
    IpNet::V4(v4(100, 100, 100, 200, 32)),
    IpNet::V4(v4(192, 0, 0, 192, 32)),
    IpNet::V6(v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10)),
    IpNet::V6(v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32)),
    IpNet::V6(v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0], 32)),
    IpNet::V6(v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128)),
];

#[cfg(test)]
mod tests;
