//! One template, compiled once.

use std::fmt;
use std::sync::Arc;

use minijinja::Environment;
use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;

use super::analysis::Analysis;
use super::language::{Bounded, LANGUAGE};
use super::{ExprError, Limits, Scope, budget};

/// The name of the only template of its language.
const NAME: &str = "template";

/// A compiled template. Clones share it. The text outside `{{ }}` stands as it is, but for one
/// newline at its very end; nothing is escaped.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

struct Compiled {
    source: String,
    analysis: Analysis,
    /// The language, with this template in it.
    language: Environment<'static>,
}

impl Template {
    /// Compiles a template; only the names of [`super::NAMES`] and those that it sets itself may
    /// stand at the top.
    ///
    /// # Errors
    /// A mistake in the syntax, an unknown name, filter or test, or a value that could grow too
    /// large; with its place.
    pub fn parse(source: &str) -> Result<Self, ExprError> {
        Analysis::fits(source, false)?;
        let wrong = |error| ExprError::of(&error, source);
        let tree = parse(source, NAME, SyntaxConfig::default()).map_err(wrong)?;
        let analysis = Analysis::of_template(&tree)?;
        let mut language = LANGUAGE.clone();
        language.add_template_owned(NAME, source.to_owned()).map_err(wrong)?;
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), analysis, language })))
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// False when the template certainly does not read `top.member` (such as `webhook`,
    /// `secret`; `request`, `body`).
    pub fn may_read(&self, top: &str, member: &str) -> bool {
        self.0.analysis.may_read(top, member)
    }

    /// The rendered text.
    ///
    /// # Errors
    /// It fails, takes too much work, or is too long.
    pub fn render(&self, scope: &Scope) -> Result<String, ExprError> {
        budget::with(|| {
            let template = self.0.language.get_template(NAME);
            let mut out = Bounded::default();
            template
                .and_then(|template| template.render_captured_to(scope, &mut out))
                .and_then(|_| out.into_text())
                .map_err(|error| match error.kind() {
                    minijinja::ErrorKind::WriteFailure => {
                        let max = Limits::OUTPUT_BYTES_MAX;
                        ExprError::new(format!("the text grows beyond {max} bytes"))
                    }
                    _ => ExprError::of(&error, self.source()),
                })
        })
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.source()).finish()
    }
}
