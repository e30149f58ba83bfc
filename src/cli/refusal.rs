//! What an error of the admin API means for the one who asked, and what to do next.

use std::fmt::Write as _;

use hyper::StatusCode;
use serde::Deserialize;
use url::Url;

use super::access::Token;
use super::receiver::excerpt;

/// Mistakes that are shown; there is one per field.
const N_MISTAKES_MAX: usize = 50;

/// `application/problem+json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    detail: String,
    code: String,
    errors: Vec<Mistake>,
}

/// One mistake; its field is a member of the body, or a place in the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mistake {
    field: String,
    message: String,
}

/// The error with its next step, each mistake on a line of its own.
pub(super) fn in_words(admin: &Url, token: &Token, status: StatusCode, text: &str) -> String {
    let problem: Problem = serde_json::from_str(text).unwrap_or_default();
    let detail = excerpt(problem.detail.as_bytes(), 500);
    let mut told = match (status, token) {
        (StatusCode::UNAUTHORIZED, Token::Nowhere(why)) => format!(
            "no token: {why}. Give the [admin] token in SIDEHOOK_TOKEN (or with --token, where other \
             users cannot see your command lines), the configuration file with --config, or the \
             store's directory with --data: sidehook keeps the token that it made in the file \
             admin-token there"
        ),
        _ if status == StatusCode::UNAUTHORIZED || problem.code == "too_many_wrong_tokens" => {
            format!(
                "{admin} does not accept this token. Give the [admin] token in SIDEHOOK_TOKEN (or \
                 with --token), the configuration file with --config, or the store's directory with \
                 --data"
            )
        }
        (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _)
            if problem.code == "no_such_path" || problem.code == "method_not_allowed" =>
        {
            format!("the sidehook at {admin} cannot do that ({detail}); is it of another version?")
        }
        (StatusCode::NOT_FOUND, _) if detail.contains("recovery") => {
            format!("{detail}; GET {admin}v1/recoveries lists those under way and the last")
        }
        (StatusCode::NOT_FOUND, _) if !detail.is_empty() => format!(
            "{detail}; `sidehook events` and `sidehook deliveries` list what is kept \
             ([store] retain and max_size say how long), `sidehook webhooks` the webhooks"
        ),
        _ if detail.is_empty() => {
            format!("{admin} answered {status}; is this sidehook's admin address?")
        }
        _ => format!("sidehook answered {status}: {detail}"),
    };
    for mistake in problem.errors.iter().take(N_MISTAKES_MAX) {
        write!(told, "\n  {}", mistake.in_words()).expect("writing to a string cannot fail");
    }
    match problem.errors.len().saturating_sub(N_MISTAKES_MAX) {
        0 => told,
        n => format!("{told}\n  and {n} more"),
    }
}

impl Mistake {
    fn in_words(&self) -> String {
        let show = |text: &str| excerpt(text.as_bytes(), 500);
        match self.field.as_str() {
            "" => show(&self.message),
            field => format!("{}: {}", show(field), show(&self.message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, text: &str) -> String {
        let admin = "http://127.0.0.1:8081".parse().expect("a URL");
        let status = StatusCode::from_u16(status).expect("a status");
        in_words(&admin, &Token::Here("t".to_owned()), status, text)
    }

    #[test]
    fn each_mistake_has_its_line_and_its_place() {
        let text = r#"{"detail":"the body is not what this call takes","code":"invalid","errors":[
            {"field":"url","message":"must be https"},
            {"field":"sidehook.toml:3:1","message":"unknown key; remove it"}]}"#;
        let told = told(422, text);
        assert!(told.contains("\n  url: must be https\n"), "{told}");
        assert!(told.ends_with("\n  sidehook.toml:3:1: unknown key; remove it"), "{told}");
    }

    #[test]
    fn what_is_not_sidehook_is_no_puzzle_and_no_danger() {
        assert!(told(502, "<html>\u{1b}[2J").contains("is this sidehook's admin address?"));
        let told = told(409, r#"{"detail":"\u001b[2J"}"#);
        assert!(!told.contains('\u{1b}'), "{told}");
    }
}
