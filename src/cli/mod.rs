//! The command line: one file per command, `render` the only printer, `exit` the meaning of every exit code.
//!
//! Data goes to standard output, everything else to standard error. *Must not*: decide anything that the daemon would
//! decide otherwise; both go through `reconcile`.

mod adopt;
mod apply;
mod args;
mod backup;
mod by_hand;
mod conditions;
mod daemon;
mod diff;
mod doctor;
mod exit;
mod explain;
mod failure;
mod history;
mod live;
mod logs;
mod proxy;
mod render;
mod restore;
mod rows;
mod status;
mod telemetry;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::plan::{Options, Selection};
use crate::reconcile::{Beside, Order, Places};
use args::{Cli, Command, Form, Global};
use exit::Exit;
use failure::Failure;
use render::Out;

/// Parses the arguments, runs the command, prints what went wrong, and gives the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return match (error.print(), asked) {
                (Ok(()), true) => Exit::Ok.into(),
                (Ok(()), false) => Exit::Usage.into(),
                (Err(_), _) => Exit::Error.into(),
            };
        }
    };
    let out = Out::new(cli.global.output == Form::Json);
    // Whatever is made without a mode of its own is nobody else's to read.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    telemetry::init(matches!(cli.command, Command::Daemon | Command::Proxy(_)));
    let runtime = match runtime(&cli.command).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::text(format!("no runtime: {error}"), None).report(out).into(),
    };
    let exit = runtime.block_on(run(cli, out)).unwrap_or_else(|failure| failure.report(out));
    // A command that is over does not wait for a thread that still reads a file.
    runtime.shutdown_background();
    exit.into()
}

/// One thread is enough for a command that asks and prints, and costs less to start than several.
fn runtime(command: &Command) -> tokio::runtime::Builder {
    match command {
        Command::Apply { .. }
        | Command::Deploy { .. }
        | Command::Rollback { .. }
        | Command::Restart { .. }
        | Command::Daemon
        | Command::Proxy(_) => tokio::runtime::Builder::new_multi_thread(),
        Command::Validate { .. }
        | Command::Diff { .. }
        | Command::Status { .. }
        | Command::Explain { .. }
        | Command::History { .. }
        | Command::Show { .. }
        | Command::Logs { .. }
        | Command::Adopt { .. }
        | Command::Backup { .. }
        | Command::Restore { .. }
        | Command::Suspend { .. }
        | Command::Resume { .. }
        | Command::Release { .. }
        | Command::Doctor
        | Command::Schema => tokio::runtime::Builder::new_current_thread(),
    }
}

async fn run(cli: Cli, out: Out) -> Result<Exit, Failure> {
    let places = places(&cli.global);
    match cli.command {
        Command::Validate { dir } => validate::run(&dir.unwrap_or(places.config), out),
        Command::Diff { selection, against: None } => diff::run(&places, &options(selection), out).await,
        Command::Diff { selection, against: Some(other) } => diff::against(&places, &other, &Selection(selection), out),
        Command::Apply { selection, plan, retry, allow_prune, adopt_store } => {
            let options = Options { retry, allow_prune, secrets_needed: true, only: plan, ..options(selection) };
            apply::run(&places, &options, adopt_store, out).await
        }
        Command::Status { selection } => status::run(&places, &Selection(selection), out).await,
        Command::Explain { selection } => explain::run(&places, &Selection(selection), out).await,
        Command::History { selection, limit } => history::list(&places, &Selection(selection), limit, out),
        Command::Show { deploy } => history::show(&places, &deploy, out),
        Command::Logs { selection, follow, tail } => logs::run(&places, &selection, follow, tail, out).await,
        Command::Adopt { container: Some(name), stage, proxy_host: _, as_is } => {
            adopt::container(&places, &name, &stage, as_is, out).await
        }
        Command::Adopt { container: None, stage, .. } => adopt::run(&places, &stage, out).await,
        Command::Backup { file, force } => backup::run(&places, &file, force, out),
        Command::Restore { file } => restore::run(&places, &file, out).await,
        Command::Deploy { stage, tag } => by_hand::run(&places, &stage, &Order::Deploy { tag }, out).await,
        Command::Rollback { stage, to } => by_hand::run(&places, &stage, &Order::Rollback { to }, out).await,
        Command::Restart { stage } => by_hand::run(&places, &stage, &Order::Restart, out).await,
        Command::Suspend { stage, duration } => by_hand::suspend(&places, &stage, duration, out).await,
        Command::Resume { stage } => by_hand::resume(&places, &stage, out).await,
        Command::Release { stage } => by_hand::release(&places, &stage, out).await,
        Command::Doctor => doctor::run(&places, out).await,
        Command::Schema => {
            out.raw(&crate::config::json_schema());
            Ok(Exit::Ok)
        }
        Command::Daemon => daemon::run(places, out).await,
        Command::Proxy(args) => proxy::run(&places, args, out).await,
    }
}

fn options(selection: Vec<String>) -> Options {
    Options { selection: Selection(selection), ..Options::default() }
}

/// Where everything is: the flags, then what the surroundings say, then the defaults.
fn places(global: &Global) -> Places {
    let docker_host = || std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let systemd = || std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    Places {
        config: global.config.clone(),
        // Docker mounts copies of files from there, and takes no relative path.
        data: std::path::absolute(&global.data).unwrap_or_else(|_| global.data.clone()),
        docker: global.docker.clone().or_else(docker_host).unwrap_or_else(|| "unix:///var/run/docker.sock".into()),
        credentials: global.credentials.clone().or_else(systemd).unwrap_or_else(|| "/etc/landfall/credentials".into()),
        proxy_socket: global.proxy_socket.clone(),
        beside: Beside::default(),
    }
}
