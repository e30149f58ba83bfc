//! `[admin]`: tokens, names, certificate.

use sidehook::config::Flags;

use super::way_out::Certificates;
use super::{Folder, good, only_mistake, problems};

#[test]
fn a_read_token_is_another_one() {
    let token = "token = \"0123456789abcdef\"\n";
    let config = good(&format!("[admin]\n{token}read_token = \"fedcba9876543210\"\n"));
    assert_eq!(config.admin.read_token.expect("set").reveal(), "fedcba9876543210");
    assert!(config.effective.contains("read_token = \"***\""), "{}", config.effective);
    let problem = only_mistake(&format!("[admin]\n{token}read_token = \"0123456789abcdef\"\n"));
    assert!(problem.message.contains("are the same"), "{problem:?}");
    assert_eq!(problem.line, 3);
    only_mistake("[admin]\nread_token = \"with a space\"\n");
    only_mistake("[admin]\nread_token = \"\"\n");
}

/// Short ones are warned of and not refused; both are told.
#[test]
fn tokens_that_can_be_guessed_are_told() {
    let warnings = |toml: &str| good(toml).warnings.join("\n");
    for key in ["token", "read_token"] {
        let said = warnings(&format!("[admin]\n{key} = \"short\"\n"));
        assert!(said.contains(&format!("[admin] {key} is shorter than 16")), "{said}");
        assert!(!said.contains("\"short\""), "{said}");
        assert!(!warnings(&format!("[admin]\n{key} = \"0123456789abcdef\"\n")).contains(key));
    }
}

#[test]
fn the_admin_apis_certificate_is_read_and_judged() {
    let certificates = Certificates::new();
    let load = |toml: &str| {
        let folder = Folder::new(toml);
        folder.write("tls.crt", &certificates.certificate);
        folder.write("tls.key", &certificates.key);
        folder.write("other.key", Certificates::new().key);
        folder.load_with(&[], Flags::default())
    };
    let line = "[admin]\nlisten = \"0.0.0.0:8081\"\n";
    let config = load(&format!("{line}tls = {{ cert = \"tls.crt\", key = \"tls.key\" }}\n"));
    let config = config.unwrap_or_else(|error| panic!("{error}"));
    assert!(config.admin.tls.is_some());
    assert!(!config.warnings.join("\n").contains("without tls"), "{:?}", config.warnings);
    assert!(config.effective.contains("\"key\" = \"tls.key\""), "{}", config.effective);
    let plain = load(line).unwrap_or_else(|error| panic!("{error}"));
    assert!(plain.warnings.join("\n").contains("0.0.0.0:8081 without tls"), "{:?}", plain.warnings);
    for (value, words) in [
        ("{ cert = \"tls.crt\", key = \"other.key\" }", "does not belong"),
        ("{ cert = \"tls.key\", key = \"tls.key\" }", "no certificate"),
        ("{ cert = \"gone.crt\", key = \"tls.key\" }", "cannot read"),
        ("{ cert = \"tls.crt\" }", "key"),
        ("{ cert = \"tls.crt\", key = \"tls.key\", ca = \"x\" }", "ca"),
        ("\"tls.crt\"", "tls"),
    ] {
        let problems = problems(load(&format!("{line}tls = {value}\n")));
        assert_eq!(problems.count(), 1, "{problems}");
        let problem = problems.iter().next().expect("counted");
        assert!(problem.message.contains(words) || problem.cure.contains(words), "{problem:?}");
        assert_eq!(problem.line, 3, "{problem:?}");
    }
}
