//! Secrets: where they come from, that they are never shown, and never both shown and used as keys.

use sidehook::config::Flags;
use sidehook::model::Scheme;

use super::{Folder, RULE, WEBHOOK, good, load_text, only_mistake, problems};

#[test]
fn a_secret_is_text_or_comes_from_the_environment_or_a_file() {
    let folder = Folder::new(&format!(
        "{RULE}{WEBHOOK}secret = {{ file = \"secret.txt\" }}\nsigning_secret = {{ env = \"KEY\" }}\n\
         basic_auth = {{ username = \"u\", password = \"p\" }}\n\
         headers = {{ X-Token = {{ env = \"KEY\" }} }}\n"
    ));
    folder.write("secret.txt", "from the file\n\n");
    let config = folder
        .load_with(&[("KEY", "from-the-environment")], Flags::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let webhook = &config.webhooks[0];
    let shown = |secret: &Option<sidehook::model::Secret>| {
        secret.as_ref().map(|secret| secret.reveal().to_owned())
    };
    assert_eq!(shown(&webhook.secret).as_deref(), Some("from the file\n"), "one newline is cut");
    assert_eq!(shown(&webhook.signing_secret).as_deref(), Some("from-the-environment"));
    assert_eq!(webhook.basic_auth.as_ref().expect("set").password.reveal(), "p");
    assert_eq!(webhook.headers[0].1, "from-the-environment");
    assert!(webhook.headers[0].1.is_sensitive());
    assert_eq!(webhook.signatures, [Scheme::Standard, Scheme::Sha256]);
}

#[test]
fn a_secret_that_is_not_there_is_named() {
    let folder = Folder::new(&format!(
        "{RULE}{WEBHOOK}secret = {{ env = \"NOT_SET\" }}\nsigning_secret = {{ file = \"gone.txt\" }}\n"
    ));
    let problems = problems(folder.load_with(&[], Flags::default()));
    let told = problems.to_string();
    assert_eq!(problems.count(), 2, "{told}");
    assert!(told.contains("`NOT_SET` is not set"), "{told}");
    assert!(told.contains("gone.txt"), "{told}");
}

#[test]
fn a_secret_has_exactly_one_source() {
    for (secret, message) in [
        ("{ }", "one source, found 0"),
        ("{ env = \"A\", file = \"b\" }", "one source, found 2"),
        ("{ environment = \"A\" }", "not a source of secrets"),
        ("\"\"", "empty"),
        ("5", "found a whole number"),
    ] {
        let problem = only_mistake(&format!("{RULE}{WEBHOOK}secret = {secret}\n"));
        assert!(problem.message.contains(message), "{secret}: {problem:?}");
    }
}

#[test]
fn headers_that_are_not_written_as_a_table_are_not_shown() {
    for line in [
        "headers = \"X-Token: hidden\"",
        "headers = [\"X-Token: hidden\"]",
        "headers = { \"no name\" = \"hidden\" }",
        "headers = { \"X-Token:\" = \"hidden\" }",
    ] {
        let told = problems(load_text(&format!("{RULE}{WEBHOOK}{line}\n"))).to_string();
        assert!(told.contains("***") && !told.contains("hidden"), "{told}");
    }
}

#[test]
fn the_key_is_never_shown_as_well() {
    // "exchange" shows `secret`: it cannot sign.
    let problem =
        only_mistake(&format!("{RULE}{WEBHOOK}secret = \"s\"\nsignatures = [\"sha256\"]\n"));
    assert!(problem.message.contains("shows"), "{problem:?}");
    assert!(problem.cure.contains("signing_secret"), "{problem:?}");
    // Nor can it under another name.
    let problem = only_mistake(&format!("{RULE}{WEBHOOK}secret = \"s\"\nsigning_secret = \"s\"\n"));
    assert!(problem.message.contains("same"), "{problem:?}");
    // A scheme without a key.
    let problem = only_mistake(&format!("{RULE}{WEBHOOK}signatures = [\"standard\"]\n"));
    assert!(problem.message.contains("key"), "{problem:?}");
    assert_eq!(problem.line, 9);
}

#[test]
fn default_signatures_need_a_key_that_is_not_shown() {
    let schemes =
        |line: &str| good(&format!("{RULE}{WEBHOOK}{line}\n")).webhooks[0].signatures.clone();
    assert!(schemes("").is_empty());
    assert!(schemes("secret = \"s\"").is_empty());
    assert_eq!(schemes("signing_secret = \"k\""), [Scheme::Standard, Scheme::Sha256]);
    assert_eq!(schemes("secret = \"s\"\nsigning_secret = \"k\"").len(), 2);
    assert!(schemes("signing_secret = \"k\"\nsignatures = []").is_empty());
    assert_eq!(schemes("signing_secret = \"k\"\nsignatures = [\"sha256\"]"), [Scheme::Sha256]);
}

#[test]
fn whsec_is_base64() {
    let problem = only_mistake(&format!("{RULE}{WEBHOOK}signing_secret = \"whsec_not base64\"\n"));
    assert!(problem.message.contains("base64"), "{problem:?}");
    good(&format!("{RULE}{WEBHOOK}signing_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n"));
}

#[test]
fn a_key_that_libraries_would_decode_is_warned_of_and_not_shown() {
    const BARE: &str = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const HEX: &str = "5f2b7c9d1e3a4b6c8d0e2f4a6b8c0d1e";
    let standard = "signatures = [\"standard\"]";
    let plain = "format = \"standard\"";
    for (key, secret, more, notation) in [
        ("signing_secret", BARE, "", "looks like base64"),
        ("signing_secret", BARE, standard, "looks like base64"),
        ("secret", BARE, plain, "looks like base64"),
        ("signing_secret", HEX, standard, "looks like hexadecimal"),
        // By default `sha256` is there too, which takes the text as it is on both sides.
        ("signing_secret", HEX, "", ""),
        ("signing_secret", BARE, "signatures = [\"sha256\"]", ""),
        ("secret", BARE, "", ""), // of the format `exchange`: no key
        ("signing_secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", standard, ""),
        ("signing_secret", "s3cret", standard, ""),
    ] {
        let config = good(&format!("{RULE}{WEBHOOK}{key} = \"{secret}\"\n{more}\n"));
        let told = config.warnings.join("\n");
        assert_eq!(told.is_empty(), notation.is_empty(), "{key} {secret} {more}: {told}");
        assert!(told.contains(notation) && !told.contains(secret), "{told}");
        if !told.is_empty() {
            let parts = ["the webhook `w`", key, "its text", "decode", "write whsec_ before it"];
            assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        }
    }
}

#[test]
fn secrets_are_shown_nowhere() {
    let toml = format!(
        "{RULE}{WEBHOOK}secret = \"hunter2\"\nsigning_secret = \"hunter3\"\n\
         basic_auth = {{ username = \"u\", password = \"hunter4\" }}\n\
         headers = {{ X-Api-Key = \"hunter5\" }}\n[admin]\ntoken = \"hunter6-hunter6-hunter6\"\n"
    );
    let config = good(&toml);
    let debug = format!("{config:?}");
    assert!(!debug.contains("hunter"), "{debug}");
    // Mistakes beside secrets show lines, not secrets; misspelt secrets are secrets.
    for line in [
        "secrett = \"hunter7\"",
        "basic_auth = { username = 5, password = \"hunter7\" }",
        "basic_auth = { username = \"u\", pasword = \"hunter7\" }",
        "headers = { Host = \"x\", Authorization = \"hunter7\" }",
        "url = \"https://u:hunter7@example.com\"",
        "url = \"https://u:hunter7@exam ple.com\"",
        "secret = [\"hunter7\"]",
        "secret = { env = \"A\", text = \"hunter7\" }",
        "signing_secret = \"hunter7",
    ] {
        let webhook = WEBHOOK.replace("url = \"https://example.com/\"\n", "");
        let error =
            load_text(&format!("{RULE}{webhook}{line}\n")).expect_err("a mistake").to_string();
        assert!(!error.contains("hunter"), "{line}:\n{error}");
    }
}

/// Where nobody reads them: in sections and tables that are not what they should be.
#[test]
fn secrets_in_the_wrong_place_are_secrets() {
    for section in [
        "webhook = { name = \"w\", secret = \"hunter7\" }",
        "webhook = [{ name = \"w\", secret = \"hunter7\" }, 5]",
        "webhoks = { name = \"w\", secret = \"hunter7\" }",
        "admin = [{ token = \"hunter7\" }]",
        "delivery = \"http://u:hunter7@h\"",
    ] {
        let error = load_text(&format!("{section}\n{RULE}")).expect_err("a mistake").to_string();
        assert!(!error.contains("hunter"), "{section}:\n{error}");
    }
    for line in [
        "credentials = { user = \"a\", password = \"hunter7\" }",
        "options = [{ secret = \"hunter7\" }]",
        "headers = [{ \"Authorization\" = \"hunter7\" }]",
        "headers = \"Authorization: hunter7\"",
        "headers = { \"X Api Key\" = \"hunter7\" }",
        "headers = { \"Authorization\" = \"hunter7\" ",
        "basic_auth = { username = \"u:hunter7\", password = \"p\" }",
        "signatures = [{ header = \"x\", key = \"hunter7\" }]",
        "client_cert = { cert = \"c\", key = \"k\", passphrase = \"hunter7\" }",
        "format = { json = 'id', secret = \"hunter7\" }",
        "secret = { file = { path = \"hunter7\" } }",
        "url = \"https://u:hunter7@h",
        "[delivery]\nproxy = \"u:hunter7@h:3128\"",
    ] {
        let error =
            load_text(&format!("{RULE}{WEBHOOK}{line}\n")).expect_err("a mistake").to_string();
        assert!(!error.contains("hunter"), "{line}:\n{error}");
    }
}

#[test]
fn the_effective_configuration_is_toml_without_secrets() {
    let toml = format!(
        "{RULE}{WEBHOOK}secret = {{ file = \"s.txt\" }}\nsigning_secret = \"hunter2\"\n\
         [delivery]\nretry = [\"5s\"]\nuser_agent = \"a \\\"b\\\" \\u0007\"\n"
    );
    let toml = toml.replace(" \\u0007", "");
    let headers = "headers = { \"X-My\" = \"Bearer hunter4\", \"X-Env\" = \"prod\" }\n[delivery]";
    let toml = toml.replace("[delivery]", headers);
    let folder = Folder::new(&toml);
    folder.write("s.txt", "hunter3");
    let effective = folder.load_with(&[], Flags::default()).expect("good").effective;
    let table: toml::Table = effective.parse().expect("TOML");
    assert!(!effective.contains("hunter"), "{effective}");
    assert_eq!(table["webhook"][0]["signing_secret"].as_str(), Some("***"));
    assert_eq!(table["webhook"][0]["secret"]["file"].as_str(), Some("s.txt"));
    assert_eq!(table["delivery"]["retry"][0].as_str(), Some("5s"));
    assert_eq!(table["delivery"]["user_agent"].as_str(), Some("a \"b\""));
    assert_eq!(table["proxy"]["listen"].as_str(), Some("127.0.0.1:8080"));
}

#[test]
fn targets_are_judged_where_they_are_written() {
    let webhook = |url: &str| WEBHOOK.replace("https://example.com/", url);
    for url in [
        "http://127.0.0.1:9/",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://2130706433/",
        "http://localhost/",
    ] {
        let problem = only_mistake(&format!("{RULE}{}", webhook(url)));
        assert!(problem.cure.contains("allow_networks"), "{url}: {problem:?}");
        assert_eq!((problem.line, problem.column), (7, 7));
    }
    good(&format!(
        "{RULE}{}[delivery]\nallow_networks = [\"127.0.0.0/8\"]\n",
        webhook("http://127.0.0.1:9/")
    ));
    let problem = only_mistake(&format!(
        "{RULE}{}[delivery]\nrequire_https = true\n",
        webhook("http://example.com/")
    ));
    assert!(problem.cure.contains("https://"), "{problem:?}");
}
