//! `format` and `signatures`: every name, the tables, and what does not go together.

use sidehook::model::{Format, Scheme, SignatureAlgorithm, SignatureEncoding, SignedContent};

use super::{RULE, WEBHOOK, good, mistakes, only_mistake};

/// A webhook with these lines, which must be good.
fn webhook(lines: &str) -> sidehook::model::Webhook {
    good(&format!("{RULE}{WEBHOOK}{lines}\n")).webhooks.remove(0)
}

#[test]
fn every_format_has_its_name() {
    for format in Format::NAMED {
        let read = webhook(&format!("format = \"{}\"", format.name())).format;
        assert_eq!(read, format);
    }
    let problem = only_mistake(&format!("{RULE}{WEBHOOK}format = \"vikuna\"\n"));
    assert!(problem.cure.contains("did you mean \"vikunja\"?"), "{problem:?}");
    // Nothing is said about secrets on top of a format that is not known.
    let lines = "format = \"exchnge\"\nsecret = \"s\"\nsignatures = [\"sha256\"]\n";
    only_mistake(&format!("{RULE}{WEBHOOK}{lines}"));
}

#[test]
fn a_format_of_ones_own_is_an_expression_or_a_template() {
    let format = webhook("format = { json = '{\"text\": event.label}' }").format;
    let Format::Json(expression) = format else { panic!("{format:?}") };
    assert_eq!(expression.source(), "{\"text\": event.label}");
    let format = webhook("format = { template = 'label={{ event.label }}' }").format;
    let Format::Template { template, content_type } = format else { panic!("{format:?}") };
    assert_eq!(template.source(), "label={{ event.label }}");
    assert_eq!(content_type, "text/plain; charset=utf-8");
    let lines = "format = { template = '<a/>', content_type = \"application/xml\" }";
    let format = webhook(lines).format;
    assert!(
        matches!(format, Format::Template { content_type, .. } if content_type == "application/xml")
    );
}

#[test]
fn what_is_no_format_is_told() {
    for (format, message) in [
        ("5", "expected a name"),
        ("{ }", "a format of your own is `json` or `template`"),
        ("{ jsn = 'event.label' }", "`jsn` is not a key of format"),
        ("{ json = 5 }", "expected an expression"),
        ("{ json = 'id', template = 'a' }", "either `json` or `template`"),
        ("{ json = 'id', content_type = \"text/plain\" }", "belongs to a `template`"),
        ("{ template = 'a', content_type = \"text\" }", "not a media type"),
        ("{ template = 'a', content_type = \"text/plain\\nx: y\" }", "not a media type"),
    ] {
        let problem = only_mistake(&format!("{RULE}{WEBHOOK}format = {format}\n"));
        assert!(problem.message.contains(message), "{format}: {problem:?}");
        assert_eq!(problem.line, 9, "{format}");
    }
    // Mistakes inside the text have their own place: `format = { json = '[` is 20 long.
    let problem = only_mistake(&format!("{RULE}{WEBHOOK}format = {{ json = '[evnt.label]' }}\n"));
    assert_eq!((problem.line, problem.column), (9, 21), "{problem:?}");
    let problem = only_mistake(&format!("{RULE}{WEBHOOK}format = {{ template = '{{{{ a' }}\n"));
    assert!(problem.message.starts_with("this template is wrong"), "{problem:?}");
}

#[test]
fn every_scheme_has_its_name() {
    for scheme in Scheme::NAMED {
        let key = "ed25519_key = \"whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\"";
        let lines = format!(
            "format = \"typed\"\nsecret = \"s\"\n{key}\nsignatures = [\"{}\"]",
            scheme.name()
        );
        assert_eq!(webhook(&lines).signatures, [scheme]);
    }
    let problem =
        only_mistake(&format!("{RULE}{WEBHOOK}signing_secret = \"k\"\nsignatures = [\"githb\"]\n"));
    assert!(problem.cure.contains("did you mean \"github\"?"), "{problem:?}");
    assert_eq!((problem.line, problem.column), (10, 15));
}

