//! `landfall proxy`: the embedded reverse proxy as a process of its own, so that the daemon can die without being noticed.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use super::args::ProxyArgs;
use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use crate::daemon::{Asked, Notifier};
use crate::model::Bytes;
use crate::reconcile::Places;
use crate::router::{self, Bound, HandedOver, Limits, LogTo, Options};

/// Where HTTP is served if no address is given.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80);

/// Serves until SIGTERM or SIGINT. It is told what to do over its socket; SIGHUP opens the access log again.
pub(super) async fn run(places: &Places, args: ProxyArgs, out: Out) -> Result<Exit, Failure> {
    let control = args.control.unwrap_or_else(|| places.proxy_socket.clone());
    let table = args.table.unwrap_or_else(|| places.data.join("proxy-table.json"));
    let shown = control.display().to_string();
    let limits = Limits { max_body_bytes: args.max_body.map(|Bytes(bytes)| bytes), ..Limits::default() };
    let reopen = Arc::new(Notify::new());
    let handed_over = HandedOver::from_env()?;
    let mut listen = args.listen;
    if listen.is_empty() && args.listen_tls.is_empty() && handed_over.is_empty() {
        listen.push(DEFAULT);
    }
    let mut options = Options {
        listen,
        listen_tls: args.listen_tls,
        handed_over,
        certificates: args.certificates,
        limits,
        access_log: args.access_log.map(log_to).transpose()?,
        reopen: Arc::clone(&reopen),
        ..Options::new(control, table)
    };
    options.acme.directory = args.acme_directory;
    options.acme.email = args.acme_email;
    options.acme.ca = args.acme_ca;
    options.acme.keep = args.acme_dir.unwrap_or(options.acme.keep);
    let mut signals = super::daemon::listen()?;
    let ready = move |bound: &Bound| {
        let mut said = String::new();
        for (scheme, addresses) in [("http", &bound.http), ("https", &bound.https)] {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            if !addresses.is_empty() {
                said.push_str(&format!("{scheme} on {}, ", addresses.join(", ")));
            }
        }
        out.note(&format!("serving {said}controlled at {shown}"));
        Notifier::from_env().ready();
    };
    let stopped = async move {
        while signals.next().await == Asked::Reload {
            reopen.notify_one();
        }
    };
    router::serve(options, stopped, ready).await?;
    Ok(Exit::Ok)
}

/// A file, or `-` for the standard output.
fn log_to(path: PathBuf) -> Result<LogTo, Failure> {
    if path.as_os_str() != "-" {
        return Ok(LogTo::File(path));
    }
    let output = std::io::stdout().as_fd().try_clone_to_owned();
    let output = output.map_err(|error| Failure::new(anyhow::anyhow!("cannot write to the output: {error}"), None))?;
    Ok(LogTo::Stream(Arc::new(File::from(output))))
}
