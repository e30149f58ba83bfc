//! What an operator asks for on the admin API while the process is killed: webhooks are created, and
//! get what they never had from the history.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Sidehook, Switch};
use crate::world::{self, Findings, World};

/// What the admin API has acknowledged, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Webhooks that were created.
    pub(crate) webhooks: Vec<String>,
    /// Recoveries that were started.
    pub(crate) recoveries: Vec<String>,
    /// What of that is not there after all the kills, or has not come to its end.
    pub(crate) missing: Vec<String>,
}

/// `kill -9` at random moments while webhooks are created and filled from the history under load.
pub(crate) fn kill_rounds(rounds: usize) -> (u64, Findings, Asked) {
    let seed = world::seed();
    let mut random = world::Random::new(seed);
    let world = World::new(700);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut asked = Asked::default();
    for round in 0..rounds {
        world.receiver_refuses(crate::is_refusing(round));
        let sidehook = Sidehook::start(folder.path(), &world, Switch::None);
        let load = world.load(&sidehook, 4);
        world.load_goes_on(50 + usize::try_from(random.below(200)).expect("small"));
        asked.ask(&sidehook, &world, &format!("late-{round}"));
        std::thread::sleep(Duration::from_millis(random.below(150))); // the random moment
        sidehook.kill();
        load.stop();
    }
    world.receiver_refuses(false);
    let findings = settle(folder.path(), &world, &mut asked);
    (seed, findings, asked)
}

fn settle(folder: &Path, world: &World, asked: &mut Asked) -> Findings {
    let sidehook = Sidehook::start(folder, world, Switch::None);
    let findings = world.settle(&sidehook);
    world::holds(Duration::from_secs(30), || {
        asked.missing = asked.look(&sidehook);
        asked.missing.is_empty()
    });
    sidehook.kill();
    findings
}

impl Asked {
    /// Creates a webhook and fills it; what is answered is remembered.
    fn ask(&mut self, sidehook: &Sidehook, world: &World, name: &str) {
        let url = format!("http://{}/", world.receiver);
        let new = json!({ "name": name, "url": url, "events": ["*"], "concurrency": 64 });
        let Some(created) = answer(&sidehook.ask("POST", "/v1/webhooks", &new)) else { return };
        let id = created["id"].as_str().expect("an identity").to_owned();
        let path = format!("/v1/webhooks/{id}/recover");
        self.webhooks.push(id);
        let begun = answer(&sidehook.ask("POST", &path, &json!({ "backfill": true })));
        let begun = begun.and_then(|begun| begun["id"].as_str().map(str::to_owned));
        self.recoveries.extend(begun);
    }

    /// What is not as it was acknowledged, or not yet.
    fn look(&self, sidehook: &Sidehook) -> Vec<String> {
        let recoveries = answer(&sidehook.ask("GET", "/v1/recoveries", &Value::Null));
        let recoveries = recoveries.unwrap_or_default();
        let recoveries = recoveries["data"].as_array().cloned().unwrap_or_default();
        let is_done = |id: &String| {
            recoveries.iter().any(|known| known["id"] == **id && known["status"] == "done")
        };
        let undone = self.recoveries.iter().filter(|id| !is_done(id)).cloned();
        let is_filled = |id: &String| {
            let path = format!("/v1/webhooks/{id}/recover");
            let order = json!({ "backfill": true, "dry_run": true });
            let lacking = answer(&sidehook.ask("POST", &path, &order));
            let path = format!("/v1/deliveries?webhook={id}&status=pending&limit=1");
            let waiting = answer(&sidehook.ask("GET", &path, &Value::Null));
            lacking.is_some_and(|lacking| lacking["count"] == 0)
                && waiting.is_some_and(|waiting| waiting["data"] == json!([]))
        };
        // The last one may have been killed before its recovery was begun.
        let filled = self.webhooks.iter().take(self.recoveries.len());
        undone.chain(filled.filter(|id| !is_filled(id)).cloned()).collect()
    }
}

/// The body of a success.
fn answer(reply: &str) -> Option<Value> {
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let is_success = head.starts_with("HTTP/1.1 2");
    is_success.then(|| serde_json::from_str(body).ok())?
}
