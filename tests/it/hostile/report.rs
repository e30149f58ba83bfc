//! What came of a table's rows: all of them at once.

use std::io::Write as _;

/// The rows of one table.
pub(super) struct Report {
    table: &'static str,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    what: String,
    findings: Vec<String>,
}

impl Report {
    pub(super) const fn new(table: &'static str) -> Self {
        Self { table, rows: Vec::new() }
    }

    /// A row, and what was wrong with it.
    pub(super) fn row(
        &mut self,
        id: &str,
        what: impl Into<String>,
        findings: Vec<String>,
    ) -> usize {
        self.rows.push(Row { id: id.into(), what: what.into(), findings });
        self.rows.len() - 1
    }

    /// Something that turned out wrong with a row later.
    pub(super) fn also(&mut self, row: usize, finding: String) {
        self.rows[row].findings.push(finding);
    }

    /// Writes the report where one is wanted; fails when a row has.
    pub(super) fn finish(self) {
        let lines: String = self.rows.iter().map(|row| row.line() + "\n").collect();
        if let Some(path) = std::env::var_os("SIDEHOOK_REPORT") {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            file.expect("writable").write_all(lines.as_bytes()).expect("writable");
        }
        let wrong: Vec<String> = self.rows.iter().filter_map(Row::wrong).collect();
        let (n, of, table) = (wrong.len(), self.rows.len(), self.table);
        assert!(n == 0, "{table}: {n} of {of} rows are wrong\n{}", wrong.join("\n"));
    }
}

impl Row {
    fn line(&self) -> String {
        let result = match self.findings.as_slice() {
            [] => "ok".to_owned(),
            findings => format!("WRONG: {}", findings.join("; ")),
        };
        format!("{} | {} | {result}", self.id, self.what)
    }

    fn wrong(&self) -> Option<String> {
        (!self.findings.is_empty()).then(|| {
            format!("  {} {}\n      {}", self.id, self.what, self.findings.join("\n      "))
        })
    }
}
