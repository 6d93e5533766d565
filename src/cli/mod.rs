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
mod outcome;
mod proxy;
mod render;
mod restore;
mod rows;
mod status;
mod telemetry;
mod through;
mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches as _};

use crate::git::{self, Mirror, Remote};
use crate::http::Given;
use crate::plan::{Options, Selection};
use crate::reconcile::{Beside, ConfigPlace, Fresh, Order, Places, Want};
use crate::store::DataDir;
use args::{Cli, Command, Form, Global};
use exit::Exit;
use failure::Failure;
use render::Out;
use through::Way;

/// Parses the arguments, runs the command, prints what went wrong, and gives the exit code.
pub fn main() -> ExitCode {
    let parsed = args::command().try_get_matches();
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, named(&matches))));
    let (cli, named) = match parsed {
        Ok(parsed) => parsed,
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
    let exit = runtime.block_on(run(cli, named, out)).unwrap_or_else(|failure| failure.report(out));
    // A command that is over does not wait for a thread that still reads a file.
    runtime.shutdown_background();
    git::end_all();
    exit.into()
}

/// One thread is enough for a command that asks and prints, and costs less to start than several. The daemon waits nearly
/// always: one beside its loop is enough for its passes, and each thread more keeps memory of its own. What takes the
/// processor, as reading the configuration, runs on others that end when they are idle.
fn runtime(command: &Command) -> tokio::runtime::Builder {
    match command {
        Command::Daemon => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(1);
            builder
        }
        Command::Apply { .. }
        | Command::Deploy { .. }
        | Command::Rollback { .. }
        | Command::Restart { .. }
        | Command::Route { .. }
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

async fn run(cli: Cli, named: Vec<&'static str>, out: Out) -> Result<Exit, Failure> {
    let places = places(&cli.global, &named)?;
    let way = Way { socket: cli.global.socket.clone(), named: given(&cli.global, &places, &named) };
    let want = match cli.command {
        Command::Validate { dir: None } if cli.global.git.is_some() => return Err(no_repository()),
        Command::Validate { dir } => return validate::run(&dir.unwrap_or(cli.global.config), out),
        Command::Diff { selection, against: None } => {
            let places = Places { config: places.config.as_new_as(Fresh::Seen), ..places };
            let options = Options { ask: Some(Selection::default()), ..options(selection) };
            return diff::run(&way.aware(places).await, &options, out).await;
        }
        Command::Diff { against: Some(_), .. } if cli.global.git.is_some() => return Err(not_of_a_remote()),
        Command::Diff { selection, against: Some(other) } => {
            return diff::against(&cli.global.config, &other, &Selection(selection), out);
        }
        Command::Status { selection } => {
            return status::run(&way.aware(places).await, &Selection(selection), out).await;
        }
        Command::Explain { selection } => {
            return explain::run(&way.aware(places).await, &Selection(selection), out).await;
        }
        Command::History { selection, limit } => return history::list(&places, &Selection(selection), limit, out),
        Command::Show { deploy } => return history::show(&places, &deploy, out),
        Command::Logs { selection, follow, tail } => {
            return logs::run(&places, &selection, follow, tail, out).await;
        }
        Command::Backup { file, force } => return backup::run(&places, &file, force, out),
        Command::Restore { file } => return restore::run(&places, &file, out).await,
        Command::Doctor => return doctor::run(&places, out).await,
        Command::Schema => {
            out.raw(&crate::config::json_schema());
            return Ok(Exit::Ok);
        }
        Command::Daemon => return daemon::run(places, cli.global.socket).await,
        Command::Proxy(args) => return proxy::run(&places, args, out).await,
        Command::Apply { selection, plan, retry, allow_prune, allow_rewrite, adopt_store } => {
            let ask = Some(Selection::default());
            let options = Options { retry, allow_prune, ask, secrets_needed: true, only: plan, ..options(selection) };
            Want::Converge { options, adopt_store, allow_rewrite }
        }
        Command::Adopt { container: Some(container), stage: key, proxy_host: _, as_is } => {
            Want::AdoptContainer { key, container, as_is }
        }
        Command::Adopt { container: None, stage: key, .. } => Want::AdoptHost { key },
        Command::Deploy { stage: key, tag, now } => Want::ByHand { key, order: Order::Deploy { tag, now } },
        Command::Rollback { stage: key, to } => Want::ByHand { key, order: Order::Rollback { to } },
        Command::Restart { stage: key } => Want::ByHand { key, order: Order::Restart },
        Command::Route { stage: key, to } => Want::ByHand { key, order: Order::Route { to } },
        Command::Suspend { stage, duration } => by_hand::suspend(stage, duration),
        Command::Resume { stage: key } => Want::Pause { key, pause: None },
        Command::Release { stage } => by_hand::release(stage),
    };
    way.carry_out(&places, want, out).await
}

/// The options of every command that were given, by flag or by a variable of ours.
fn named(matches: &ArgMatches) -> Vec<&'static str> {
    let is_named = |name: &&str| {
        let source = matches.value_source(name);
        matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    };
    ["config", "git", "data", "docker", "credentials", "proxy_socket"].into_iter().filter(is_named).collect()
}

