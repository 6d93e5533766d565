//! The command line as clap knows it. Usage errors exit 64, so that 2 always means changes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::git::{Branch, Folder};
use crate::model::{Bytes, Millis, StageKey, StoreId, Tag};
use crate::reconcile::RouteTo;

/// Commit YAML; it lands on your Docker host.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, about, long_about = None, propagate_version = true)]
pub struct Cli {
    /// Where everything is
    #[command(flatten)]
    pub global: Global,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Directory of YAML files
    #[arg(long, global = true, value_name = "DIR", env = "LANDFALL_CONFIG", default_value = "/etc/landfall/config")]
    pub config: PathBuf,
    /// In a git work tree, read the files as they lie there, and not the commit at HEAD
    #[arg(long, global = true, env = "LANDFALL_WORKTREE", value_parser = clap::builder::FalseyValueParser::new())]
    pub worktree: bool,
    /// Repository to read instead of --config: `https://…`, `ssh://…`, `user@host:path`, or a directory of this host
    #[arg(long, global = true, value_name = "URL", env = "LANDFALL_GIT", conflicts_with = "config")]
    // Text, since clap shows what it cannot read, and that may hold a password.
    pub git: Option<String>,
    /// Branch of that repository [default: the one that the server names]
    #[arg(long, global = true, value_name = "NAME", env = "LANDFALL_GIT_BRANCH", requires = "git")]
    pub branch: Option<Branch>,
    /// Folder of that repository that holds the YAML files [default: all of it]
    #[arg(long, global = true, value_name = "DIR", env = "LANDFALL_GIT_PATH", requires = "git")]
    pub path: Option<Folder>,
    /// How often the daemon asks that repository for new commits, as in `30s`; from 5s to 1d
    #[arg(long, global = true, value_name = "TIME", env = "LANDFALL_GIT_INTERVAL", default_value = "1m", value_parser = interval)]
    pub git_interval: Millis,
    /// Directory of the store
    #[arg(long, global = true, value_name = "DIR", env = "LANDFALL_DATA", default_value = "/var/lib/landfall")]
    pub data: PathBuf,
    /// Address of the Docker engine [default: `DOCKER_HOST`, else the local socket]
    #[arg(long, global = true, value_name = "URL", env = "LANDFALL_DOCKER")]
    pub docker: Option<String>,
    /// Directory of credentials [default: systemd's, else /etc/landfall/credentials]
    #[arg(long, global = true, value_name = "DIR", env = "LANDFALL_CREDENTIALS")]
    pub credentials: Option<PathBuf>,
    /// Control socket of `landfall proxy`
    #[arg(
        long,
        global = true,
        value_name = "SOCK",
        env = "LANDFALL_PROXY_SOCKET",
        default_value = "/run/landfall-proxy/proxy.sock"
    )]
    pub proxy_socket: PathBuf,
    /// Control socket of the daemon [default: as the daemon's lock file says, else /run/landfall/landfall.sock]
    #[arg(long, global = true, value_name = "SOCK", env = "LANDFALL_SOCKET")]
    pub socket: Option<PathBuf>,
    /// Form of the data on standard output
    #[arg(short, long, global = true, value_name = "FORM", default_value = "text")]
    pub output: Form,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Text,
    /// For programs; `format_version` grows by additions only
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the YAML files; needs no Docker, no store and no secrets
    Validate {
        /// Directory to check instead of --config
        dir: Option<PathBuf>,
    },
    /// Show what would change, and why; changes nothing
    Diff {
        /// Projects (`shop`) or stages (`shop/prod`); all when none
        #[arg(value_name = "SEL")]
        selection: Vec<String>,
        /// Compare with the configuration in another directory or git revision, without Docker and store
        #[arg(long, value_name = "REV|DIR")]
        against: Option<String>,
    },
    /// Converge the host once
    Apply {
        /// Projects (`shop`) or stages (`shop/prod`); all when none
        #[arg(value_name = "SEL")]
        selection: Vec<String>,
        /// Only if the plan is still the one of this name, as `diff` showed it
        #[arg(long, value_name = "HASH")]
        plan: Option<String>,
        /// Try again what failed before
        #[arg(long)]
        retry: bool,
        /// Retire as many stages as the configuration says
        #[arg(long)]
        allow_prune: bool,
        /// Take a remote branch as it is now, though its history was rewritten
        #[arg(long)]
        allow_rewrite: bool,
        /// Make the store that was lost again, and take over what runs under its id
        #[arg(long, value_name = "ID")]
        adopt_store: Option<StoreId>,
    },
    /// Show what runs, how it is, and why anything waits
    Status {
        /// Projects (`shop`) or stages (`shop/prod`); all when none
        #[arg(value_name = "SEL")]
        selection: Vec<String>,
    },
    /// Tell why stages are as they are, and what comes next; changes nothing
    Explain {
        /// Projects (`shop`) or stages (`shop/prod`); all when none
        #[arg(value_name = "SEL")]
        selection: Vec<String>,
    },
    /// List deploys, newest first
    History {
        /// Projects (`shop`) or stages (`shop/prod`); all when none
        #[arg(value_name = "SEL")]
        selection: Vec<String>,
        /// At most so many
        #[arg(short = 'n', long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Show one deploy with its log
    Show {
        /// Id of the deploy, or the end of it as `history` shows
        deploy: String,
    },
    /// Show what an app writes
    Logs {
        /// Project (with one stage) or stage
        #[arg(value_name = "SEL")]
        selection: String,
        /// Go on as it writes more
        #[arg(short, long)]
        follow: bool,
        /// Begin with the last so many lines
        #[arg(short = 'n', long, default_value_t = 100, value_name = "LINES", value_parser = clap::value_parser!(u32).range(0..=100_000))]
        tail: u32,
    },
    /// Take over what a person made: a container, or a host of Nginx Proxy Manager with exactly the domains of a stage
    #[command(allow_missing_positional = true)]
    Adopt {
        /// Container, by name or id: the next apply replaces it by an instance of the stage, as it replaces an older version
        #[arg(value_name = "CONTAINER", required_unless_present = "proxy_host", conflicts_with = "proxy_host")]
        container: Option<String>,
        /// Stage, as in `shop/prod`
        #[arg(value_name = "STAGE")]
        stage: StageKey,
        /// Take over its proxy host; the host gets a mark, and nothing else changes until the next deploy
        #[arg(long)]
        proxy_host: bool,
        /// Keep the container as it is, as what the configuration says now; it is replaced when that changes
        #[arg(long, conflicts_with = "proxy_host")]
        as_is: bool,
    },
    /// Write the store to one file, while a daemon or an apply goes on
    Backup {
        /// File to write
        file: PathBuf,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
    },
    /// Put a backup in the place of the store, and keep what is there; no daemon may run
    Restore {
        /// File that `landfall backup` wrote
        file: PathBuf,
    },
    /// Deploy one stage by hand: its tag is looked up anew, and what failed before is tried again
    Deploy {
        /// Stage, as in `shop/prod`
        #[arg(value_name = "STAGE")]
        stage: StageKey,
        /// Run this tag until the configuration of the stage changes
        #[arg(long, value_name = "TAG")]
        tag: Option<Tag>,
        /// Do not wait for the stage's `window`
        #[arg(long)]
        now: bool,
    },
    /// Go back to an earlier version; the stage stays there until its configuration changes
    Rollback {
        /// Stage, as in `shop/prod`
        #[arg(value_name = "STAGE")]
        stage: StageKey,
        /// Go back to this deploy, as `history` shows it [default: the last other version that succeeded]
        #[arg(long, value_name = "DEPLOY")]
        to: Option<String>,
    },
    /// Replace the instance of a stage by a new one of the same version
    Restart {
        /// Stage, as in `shop/prod`
        #[arg(value_name = "STAGE")]
        stage: StageKey,
    },
    /// Show a page in place of the app of a stage, or the app again
    Route {
        /// Stage, as in `shop/prod`
        #[arg(value_name = "STAGE")]
        stage: StageKey,
        /// What its domains lead to
        #[arg(long, value_name = "WHERE")]
        to: RouteTo,
    },
    /// Leave a stage alone: nothing of it is deployed, put right or removed
    Suspend {
        /// Stage, as in `shop/prod`
        #[arg(value_name = "STAGE")]
        stage: StageKey,
        /// Only for so long, as in `2h` [default: until `resume`]
        #[arg(long = "for", value_name = "TIME")]
        duration: Option<Millis>,
    },
    /// Look after a suspended or released stage again
    Resume {
        /// Stage, as in `shop/prod`
        #[arg(value_name = "STAGE")]
        stage: StageKey,
    },
    /// Let go of a stage without removing anything: its containers, routes and volumes stay as they are
    Release {
        /// Stage, as in `shop/prod`
        #[arg(value_name = "STAGE")]
        stage: StageKey,
    },
    /// Look at everything around Landfall, and say what to do about what is wrong
    Doctor,
    /// Print the JSON Schema of the YAML files
    Schema,
    /// Watch the YAML files and converge until stopped; commands on the same host go through it meanwhile
    Daemon,
    /// Run the embedded reverse proxy until stopped
    Proxy(ProxyArgs),
}

