//! `landfall proxy`: the embedded reverse proxy as a process of its own, so that the daemon can die without being noticed.

use super::args::ProxyArgs;
use super::daemon::listen;
use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use crate::daemon::Notifier;
use crate::reconcile::Places;
use crate::router::{self, Limits, Options};

/// Serves until SIGTERM or SIGINT. It is told what to do over its socket: SIGHUP has nothing to read again, and ends nothing.
pub(super) async fn run(places: &Places, args: ProxyArgs, out: Out) -> Result<Exit, Failure> {
    let control = args.control.unwrap_or_else(|| places.proxy_socket.clone());
    let table = args.table.unwrap_or_else(|| places.data.join("proxy-table.json"));
    let shown = control.display().to_string();
    let options = Options { listen: vec![args.listen], control, table, limits: Limits::default() };
    let mut signals = listen()?;
    let ready = move |addresses: &[std::net::SocketAddr]| {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        out.note(&format!("serving http on {}, controlled at {shown}", addresses.join(", ")));
        Notifier::from_env().ready();
    };
    router::serve(options, async move { signals.stopped().await }, ready).await?;
    Ok(Exit::Ok)
}