/// The places that were named, as the daemon sees them.
fn given(global: &Global, places: &Places, named: &[&str]) -> Given {
    let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let path = |name: &str, path: &PathBuf| named.contains(&name).then(|| whole(path));
    Given {
        data: path("data", &places.data),
        config: path("config", &global.config),
        git: named.contains(&"git").then(|| places.config.to_string()),
        credentials: path("credentials", &places.credentials),
        docker: named.contains(&"docker").then(|| places.docker.clone()),
        proxy_socket: path("proxy_socket", &places.proxy_socket),
    }
}

fn options(selection: Vec<String>) -> Options {
    Options { selection: Selection(selection), ..Options::default() }
}

/// Where everything is: the flags, then what the surroundings say, then the defaults.
fn places(global: &Global, named: &[&str]) -> Result<Places, Failure> {
    let docker_host = || std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let systemd = || std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    // Docker mounts copies of files from there, and takes no relative path.
    let data = std::path::absolute(&global.data).unwrap_or_else(|_| global.data.clone());
    let credentials = global.credentials.clone().or_else(systemd).unwrap_or_else(|| "/etc/landfall/credentials".into());
    let directory = || ConfigPlace::Directory { dir: global.config.clone(), worktree: global.worktree };
    Ok(Places {
        config: remote(global, named, &data, &credentials)?.unwrap_or_else(directory),
        data,
        docker: global.docker.clone().or_else(docker_host).unwrap_or_else(|| "unix:///var/run/docker.sock".into()),
        credentials,
        proxy_socket: global.proxy_socket.clone(),
        beside: Beside::default(),
    })
}

/// The repository that was named, or that the data directory has a clone of where no directory is named and the usual one
/// is not there; read as far as it is in force: who wants it newer says so.
fn remote(global: &Global, named: &[&str], data: &Path, credentials: &Path) -> Result<Option<ConfigPlace>, Failure> {
    let dir = DataDir::new(data).git();
    let remote = match &global.git {
        Some(url) => {
            let url = url.parse().map_err(|error: String| not_an_address(&error))?;
            let (branch, folder) = (global.branch.clone(), global.path.clone().unwrap_or_default());
            Some(Remote { url, branch, folder })
        }
        None if named.contains(&"config") || global.config.exists() => None,
        None => Mirror::found(&dir),
    };
    let Some(remote) = remote else { return Ok(None) };
    // git is run in other directories than this one.
    let credentials = std::path::absolute(credentials).unwrap_or_else(|_| credentials.to_owned());
    let mirror = Arc::new(Mirror::new(remote, &dir, &credentials));
    let interval = global.git_interval.duration();
    Ok(Some(ConfigPlace::Remote { mirror, fresh: Fresh::InForce, interval }))
}

/// Does not show what it is about: that may hold a password.
fn not_an_address(error: &str) -> Failure {
    let hint = "as in `--git https://git.example.com/ops/hosts.git --branch main --path hosts/one`";
    let failure = Failure::text(format!("the address of `--git` cannot be used: {error}"), hint.to_owned());
    Failure { exit: Exit::Usage, ..failure }
}

fn no_repository() -> Failure {
    let hint = "name the directory of a clone: `landfall validate DIR`".to_owned();
    let failure = Failure::text("`validate` checks a directory, and not what `--git` names", hint);
    Failure { exit: Exit::Usage, ..failure }
}

fn not_of_a_remote() -> Failure {
    let hint = "clone the repository, and compare in the work tree: `landfall --config DIR diff --against REV`";
    Failure::text("`diff --against` compares directories and work trees, and not what `--git` names", hint.to_owned())
}