/// Options of every command that have no effect in one. They are taken there all the same: a variable, or a line that many
/// commands share, may hold them.
const IDLE: &[(&[&str], &[&str])] = &[
    (
        &["schema", "validate", "proxy", "backup", "restore", "history", "show"],
        &["worktree", "git", "branch", "path", "git_interval", "docker", "credentials", "socket"],
    ),
    (&["schema", "proxy", "backup", "restore", "history", "show"], &["config"]),
    (&["schema", "validate", "backup", "restore", "history", "show"], &["proxy_socket"]),
    (&["schema", "validate"], &["data"]),
    (&["schema"], &["output"]),
];

/// The command line, in whose help no command has an option without effect there.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    // Options of every command reach each with this.
    command.build();
    let each = IDLE.iter().flat_map(|(commands, idle)| commands.iter().map(move |name| (name, idle)));
    each.fold(command, |command, (name, idle)| {
        let hide = |arg: clap::Arg| if idle.contains(&arg.get_id().as_str()) { arg.hide(true) } else { arg };
        command.mut_subcommand(name, |command| command.mut_args(hide))
    })
}

/// Options of `landfall proxy`.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Address to serve HTTP on, once or more [default: 0.0.0.0:80, unless --listen-tls or a socket of systemd's is given]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Vec<SocketAddr>,
    /// Address to serve HTTPS on, once or more; a client gets the certificate of the host that it asks for
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen_tls: Vec<SocketAddr>,
    /// Directory of certificates: NAME.crt (the chain, PEM) with NAME.key; changes are seen within seconds
    #[arg(long, value_name = "DIR", env = "LANDFALL_PROXY_CERTIFICATES")]
    pub certificates: Option<PathBuf>,
    /// Directory URL of the authority that issues certificates (ACME) for routes that ask for one, whose terms are agreed to
    /// thereby
    #[arg(long, value_name = "URL", env = "LANDFALL_PROXY_ACME_DIRECTORY", default_value = crate::router::LETS_ENCRYPT, value_parser = directory)]
    pub acme_directory: String,
    /// Where that authority may write to
    #[arg(long, value_name = "ADDRESS", env = "LANDFALL_PROXY_ACME_EMAIL")]
    pub acme_email: Option<String>,
    /// Certificates (PEM) by which that authority's own server is trusted, besides the system's
    #[arg(long, value_name = "FILE", env = "LANDFALL_PROXY_ACME_CA")]
    pub acme_ca: Option<PathBuf>,
    /// Directory that keeps the account and the issued certificates [default: acme beside the table]
    #[arg(long, value_name = "DIR")]
    pub acme_dir: Option<PathBuf>,
    /// Control socket [default: that of --proxy-socket]
    #[arg(long, value_name = "SOCK")]
    pub control: Option<PathBuf>,
    /// File that keeps the last routing table [default: proxy-table.json in --data]
    #[arg(long, value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// File that gets a JSON line per request, or - for the output; SIGHUP opens it again [default: none]
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// Largest body of a request, as in 100m; more is refused with 413 [default: any]
    #[arg(long, value_name = "SIZE")]
    pub max_body: Option<Bytes>,
}

/// Names are not looked up: what they mean may change, and a proxy that starts before the resolver would not.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an address and a port, as in `0.0.0.0:80`, `127.0.0.1:8080` or `[::]:80`".to_owned())
}

/// Account and orders are signed, and all the same nobody in between is to read or hold them up.
fn directory(text: &str) -> Result<String, String> {
    let is_secured = text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if is_secured { Ok(text.to_owned()) } else { Err("write a URL that begins with `https://`".to_owned()) }
}

/// A server is neither asked all the time nor forgotten.
fn interval(text: &str) -> Result<Millis, String> {
    let interval: Millis = text.parse().map_err(|error| format!("{error}"))?;
    let (least, most) = (Duration::from_secs(5), Duration::from_secs(86_400));
    if (least..=most).contains(&interval.duration()) { Ok(interval) } else { Err("it is not from 5s to 1d".into()) }
}
