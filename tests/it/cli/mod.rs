//! The command line: the real binary, its exit codes and what it says.

mod check;
mod logs;
mod matching;
mod paperwork;
pub(crate) mod process;
mod reload;
mod remote;
mod rest;
mod run;
mod schema;
mod secrets_kept;
mod service_manager;
mod story;
mod unread;
mod verify;

use std::path::Path;
use std::process::{Command, Output};

/// A file that is good and asks for nothing that could clash.
const GOOD: &str = "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:1\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";

/// `sidehook` in a folder, with none of this process's variables.
fn sidehook(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidehook"));
    command.args(arguments).current_dir(folder).env_clear();
    command
}

fn output(folder: &Path, arguments: &[&str]) -> Output {
    sidehook(folder, arguments).output().expect("the binary starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
