//! The webhooks of both origins: the configuration's, replaced as a whole, and the API's, kept in
//! the store. One lock makes every change see all names: they are unique over both.

use std::fmt;

use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::problem::FieldError;
use crate::model::Webhook;
use crate::store::Store;

/// Makes webhooks of the keys that the API was given. Whoever knows the configuration implements it.
pub trait ReadWebhook: Send + Sync {
    /// Checks the keys of a `[[webhook]]` written as JSON: all mistakes at once, each with its
    /// field. The caller sets identity, origin and times.
    ///
    /// # Errors
    /// What is wrong, field by field.
    fn read(&self, keys: &Map<String, Value>) -> Result<ReadKeys, Vec<FieldError>>;
}

/// A webhook that passed every check.
#[derive(Clone, Debug)]
pub struct ReadKeys {
    /// The webhook.
    pub webhook: Webhook,
    /// What works but may not be meant, such as labels that no rule makes yet.
    pub warnings: Vec<String>,
}

/// The webhooks of both origins.
pub struct Registry {
    store: Store,
    state: Mutex<State>,
}

#[allow(dead_code)] // read by the changes that come next
struct State {
    /// Those of the configuration.
    of_file: Vec<Webhook>,
    reader: Box<dyn ReadWebhook>,
}

impl Registry {
    /// Puts the webhooks of both origins in force.
    ///
    /// # Errors
    /// Names that both have, in words: nothing has changed.
    pub fn start(
        store: Store,
        of_file: Vec<Webhook>,
        reader: Box<dyn ReadWebhook>,
    ) -> Result<Self, Vec<String>> {
        store.set_webhooks(of_file.clone());
        Ok(Self { store, state: Mutex::new(State { of_file, reader }) })
    }

    /// A new configuration: its webhooks replace those of the old one, and the API's are read again
    /// under its defaults and its guard. `before` is run when nothing can be refused any more, before
    /// any of them is in force.
    ///
    /// # Errors
    /// Names that both have, in words: nothing has changed.
    pub async fn replace(
        &self,
        of_file: Vec<Webhook>,
        reader: Box<dyn ReadWebhook>,
        before: impl FnOnce() + Send,
    ) -> Result<(), Vec<String>> {
        let mut state = self.state.lock().await;
        before();
        self.store.set_webhooks(of_file.clone());
        *state = State { of_file, reader };
        Ok(())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}
