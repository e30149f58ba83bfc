//! The tokens: compared in constant time, wrong ones counted per address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use super::Settings;
use super::hosts::Hosts;
use crate::model::Secret;

/// Both the time over which they are counted and the time that 429 lasts.
const WINDOW: Duration = Duration::from_secs(60);

/// Who may come, under which names, and do what: what a reload replaces, as one piece.
#[derive(Debug)]
pub(super) struct Access {
    token: Token,
    read_token: Option<Token>,
    pub(super) hosts: Hosts,
}

/// What the bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rights {
    /// Everything.
    Full,
    /// GET and HEAD, and the test of the rules.
    Read,
}

/// A token, as a digest: lengths and prefixes leak nothing.
#[derive(Debug, PartialEq)]
struct Token([u8; 32]);

/// Who sent wrong tokens lately.
#[derive(Debug, Default)]
pub(super) struct WrongTokens(Mutex<HashMap<IpAddr, Wrong>>);

#[derive(Clone, Copy, Debug)]
struct Wrong {
    n: u32,
    /// Begin of the counted minute; once over the limit, begin of the blocked minute.
    since: Instant,
}

impl Access {
    /// `listen` is the address really bound: the port may have been chosen by the system.
    pub(super) fn new(settings: &Settings, listen: SocketAddr) -> Self {
        Self {
            token: Token::new(&settings.token),
            read_token: settings.read_token.as_ref().map(Token::new),
            hosts: Hosts::new(listen, &settings.allowed_hosts, settings.tls.is_some()),
        }
    }

    /// Whether the tokens are the same.
    pub(super) fn has_tokens_of(&self, other: &Self) -> bool {
        self.token == other.token && self.read_token == other.read_token
    }

    /// What this token allows; `None`: it is none of ours.
    pub(super) fn rights(&self, presented: &[u8]) -> Option<Rights> {
        // Both are always compared, so that the time does not tell which one was close.
        let presented: [u8; 32] = Sha256::digest(presented).into();
        let is_full = self.token.is(&presented);
        let is_read = self.read_token.as_ref().is_some_and(|token| token.is(&presented));
        if is_full { Some(Rights::Full) } else { is_read.then_some(Rights::Read) }
    }
}

impl Token {
    fn new(token: &Secret) -> Self {
        Self(Sha256::digest(token.reveal()).into())
    }

    fn is(&self, digest: &[u8; 32]) -> bool {
        digest.ct_eq(&self.0).into()
    }
}

impl WrongTokens {
    /// Counts a wrong token; `Some` is how long to ask its sender to stay away.
    pub(super) fn count(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = network(from);
        if addresses.len() >= Settings::WRONG_ADDRESSES_MAX && !addresses.contains_key(&from) {
            make_room(&mut addresses, now);
        }
        let wrong = addresses.entry(from).or_insert(Wrong { n: 0, since: now });
        if now.duration_since(wrong.since) >= WINDOW {
            *wrong = Wrong { n: 0, since: now };
        }
        wrong.n = wrong.n.saturating_add(1);
        if wrong.n == Settings::WRONG_TOKENS_MAX + 1 {
            wrong.since = now;
            tracing::warn!(address = %from, "too many wrong admin tokens: 429 for a minute");
        }
        (wrong.n > Settings::WRONG_TOKENS_MAX)
            .then(|| WINDOW.saturating_sub(now.duration_since(wrong.since)))
    }
}

fn make_room(addresses: &mut HashMap<IpAddr, Wrong>, now: Instant) {
    addresses.retain(|_, wrong| now.duration_since(wrong.since) < WINDOW);
    if addresses.len() >= Settings::WRONG_ADDRESSES_MAX
        && let Some(oldest) = addresses.iter().min_by_key(|(_, w)| w.since).map(|(a, _)| *a)
    {
        addresses.remove(&oldest);
    }
}

/// One IPv6 customer owns a /64: its addresses count as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        let mut settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: Secret::new("correct"),
            read_token: None,
            allowed_hosts: Vec::new(),
            tls: None,
        };
        let one = Access::new(&settings, settings.listen);
        settings.read_token = Some(Secret::new("reader"));
        let both = Access::new(&settings, settings.listen);
        for access in [&one, &both] {
            assert_eq!(access.rights(b"correct"), Some(Rights::Full));
            for wrong in [&b""[..], b"correc", b"correctt", b"Correct", b"reade"] {
                assert_eq!(access.rights(wrong), None, "{wrong:?}");
            }
        }
        assert_eq!(one.rights(b"reader"), None);
        assert_eq!(both.rights(b"reader"), Some(Rights::Read));
    }

    #[test]
    fn the_eleventh_wrong_token_of_a_minute_is_blocked_for_a_minute() {
        let wrong = WrongTokens::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(wrong.count(one, start), None);
        }
        let later = start + Duration::from_secs(30);
        assert_eq!(wrong.count(one, later), Some(Duration::from_secs(60)));
        assert_eq!(wrong.count(other, later), None, "others are not affected");
        assert_eq!(wrong.count(one, later + Duration::from_secs(59)), Some(Duration::from_secs(1)));
        assert_eq!(wrong.count(one, later + WINDOW), None);
    }

    #[test]
    fn memory_is_bounded_and_a_network_counts_as_one() {
        let wrong = WrongTokens::default();
        let now = Instant::now();
        for n in 0..u32::try_from(2 * Settings::WRONG_ADDRESSES_MAX).expect("small") {
            wrong.count(IpAddr::V4(n.into()), now);
        }
        assert!(wrong.0.lock().expect("no panic").len() <= Settings::WRONG_ADDRESSES_MAX);
        let host = |n: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | n));
        assert!((0..11).filter_map(|n| wrong.count(host(n), now)).count() == 1);
    }
}
