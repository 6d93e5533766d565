//! `landfall logs`: what an app writes.

use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use crate::docker::Docker;
use crate::model::{ContainerState, Recorded};
use crate::plan::{Owned, Selection};
use crate::reconcile::{Places, observe_host, read_store};

/// Prints the output of the one instance that the selection names.
pub(super) async fn run(places: &Places, selection: &str, follow: bool, tail: u32, out: Out) -> Result<Exit, Failure> {
    let recorded: Recorded = read_store(places).await?;
    let (docker, observed) = observe_host(places, &recorded).await?;
    let owned = Owned::new(&recorded, &observed);
    let selection = Selection(vec![selection.to_owned()]);
    let mut found: Vec<_> =
        owned.stages().filter(|key| selection.contains(key)).flat_map(|key| owned.of(key)).collect();
    found.sort_by_key(|own| (own.container.state != ContainerState::Running, -own.container.created_ms));
    let mut stages: Vec<String> = found.iter().map(|own| own.labels.key.to_string()).collect();
    stages.sort();
    stages.dedup();
    match (stages.len(), found.first()) {
        (1, Some(own)) => print(&docker, &own.container.id, follow, tail, out).await,
        (0, _) | (_, None) => {
            let hint =
                "`landfall status` lists what runs; `landfall history` and `show` have the logs of failed deploys";
            Err(Failure::text(format!("no instance of {} on this host", selection.0[0]), hint.to_owned()))
        }
        (_, Some(_)) => {
            let hint = format!("pick one of {}", stages.join(", "));
            Err(Failure::text(format!("{} has several stages", selection.0[0]), hint))
        }
    }
}

async fn print(docker: &Docker, id: &str, follow: bool, tail: u32, out: Out) -> Result<Exit, Failure> {
    let tail = usize::try_from(tail).unwrap_or(usize::MAX);
    if !follow {
        let lines = docker.logs_tail(id, tail).await?;
        for line in &lines {
            out.line(line);
        }
        out.data(serde_json::json!({ "lines": lines }));
        return Ok(Exit::Ok);
    }
    let mut lines = docker.logs_follow(id, tail)?;
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            _ = tokio::signal::ctrl_c() => None,
        };
        match line {
            Some(line) => {
                let text = line?.text;
                out.line(&text);
                out.data_line(serde_json::json!({ "text": text }));
            }
            None => return Ok(Exit::Ok),
        }
    }
}
