//! The webhooks of both origins: the configuration's, replaced as a whole, and the API's, kept in
//! the store. One lock makes every change see all names: they are unique over both. What is in
//! force is the store's: nothing is kept here that could differ from it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::definition::{Stored, webhook_of};
use super::keys;
use super::problem::{FieldError, Problem};
use crate::clock;
use crate::model::{Secret, Webhook, WebhookId, WebhookSource, WebhookState, WebhookStatus};
use crate::shutdown::Tasks;
use crate::store::Store;

/// Webhooks created on the API.
const N_WEBHOOKS_MAX: usize = 1000;

/// Why a webhook is disabled that nobody but a person has disabled.
pub(super) const BY_OPERATOR: &str = "disabled by an operator";
/// Replaced keys of a webhook that sign at a time: each adds a signature to every request.
const N_PREVIOUS_MAX: usize = 4;

/// Makes webhooks of the keys that the API was given. Whoever knows the configuration implements it.
pub trait ReadWebhook: Send + Sync {
    /// Checks the keys of a `[[webhook]]` written as JSON: all mistakes at once, each with its
    /// field. The caller sets identity, origin and times.
    ///
    /// # Errors
    /// What is wrong, field by field.
    fn read(&self, keys: &Map<String, Value>) -> Result<ReadKeys, Vec<FieldError>>;

    /// Whether there is such a key at all.
    fn knows(&self, key: &str) -> bool;
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
    /// Changes under way. Each is waited for by its caller, and at a stop by the store.
    changes: Tasks,
}

struct State {
    reader: Box<dyn ReadWebhook>,
}

/// The HMAC key that a rotation has made.
#[derive(Debug)]
pub(super) struct NewKey {
    /// `secret` or `signing_secret`.
    pub(super) key: &'static str,
    pub(super) secret: Secret,
    pub(super) warnings: Vec<String>,
}

impl Registry {
    /// Puts the webhooks of both origins in force. Where both have a name, the configuration's goes
    /// first and the other waits for a new one: a start is never stopped by that.
    pub fn start(store: Store, of_file: Vec<Webhook>, reader: Box<dyn ReadWebhook>) -> Self {
        let of_api = of_api(&store, reader.as_ref());
        store.set_webhooks(both(of_file, of_api));
        Self { store, state: Mutex::new(State { reader }), changes: Tasks::default() }
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
        let of_api = of_api(&self.store, reader.as_ref());
        let running = self.store.webhooks();
        let waits = |id| running.iter().any(|now| now.id == id && now.unusable.is_some());
        let taken = of_file.iter().filter_map(|webhook| {
            let clashes = |other: &&Webhook| other.name == webhook.name && !waits(other.id);
            Some(name_taken(&webhook.name, of_api.iter().find(clashes)?.id))
        });
        let taken: Vec<String> = taken.collect();
        if !taken.is_empty() {
            return Err(taken);
        }
        before();
        self.store.set_webhooks(both(of_file, of_api));
        *state = State { reader };
        Ok(())
    }

    /// Runs a change to its end, also when its caller leaves: whoever comes next under the lock must
    /// see it whole.
    pub(super) async fn to_its_end<T, F>(&self, change: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        self.changes.spawn(change).await.unwrap_or_else(|_| {
            Err(Problem::unavailable("store_unavailable", "the change was broken off"))
        })
    }

    /// Creates a webhook. A name, and a key to sign with, are made where none is given.
    pub(super) async fn create(&self, mut keys: Map<String, Value>) -> Result<ReadKeys, Problem> {
        let state = self.state.lock().await;
        let webhooks = self.store.webhooks();
        let of_api = webhooks.iter().filter(|webhook| webhook.source == WebhookSource::Api);
        if of_api.count() >= N_WEBHOOKS_MAX {
            let detail = format!("there are {N_WEBHOOKS_MAX} already; delete one first");
            return Err(Problem::conflict("too_many_webhooks", detail));
        }
        let wanted = keys::take_status(&mut keys);
        let unknown = keys::unknown_resets(&keys, state.reader.as_ref());
        keys.retain(|_, value| !value.is_null());
        let is_named = keys.contains_key("name");
        if !is_named {
            keys.insert("name".to_owned(), self.free_name(&keys, None).into());
        }
        if ["secret", "signing_secret", "ed25519_key"].iter().all(|key| !keys.contains_key(*key)) {
            keys.insert("signing_secret".to_owned(), made_secret()?.reveal().into());
        }
        let stored = Stored::new(keys, clock::now());
        let id = WebhookId::from_uuid(Uuid::now_v7());
        let read = refused(unknown, stored.read(id, state.reader.as_ref()));
        let (wanted, read) = checked(wanted, read)?;
        self.check_name(&read.webhook)?;
        if wanted == Some(WebhookStatus::Disabled) {
            // Before it gets its first event.
            self.stand(&read.webhook, WebhookStatus::Disabled).await?;
        }
        self.define(&read.webhook, &stored).await?;
        tracing::info!(webhook = read.webhook.name, %id, "created on the admin API");
        Ok(read)
    }

