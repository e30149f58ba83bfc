//! Identities. Each kind is its own type, so one can never stand in for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The namespace of ids derived from the names of configured webhooks (a fixed, random UUID).
const WEBHOOK_NAMESPACE: Uuid = Uuid::from_u128(0x6f0d_9c0e_2b1a_4c55_9d1e_7a54_31c2_88f1);

/// Text that is no id of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $shown:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The sixteen bytes of the UUID: keys in the index.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let shown: fn(Uuid, &mut fmt::Formatter<'_>) -> fmt::Result = $shown;
                shown(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Accepts the UUID with or without hyphens, with or without the prefix, in any case.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let bare = without_prefix(text, $prefix).unwrap_or(text);
                match bare.len() {
                    32 | 36 => Uuid::try_parse(bare).map(Self).map_err(|_| IdError),
                    _ => Err(IdError),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.as_bytes().serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 16]>::deserialize(deserializer).map(|b| Self(Uuid::from_bytes(b)))
                }
            }
        }
    };
}

id!(
    /// An event: `evt_` and 32 hexadecimal digits of a UUIDv7.
    EventId, "evt_", |uuid, f| write!(f, "evt_{}", uuid.simple())
);
id!(
    /// A delivery: a bare UUIDv7, sent as `webhook-id` on every attempt.
    DeliveryId, "del_", |uuid, f| write!(f, "{}", uuid.hyphenated())
);
id!(
    /// A webhook: `wh_` and 32 hexadecimal digits.
    WebhookId, "wh_", |uuid, f| write!(f, "wh_{}", uuid.simple())
);

impl WebhookId {
    /// The id of a webhook of the configuration file: the same name has the same id after
    /// every restart and on every machine (UUIDv5, RFC 9562 5.5).
    pub fn of_name(name: &str) -> Self {
        Self(Uuid::new_v5(&WEBHOOK_NAMESPACE, name.as_bytes()))
    }
}

/// An event or a delivery, by an id whose prefix may not tell which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyId {
    /// Written with `evt_`.
    Event(EventId),
    /// Written with `del_`.
    Delivery(DeliveryId),
    /// A bare UUID: either.
    Bare(Uuid),
}

impl FromStr for AnyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if without_prefix(text, "evt_").is_some() {
            text.parse().map(Self::Event)
        } else if without_prefix(text, "del_").is_some() {
            text.parse().map(Self::Delivery)
        } else {
            text.parse::<DeliveryId>().map(|id| Self::Bare(id.uuid()))
        }
    }
}

/// What follows the prefix, which may be written in any case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, bare) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "70195486-8934-4a31-a504-a97a72c7f322";

    #[test]
    fn each_kind_has_its_own_spelling() {
        let uuid = Uuid::parse_str(UUID).expect("valid");
        assert_eq!(EventId(uuid).to_string(), "evt_7019548689344a31a504a97a72c7f322");
        assert_eq!(DeliveryId(uuid).to_string(), UUID);
        for text in [
            UUID,
            "evt_70195486-8934-4a31-a504-a97a72c7f322",
            "EVT_70195486-8934-4A31-A504-A97A72C7F322",
            "7019548689344A31A504A97A72C7F322",
        ] {
            assert_eq!(text.parse(), Ok(EventId(uuid)), "{text}");
        }
        for text in [
            "",
            "evt_",
            "wh_7019548689344a31a504a97a72c7f322",
            "{70195486-8934-4a31-a504-a97a72c7f322}",
        ] {
            assert_eq!(text.parse::<EventId>(), Err(IdError), "{text}");
        }
    }

    #[test]
    fn configured_webhooks_keep_their_id() {
        assert_eq!(WebhookId::of_name("billing"), WebhookId::of_name("billing"));
        assert_ne!(WebhookId::of_name("billing"), WebhookId::of_name("audit"));
    }
}
