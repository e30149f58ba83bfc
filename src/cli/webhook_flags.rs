//! `--webhook`, and the `--secret` and `--signing-secret` that belong to the webhook before them.

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use crate::config::FlagWebhook;

const WEBHOOK: &str = "webhook";
const SECRET: &str = "secret";
const SIGNING_SECRET: &str = "signing-secret";

/// The webhooks of the command line, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct WebhookFlags(pub(super) Vec<FlagWebhook>);

impl Args for WebhookFlags {
    fn augment_args(command: Command) -> Command {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Append);
        command
            .arg(flag(WEBHOOK).value_name("URL").help("A target for all events (repeatable)"))
            .arg(flag(SECRET).value_name("TEXT").help(
                "Secret of the webhook before it, shown in its payloads \
                 (command lines are visible to other users: prefer a file)",
            ))
            .arg(
                flag(SIGNING_SECRET)
                    .value_name("TEXT")
                    .help("Signing key of the webhook before it"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for WebhookFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut flags: Vec<(usize, &str, String)> = Vec::new();
        for name in [WEBHOOK, SECRET, SIGNING_SECRET] {
            let indices = matches.indices_of(name).into_iter().flatten();
            let values = matches.get_many::<String>(name).into_iter().flatten();
            flags.extend(indices.zip(values).map(|(at, value)| (at, name, value.clone())));
        }
        flags.sort_unstable();
        let mut webhooks: Vec<FlagWebhook> = Vec::new();
        for (_, name, value) in flags {
            if name == WEBHOOK {
                webhooks.push(FlagWebhook { url: value, ..FlagWebhook::default() });
                continue;
            }
            let Some(webhook) = webhooks.last_mut() else {
                let message =
                    format!("--{name} belongs to the --webhook before it; there is none\n");
                return Err(Error::raw(ErrorKind::MissingRequiredArgument, message));
            };
            let slot =
                if name == SECRET { &mut webhook.secret } else { &mut webhook.signing_secret };
            if slot.replace(value).is_some() {
                let message = format!("--{name} is given twice for one --webhook\n");
                return Err(Error::raw(ErrorKind::ArgumentConflict, message));
            }
        }
        Ok(Self(webhooks))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