    /// Changes a webhook of the API: members replace keys, null resets them. All or nothing.
    pub(super) async fn change(
        &self,
        id: WebhookId,
        mut patch: Map<String, Value>,
    ) -> Result<Vec<String>, Problem> {
        let state = self.state.lock().await;
        let wanted = keys::take_status(&mut patch);
        let webhook = self.of_api(id)?;
        let mut warnings = Vec::new();
        if patch.is_empty() {
            let wanted = wanted.map_err(Problem::invalid)?;
            self.change_status(&webhook, wanted).await?;
            return Ok(warnings);
        }
        let mut stored = self.stored(id)?;
        let mut wrong = keys::unknown_resets(&patch, state.reader.as_ref());
        wrong.extend(keys::merge(&mut stored.keys, patch));
        if !stored.keys.contains_key("name") {
            let name = self.free_name(&stored.keys, Some(id));
            stored.keys.insert("name".to_owned(), name.into());
        }
        let now = clock::now();
        stored.updated_at = now;
        stored.drop_expired(now);
        let read = refused(wrong, stored.read(id, state.reader.as_ref()));
        let (wanted, mut read) = checked(wanted, read)?;
        self.check_name(&read.webhook)?;
        if read.webhook.hmac_key() != webhook.hmac_key() {
            stored.forget_previous();
            read.webhook.previous_secrets.clear();
        }
        self.define(&read.webhook, &stored).await?;
        tracing::info!(webhook = read.webhook.name, %id, "changed on the admin API");
        warnings.append(&mut read.warnings);
        self.change_status(&read.webhook, wanted).await?;
        Ok(warnings)
    }

    /// Deletes a webhook of the API; what waits for it is cancelled.
    pub(super) async fn delete(&self, id: WebhookId) -> Result<(), Problem> {
        let _state = self.state.lock().await;
        let webhook = self.of_api(id)?;
        match self.store.delete_webhook(id).await {
            Ok(true) => {
                tracing::info!(webhook = webhook.name, %id, "deleted on the admin API");
                Ok(())
            }
            Ok(false) => Err(Problem::not_found("webhook")),
            Err(error) => Err(Problem::of_store(&error)),
        }
    }

    /// Gives a webhook a new HMAC key; the one before signs beside it until the overlap ends.
    pub(super) async fn rotate(&self, id: WebhookId, overlap: Duration) -> Result<NewKey, Problem> {
        let state = self.state.lock().await;
        let webhook = self.of_api(id)?;
        if let Some(reason) = &webhook.unusable {
            return Err(Problem::conflict("unusable", reason.clone()));
        }
        let mut stored = self.stored(id)?;
        let now = clock::now();
        stored.updated_at = now;
        stored.drop_expired(now);
        let key = keys::name_of_hmac_key(&webhook);
        let before = if key == "secret" { &webhook.secret } else { &webhook.signing_secret };
        if let Some(before) = before.as_ref().filter(|_| !overlap.is_zero()) {
            if stored.n_previous() >= N_PREVIOUS_MAX {
                let detail = format!(
                    "{N_PREVIOUS_MAX} keys before this one sign still; wait until an overlap has \
                     ended, or set `{key}` with PATCH, which ends them all"
                );
                return Err(Problem::conflict("too_many_keys", detail));
            }
            stored.overlap(before, now.plus(overlap));
        }
        let secret = made_secret()?;
        stored.keys.insert(key.to_owned(), secret.reveal().into());
        let read = stored.read(id, state.reader.as_ref()).map_err(Problem::invalid)?;
        self.define(&read.webhook, &stored).await?;
        tracing::info!(webhook = webhook.name, %id, "its key was rotated on the admin API");
        let warnings = keys::warnings_of_rotation(&webhook, &read.webhook);
        Ok(NewKey { key, secret, warnings })
    }

    /// Enables or disables a webhook, where that is not so already.
    async fn change_status(
        &self,
        webhook: &Webhook,
        wanted: Option<WebhookStatus>,
    ) -> Result<(), Problem> {
        let Some(wanted) = wanted else { return Ok(()) };
        if let Some(reason) = &webhook.unusable {
            return Err(Problem::conflict("unusable", reason.clone()));
        }
        // One that is disabled already keeps its reason.
        if wanted == WebhookStatus::Active || self.store.webhook_status(webhook).0 != wanted {
            self.stand(webhook, wanted).await?;
        }
        Ok(())
    }

