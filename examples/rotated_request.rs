//! One webhook while its key is rotated, for `scripts/verify-outside`: signed by the current key and
//! by the one before, not by one whose overlap has ended. Prints its headers and body as JSON; the
//! three keys are the arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use sidehook::clock;
use sidehook::model::{PreviousSecret, Scheme, Secret, Webhook};
use sidehook::sign;

fn main() {
    let mut keys = std::env::args().skip(1).map(Secret::new);
    let mut key = || keys.next().expect("three keys: current, previous, expired");
    let (current, previous, expired) = (key(), key(), key());
    let now = clock::now();
    let url = url::Url::parse("https://receiver.example.com/").expect("a URL");
    let webhook = Webhook {
        signing_secret: Some(current),
        previous_secrets: vec![
            PreviousSecret { secret: previous, until: now.plus(Duration::from_secs(3600)) },
            PreviousSecret { secret: expired, until: now },
        ],
        signatures: vec![Scheme::Standard, Scheme::Stripe, Scheme::Sha256],
        ..Webhook::new("rotated", url)
    };
    let body = r#"{"id":"evt_1","object":"event","type":"thing.created"}"#;
    let id = "01939d5e-5f3c-7a63-9b60-6f2f64c6b0c4";
    let keys = sign::Keys::of(&webhook, now);
    let signed = sign::headers(&webhook.signatures, &keys, id, now.as_secs(), body.as_bytes());
    let mut headers = BTreeMap::from([
        ("webhook-id".to_owned(), id.to_owned()),
        ("webhook-timestamp".to_owned(), now.as_secs().to_string()),
    ]);
    for (name, value) in signed.expect("the keys are good") {
        headers.insert(name.to_string(), value.to_str().expect("ASCII").to_owned());
    }
    println!("{}", serde_json::json!({ "headers": headers, "body": body }));
}
