//! What is wrong with a configuration, as the admin API says it.

use crate::admin::{ConfigProblem, ReloadFailed};
use crate::config::ConfigError;

/// For what is about the whole of it.
const WHOLE: &str = "the configuration";

/// Every mistake with its place and its cure.
pub(super) fn problems(error: &ConfigError) -> Vec<ConfigProblem> {
    let of_file = |path: &std::path::Path, line, message: String, cure: &str| ConfigProblem {
        source: path.display().to_string(),
        line,
        column: 0,
        message,
        cure: cure.to_owned(),
    };
    match error {
        ConfigError::Unreadable { path, source } => {
            let message = format!("the file cannot be read: {source}");
            vec![of_file(path, 0, message, "put it back, readable for sidehook")]
        }
        ConfigError::NotText { path, line } => {
            vec![of_file(path, *line, "not valid UTF-8".to_owned(), "save the file as UTF-8")]
        }
        ConfigError::Mistakes(problems) => {
            let one = |problem: &crate::config::Problem| ConfigProblem {
                source: problem.source.clone(),
                line: problem.line,
                column: problem.column,
                message: problem.message.clone(),
                cure: problem.cure.clone(),
            };
            problems.iter().map(one).collect()
        }
    }
}

/// Refused as a whole, in words that name the cure.
pub(super) fn refused(words: &str) -> (Vec<ConfigProblem>, String) {
    (vec![whole(words.to_owned(), "change it in the file, and read it again")], words.to_owned())
}

/// A panic on the way.
pub(super) fn internal(error: &tokio::task::JoinError) -> (Vec<ConfigProblem>, String) {
    let words = format!("internal error: {error}");
    (vec![whole(words.clone(), "report it; the running configuration is not touched")], words)
}

/// Nothing was even read.
pub(super) fn failed(words: String) -> ReloadFailed {
    ReloadFailed { problems: vec![whole(words, "try again")] }
}

fn whole(message: String, cure: &str) -> ConfigProblem {
    let (source, cure) = (WHOLE.to_owned(), cure.to_owned());
    ConfigProblem { source, line: 0, column: 0, message, cure }
}