#[test]
fn a_scheme_of_ones_own_has_defaults() {
    let custom = |table: &str| {
        let schemes =
            webhook(&format!("signing_secret = \"k\"\nsignatures = [{table}]")).signatures;
        let Scheme::Custom(custom) = &schemes[0] else { panic!("{schemes:?}") };
        (**custom).clone()
    };
    let scheme = custom("{ header = \"X-Sig\" }");
    assert_eq!((scheme.header.as_str(), scheme.prefix.as_str()), ("x-sig", ""));
    assert_eq!(scheme.encoding, SignatureEncoding::Hex);
    assert_eq!(scheme.content, SignedContent::Body);
    assert_eq!(scheme.algorithm, SignatureAlgorithm::Sha256);
    let scheme = custom(
        "{ header = \"authorization\", prefix = \"HMAC \", encoding = \"base64\", \
         content = \"id.timestamp.body\", algorithm = \"sha512\" }",
    );
    assert_eq!((scheme.header.as_str(), scheme.prefix.as_str()), ("authorization", "HMAC "));
    assert_eq!(scheme.encoding, SignatureEncoding::Base64);
    assert_eq!(scheme.content, SignedContent::IdTimestampBody);
    assert_eq!(scheme.algorithm, SignatureAlgorithm::Sha512);
    assert_eq!(
        custom("{ header = \"a\", content = \"timestamp.body\" }").content,
        SignedContent::TimestampBody
    );
}

#[test]
fn what_is_no_scheme_is_told() {
    for (scheme, message) in [
        ("5", "expected"),
        ("{ }", "`header` is missing"),
        ("{ header = \"a b\" }", "not a header name"),
        ("{ header = \"Webhook-Id\" }", "the header `Webhook-Id` is reserved"),
        ("{ header = \"content-type\" }", "reserved"),
        ("{ header = \"a\", encoding = \"base32\" }", "not one of the choices"),
        ("{ header = \"a\", content = \"url\" }", "not one of the choices"),
        ("{ header = \"a\", algorithm = \"md5\" }", "not one of the choices"),
        ("{ header = \"a\", prefix = \"x\\ny\" }", "cannot begin a header's value"),
        ("{ header = \"a\", secret = \"k\" }", "`secret` is not a key of a signature"),
    ] {
        let lines = format!("signing_secret = \"k\"\nsignatures = [{scheme}]\n");
        let problem = only_mistake(&format!("{RULE}{WEBHOOK}{lines}"));
        assert!(problem.message.contains(message), "{scheme}: {problem:?}");
        assert_eq!(problem.line, 10, "{scheme}");
    }
}

#[test]
fn two_signatures_cannot_share_a_header() {
    let refused =
        |lines: &str| only_mistake(&format!("{RULE}{WEBHOOK}signing_secret = \"k\"\n{lines}\n"));
    let problem = refused("signatures = [\"sha256\", { header = \"X-Webhook-Signature\" }]");
    assert!(problem.message.contains("`x-webhook-signature` is written by another"), "{problem:?}");
    assert_eq!((problem.line, problem.column), (10, 25));
    let problem = refused("signatures = [{ header = \"a\" }, { header = \"A\", prefix = \"b\" }]");
    assert!(problem.message.contains("another signature"), "{problem:?}");
    let problem = refused("signatures = [\"github\"]\nheaders = { X-Hub-Signature-256 = \"x\" }");
    assert!(problem.message.contains("`headers`"), "{problem:?}");
    let both = webhook(
        "signing_secret = \"k\"\nsignatures = [\"standard\", \"standard-ed25519\"]\n\
         ed25519_key = \"whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\"",
    );
    assert_eq!(both.signatures.len(), 2, "these two share one header by design");
}

