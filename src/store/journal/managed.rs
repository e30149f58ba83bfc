//! What is written because an operator asked for it: webhooks created at run time, deliveries
//! added to a stored event, recoveries.

use serde::{Deserialize, Serialize};

use crate::model::{DeliveryId, EventId, Secret, Timestamp, WebhookId};
use crate::store::recovery::Recovery;

/// A webhook created at run time is defined so from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DefinitionRecord {
    pub(crate) webhook_id: WebhookId,
    /// `None`: it is deleted.
    #[serde(default, with = "revealed")]
    pub(crate) text: Option<Secret>,
    /// When this was written, also when it was carried forward.
    pub(crate) at: Timestamp,
}

/// Deliveries of a stored event that its commit did not make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AddedRecord {
    pub(crate) event_id: EventId,
    pub(crate) deliveries: Vec<AddedTarget>,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AddedTarget {
    pub(crate) id: DeliveryId,
    pub(crate) webhook_id: WebhookId,
    /// Where it keeps its place in the order of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chain: Option<[u8; 12]>,
}

/// How far a recovery is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecoveryRecord {
    pub(crate) recovery: Recovery,
    /// Events before this ordinal have been dealt with.
    pub(crate) next: u64,
    /// Events from this ordinal on came after it was started.
    pub(crate) end: u64,
    /// When this was written, also when it was carried forward.
    pub(crate) at: Timestamp,
}

/// The one way in which a secret text is written: into the store's own files.
pub(crate) mod revealed {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::model::Secret;

    pub(crate) fn serialize<S: Serializer>(
        text: &Option<Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_ref().map(Secret::reveal).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(d)?.map(Secret::new))
    }
}
