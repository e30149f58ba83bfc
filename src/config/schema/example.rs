//! What `config.example.toml` says of each key: the comment above it, and its value.

use serde_json::Value;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Example {
    keys: Vec<Documented>,
    sections: Vec<(String, String)>,
}

/// One key.
#[derive(Debug)]
pub(super) struct Documented {
    section: String,
    key: String,
    /// The comment above it, or above the key before it where it has none.
    pub(super) description: String,
    /// What is written there.
    pub(super) value: Value,
    /// It is the default, not an example behind a `#`.
    pub(super) is_default: bool,
}

impl Example {
    pub(super) fn read(text: &str) -> Self {
        let mut example = Self::default();
        let (mut section, mut comment) = (String::new(), Comment::default());
        for line in text.lines() {
            // "#" and a space is a comment, "#" alone before a key an example.
            if let Some(words) = line.strip_prefix("# ") {
                comment.push(words);
                continue;
            }
            let (line, is_default) = match line.strip_prefix('#') {
                Some(line) => (line, false),
                None => (line, true),
            };
            if let Some(name) = heading(line) {
                section = name.to_owned();
                example.sections.extend(comment.take().map(|words| (section.clone(), words)));
            } else if let Some((key, value)) = assignment(line) {
                let (section, description) = (section.clone(), comment.of_key());
                example.keys.push(Documented { section, key, description, value, is_default });
            } else {
                comment = Comment::default();
            }
        }
        example
    }

    pub(super) fn of_key(&self, section: &str, key: &str) -> Option<&Documented> {
        self.keys.iter().find(|known| known.section == section && known.key == key)
    }

    pub(super) fn of_section(&self, name: &str) -> Option<&str> {
        let found = self.sections.iter().find(|(section, _)| section == name);
        found.map(|(_, description)| description.as_str())
    }
}

/// The lines above a key.
#[derive(Default)]
struct Comment {
    lines: Vec<String>,
    /// A key has taken them: the next line begins another one.
    is_used: bool,
}

impl Comment {
    fn push(&mut self, words: &str) {
        if self.is_used {
            *self = Self::default();
        }
        self.lines.push(words.to_owned());
    }

    fn of_key(&mut self) -> String {
        self.is_used = true;
        self.lines.join("\n")
    }

    /// All of it, when there is any.
    fn take(&mut self) -> Option<String> {
        let Self { lines, is_used } = std::mem::take(self);
        (!is_used && !lines.is_empty()).then(|| lines.join("\n"))
    }
}

/// `[name]` or `[[name]]`.
fn heading(line: &str) -> Option<&str> {
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    Some(inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(inner))
}

fn assignment(line: &str) -> Option<(String, Value)> {
    let table: toml::Table = line.parse().ok()?;
    let (key, value) = table.into_iter().next()?;
    Some((key, serde_json::to_value(value).ok()?))
}
