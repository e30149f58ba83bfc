//! What stands in the dashboard's files for those who read their code, and is not sent to browsers: remarks,
//! and the types that `tsc` checks. Lines stay, if empty, so that a browser's error names the line of the file.

use std::borrow::Cow;

/// The bytes of a file without its remarks; those of libraries stay, they say whose they are.
pub(super) fn left_out(path: &str, bytes: &'static [u8]) -> Cow<'static, [u8]> {
    let is_ours =
        !path.starts_with("vendor/") && (path.ends_with(".mjs") || path.ends_with(".css"));
    match str::from_utf8(bytes) {
        Ok(text) if is_ours => without_remarks(text, path.ends_with(".mjs")).into_bytes().into(),
        _ => Cow::Borrowed(bytes),
    }
}

/// `//` begins a remark in scripts only, and only they have types. The code of the dashboard begins no line of
/// a text of several lines like a remark, and has no text with `/** @`.
fn without_remarks(text: &str, is_script: bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut is_within = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let begins = !is_within && trimmed.starts_with("/*");
        let ends = trimmed.ends_with("*/");
        // A remark with code behind it is no line of its own.
        let is_whole = !begins || ends || !trimmed.contains("*/");
        let is_remark = is_within || (begins && is_whole);
        if is_remark || (is_script && trimmed.starts_with("//")) {
            kept.push_str(if line.ends_with('\n') { "\n" } else { "" });
        } else if is_script {
            push_without_types(&mut kept, line);
        } else {
            kept.push_str(line);
        }
        is_within = (is_within || (begins && is_whole)) && !ends;
    }
    kept
}

/// A line that is none of a remark alone: without `/** @type ... */` within it.
fn push_without_types(kept: &mut String, mut line: &str) {
    while let Some((before, rest)) = line.split_once("/** @") {
        let Some((_, behind)) = rest.split_once("*/") else { break };
        kept.push_str(before);
        line = behind.strip_prefix(' ').unwrap_or(behind);
    }
    kept.push_str(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_go_and_everything_else_stays_on_its_line() {
        let script = "// Why.\nconst a = 1; // stays\n/**\n * @param {string} b\n */\n  /** one */\n\
                      f(`\n  https://x\n`);\n/* a */ g();\nreturn a;";
        let kept =
            "\nconst a = 1; // stays\n\n\n\n\nf(`\n  https://x\n`);\n/* a */ g();\nreturn a;";
        assert_eq!(without_remarks(script, true), kept);
        let style = "/* Colours,\n   first. */\na { color: red; } /* b */\n// no remark\n";
        assert_eq!(without_remarks(style, false), "\n\na { color: red; } /* b */\n// no remark\n");
    }

    #[test]
    fn types_go_from_scripts() {
        let script = "f((/** @type {A|{b: C}} */ a, /** @type {D} */b) => /* why */ a);\n\
                      /** @type {E} */ (g()); // /** @ stays\n";
        let kept = "f((a, b) => /* why */ a);\n(g()); // /** @ stays\n";
        assert_eq!(without_remarks(script, true), kept);
        assert_eq!(without_remarks("a {} /** @b */\n", false), "a {} /** @b */\n");
    }

    #[test]
    fn libraries_and_pictures_stay_as_they_are() {
        let licence = b"/* htm, Apache-2.0 */\n";
        assert_eq!(&*left_out("vendor/htm.mjs", licence), licence);
        assert_eq!(&*left_out("icon.svg", b"// x\n"), b"// x\n");
        assert_eq!(&*left_out("app.mjs", b"// x\n"), b"\n");
    }
}
