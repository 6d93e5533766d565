//! What came out, for the table of faults: one file per test, in the directory that `tests/run.sh` names.

use std::path::PathBuf;

/// The variable that names the directory; without it, nothing is written.
const DIRECTORY: &str = "LANDFALL_TEST_FAULTS";

/// One line of the table.
pub struct Row<'a> {
    /// What went wrong.
    pub fault: &'a str,
    /// In which scenario.
    pub scenario: &'a str,
    /// What it ran on: `fakes`, or real parts; ends in `, soak` where only a soak has it.
    pub on: &'a str,
    /// How often.
    pub injected: usize,
    /// How often all was as without it in the end.
    pub survived: usize,
    /// How often of those a person had to say `apply --retry`, as is meant.
    pub held: usize,
    /// Most passes after the disturbed one.
    pub passes: usize,
    /// Longest time from the fault to the end; too different from run to run to be kept.
    pub millis: u128,
}

/// Writes the lines of a test, under a name that no other has: fields behind tabs, in the order of [`Row`].
pub fn write(name: &str, rows: &[Row<'_>]) {
    let text: String = rows.iter().map(line).collect();
    println!("{text}");
    if let Some(dir) = std::env::var_os(DIRECTORY).filter(|dir| !dir.is_empty()) {
        let path = PathBuf::from(dir).join(format!("{}.tsv", name.replace(|c: char| !c.is_alphanumeric(), "-")));
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn line(row: &Row<'_>) -> String {
    let Row { fault, scenario, on, injected, survived, held, passes, millis } = row;
    format!("{fault}\t{scenario}\t{on}\t{injected}\t{survived}\t{held}\t{passes}\t{millis}\n")
}
