//! The keys of a `[[webhook]]` that come as JSON from the admin API: the same tree, the same checks.

use serde_json::{Map, Value};

use crate::admin::{FieldError, ReadKeys, ReadWebhook};

/// Reads webhooks of the API under a configuration.
#[derive(Clone, Debug, Default)]
pub struct WebhookReader {}

impl ReadWebhook for WebhookReader {
    fn read(&self, keys: &Map<String, Value>) -> Result<ReadKeys, Vec<FieldError>> {
        let _ = keys;
        Err(vec![FieldError { field: String::new(), message: "not yet".into() }])
    }
}