    async fn stand(&self, webhook: &Webhook, status: WebhookStatus) -> Result<(), Problem> {
        let is_disabled = status == WebhookStatus::Disabled;
        let reason = is_disabled.then(|| BY_OPERATOR.to_owned());
        let overrides_file = !is_disabled && !webhook.active;
        let since = clock::now();
        let state = WebhookState { status, reason, since, overrides_file, rests_until: None };
        let stored = self.store.set_webhook_state(webhook.id, state).await;
        stored.map_err(|error| Problem::of_store(&error))
    }

    async fn define(&self, webhook: &Webhook, stored: &Stored) -> Result<(), Problem> {
        let defined = self.store.define_webhook(webhook.clone(), stored.text()).await;
        defined.map_err(|error| Problem::of_store(&error))
    }

    /// A webhook that may be changed here.
    fn of_api(&self, id: WebhookId) -> Result<Arc<Webhook>, Problem> {
        let webhooks = self.store.webhooks();
        let webhook = webhooks.iter().find(|webhook| webhook.id == id);
        let webhook = webhook.ok_or_else(|| Problem::not_found("webhook"))?;
        match webhook.source {
            WebhookSource::Api => Ok(Arc::clone(webhook)),
            WebhookSource::Config => Err(Problem::conflict(
                "defined_in_file",
                "this webhook is defined in the configuration file; change it there",
            )),
        }
    }

    fn stored(&self, id: WebhookId) -> Result<Stored, Problem> {
        let definition = self.store.definitions().into_iter().find(|one| one.id == id);
        let definition = definition.ok_or_else(|| Problem::not_found("webhook"))?;
        Stored::parse(&definition.text).map_err(|reason| Problem::conflict("unusable", reason))
    }

    fn check_name(&self, webhook: &Webhook) -> Result<(), Problem> {
        let webhooks = self.store.webhooks();
        let is_other = |other: &&Arc<Webhook>| other.id != webhook.id && other.name == webhook.name;
        let Some(other) = webhooks.iter().find(is_other) else { return Ok(()) };
        let detail = format!("the name `{}` is taken by {}; choose another", other.name, other.id);
        Err(Problem::conflict("name_taken", detail))
    }

    /// The URL's host, with `-2`, `-3`, ... where another webhook has that name.
    fn free_name(&self, keys: &Map<String, Value>, own: Option<WebhookId>) -> String {
        let webhooks = self.store.webhooks();
        let is_free = |name: &String| {
            !webhooks.iter().any(|other| Some(other.id) != own && other.name == *name)
        };
        keys::free_name(keys, is_free)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

/// What was found wrong before the keys were read, and with them.
fn refused(
    mut wrong: Vec<FieldError>,
    read: Result<ReadKeys, Vec<FieldError>>,
) -> Result<ReadKeys, Vec<FieldError>> {
    match read {
        Ok(read) if wrong.is_empty() => Ok(read),
        read => {
            wrong.extend(read.err().unwrap_or_default());
            Err(wrong)
        }
    }
}

/// What was found wrong with a status and with the keys, together.
fn checked(
    wanted: Result<Option<WebhookStatus>, Vec<FieldError>>,
    read: Result<ReadKeys, Vec<FieldError>>,
) -> Result<(Option<WebhookStatus>, ReadKeys), Problem> {
    match (wanted, read) {
        (Ok(wanted), Ok(read)) => Ok((wanted, read)),
        (wanted, read) => {
            let mut errors = wanted.err().unwrap_or_default();
            errors.extend(read.err().unwrap_or_default());
            Err(Problem::invalid(errors))
        }
    }
}

/// The webhooks of the store, read under a configuration.
fn of_api(store: &Store, reader: &dyn ReadWebhook) -> Vec<Webhook> {
    store.definitions().iter().map(|one| webhook_of(one, reader)).collect()
}

/// The webhooks of both origins. One of the API whose name the configuration has waits for another.
fn both(of_file: Vec<Webhook>, of_api: Vec<Webhook>) -> Vec<Webhook> {
    let mut all = of_file;
    let n_of_file = all.len();
    for mut webhook in of_api {
        if all[..n_of_file].iter().any(|other| other.name == webhook.name) {
            let reason = name_taken(&webhook.name, webhook.id);
            tracing::error!(reason, "a webhook of the admin API waits for another name");
            let is_free = |name: &String| !all.iter().any(|other| other.name == *name);
            webhook.name = keys::numbered(&webhook.name, is_free);
            webhook.unusable = Some(reason);
        }
        all.push(webhook);
    }
    all
}

fn name_taken(name: &str, id: WebhookId) -> String {
    format!(
        "the name `{name}` of a webhook of the configuration is that of {id}, which was created on \
         the admin API: give one of them another name (PATCH /v1/webhooks/{id}), or delete that one"
    )
}

/// `whsec_` and the base64 of 32 random bytes.
fn made_secret() -> Result<Secret, Problem> {
    use base64::Engine as _;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Problem::unavailable("no_randomness", "the system has no randomness now"))?;
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    Ok(Secret::new(format!("whsec_{encoded}")))
}
