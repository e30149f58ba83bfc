//! Files of at most 400 lines, functions of at most 70, tests in a file of at most 100.

use syn::spanned::Spanned as _;
use syn::visit::Visit;

use crate::source::{Source, is_cfg_test};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const INLINE_TESTS_LINES_MAX: usize = 100;

pub(crate) fn check(source: &Source) -> Vec<String> {
    let mut functions = Functions { path: &source.path, findings: Vec::new() };
    functions.visit_file(&source.file);
    let mut findings = functions.findings;
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.path));
    }
    findings
}

struct Functions<'s> {
    path: &'s str,
    findings: Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &syn::Ident, whole: proc_macro2::Span) {
        let (first, last) = (whole.start().line, whole.end().line);
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let path = self.path;
            self.findings.push(format!(
                "{path}:{first}: fn {name} has {lines} lines, at most {FUNCTION_LINES_MAX}"
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, item.block.span());
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, item.block.span());
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_cfg_test(&item.attrs) && item.content.is_some() {
            let span = item.span();
            let lines = span.end().line - span.start().line + 1;
            if lines > INLINE_TESTS_LINES_MAX {
                let (path, line) = (self.path, span.start().line);
                self.findings.push(format!(
                    "{path}:{line}: {lines} lines of tests; above {INLINE_TESTS_LINES_MAX} they go \
                     to a tests.rs beside it"
                ));
            }
        }
        syn::visit::visit_item_mod(self, item);
    }
}

#[test]
fn what_is_too_long_is_found() {
    let lines = |n: usize| "    let _ = 1;\n".repeat(n);
    let long = format!("fn f() {{\n{}}}\n", lines(69));
    assert_eq!(check(&Source::of("src/a.rs", &long)).len(), 1);
    let right = format!("fn f() {{\n{}}}\n", lines(68));
    assert_eq!(check(&Source::of("src/a.rs", &right)).len(), 0);
    let method = format!("impl A {{ fn f() {{\n{}}} }}\n", lines(69));
    assert_eq!(check(&Source::of("src/a.rs", &method)).len(), 1);
    assert_eq!(check(&Source::of("src/a.rs", &"// x\n".repeat(401))).len(), 1);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(100));
    assert_eq!(check(&Source::of("src/a.rs", &tests)).len(), 1);
}