/// Receivers have their own names beside ours.
#[test]
fn only_the_headers_that_sidehook_writes_are_reserved() {
    let own = webhook("headers = { X-Webhook-Token = \"t\", Webhook-Source = \"tasks\" }").headers;
    assert_eq!(own.len(), 2);
    for name in ["webhook-id", "X-Webhook-Event", "X-Webhook-Signature", "webhook-signature"] {
        let lines = format!("{RULE}{WEBHOOK}headers = {{ {name} = \"x\" }}\n");
        assert!(only_mistake(&lines).message.contains("reserved"), "{name}");
    }
}

#[test]
fn a_scheme_without_what_it_needs_is_told_at_its_place() {
    let refused = |lines: &str| only_mistake(&format!("{RULE}{WEBHOOK}{lines}\n"));
    let problem =
        refused("signing_secret = \"k\"\nsignatures = [\"sha256\", \"standard-ed25519\"]");
    assert!(problem.cure.contains("ed25519_key"), "{problem:?}");
    assert_eq!((problem.line, problem.column), (10, 25));
    let problem = refused("signing_secret = \"k\"\nsignatures = [\"sha256\", \"sha256\"]");
    assert!(problem.message.contains("twice"), "{problem:?}");
    assert_eq!((problem.line, problem.column), (10, 25));
    let problem = refused(
        "secret = \"s\"\nsignatures = [\"authorization\"]\n\
         basic_auth = { username = \"u\", password = \"p\" }",
    );
    assert!(problem.cure.contains("basic_auth"), "{problem:?}");
    assert_eq!((problem.line, problem.column), (10, 15));
    let problem = refused("signing_secret = \"k\"\nsignatures = [\"authorization\"]");
    assert!(problem.cure.contains("set secret"), "{problem:?}");
}

#[test]
fn a_format_of_ones_own_that_shows_the_secret_cannot_sign_with_it() {
    for format in ["{ json = '[webhook.secret]' }", "{ template = '{{ webhook.secret }}' }"] {
        let lines = format!("secret = \"s\"\nformat = {format}\n");
        assert!(webhook(&lines).signatures.is_empty());
        let problem = only_mistake(&format!("{RULE}{WEBHOOK}{lines}signatures = [\"sha256\"]\n"));
        assert!(problem.message.contains("shows"), "{format}: {problem:?}");
    }
    let lines = "secret = \"s\"\nformat = { json = '[event.label]' }";
    assert_eq!(webhook(lines).signatures, [Scheme::Standard, Scheme::Sha256]);
}

#[test]
fn an_ed25519_key_is_checked() {
    for key in ["whsk_AAAA", "whsk_not base64", "anything"] {
        let problem = only_mistake(&format!("{RULE}{WEBHOOK}ed25519_key = \"{key}\"\n"));
        assert!(problem.cure.contains("whsk_"), "{key}: {problem:?}");
        assert_eq!(problem.line, 9);
        assert!(!problem.message.contains(key), "{problem:?}");
    }
    let key = "ed25519_key = \"whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\"";
    assert_eq!(webhook(key).signatures, [Scheme::StandardEd25519]);
}

#[test]
fn the_portals_labels_have_an_entity_and_an_event() {
    let portal = |label: &str, pattern: &str| {
        let rule = RULE.replace("task.created", label);
        let webhook = WEBHOOK.replace("\"*\"", &format!("\"sidehook.*\", \"{pattern}\""));
        format!(
            "{rule}[[event]]\nlabel = \"peer.create\"\nmethod = \"GET\"\nurl = '^/$'\n{webhook}format = \"wireguard-portal\"\n"
        )
    };
    for (label, pattern) in
        [("created", "*"), ("created", "c*"), ("peer.", "*"), (".create", "*.create")]
    {
        let problem = only_mistake(&portal(label, pattern));
        assert!(problem.message.contains(&format!("`{label}`")), "{problem:?}");
        assert_eq!((problem.line, problem.column), (12, 25), "{problem:?}");
    }
    good(&portal("created", "peer.*"));
    good(&portal("wg.peer.create", "*"));
    let problems = mistakes(&portal("created", "create"));
    assert!(problems.to_string().contains("no event rule has a label"), "{problems}");
}
