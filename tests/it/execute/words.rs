//! What happened on a host, in words: calls on the wire, containers and routes, each named by its stage and version.

use std::collections::BTreeMap;

use landfall::model::ObservedProxy;
use landfall::store::{DataDir, DeployRow};

use super::ground::{Host, image};
use crate::fake_docker::{Call, Op};
use crate::router_wire::Client;

/// Versions that are known by name.
const VERSIONS: [&str; 4] = ["v1", "v2", "v3", "v4"];

impl Host {
    /// What the proxy routes: domain → container, as in `web-prod@v1`.
    pub async fn routes(&self) -> BTreeMap<String, String> {
        let ObservedProxy::Routes(routes) = self.router.observe().await else { panic!("the proxy answers") };
        let behind = |upstream: &str| {
            let port: u16 = upstream.rsplit_once(':')?.1.parse().ok()?;
            let containers = self.fake.containers();
            let one = containers.iter().find(|c| c.published.iter().any(|(host, _)| *host == port))?;
            Some(self.short(&one.name))
        };
        let named = |upstream: String| behind(&upstream).unwrap_or(upstream);
        routes.into_iter().map(|(domain, route)| (domain.to_string(), named(route.upstream))).collect()
    }

    /// Asks through the proxy: the version that answers.
    pub async fn version_at(&self, domain: &str) -> String {
        let reply = Client::connect(self.router.addr).await.get(domain, "/").await;
        reply.header("x-version").map_or_else(|| format!("status {}", reply.status), str::to_owned)
    }

    /// The containers of Landfall: name and state, as in `web-prod@v1 running`.
    pub fn containers(&self) -> Vec<String> {
        let all = self.fake.containers();
        let mut shown: Vec<_> =
            all.iter().map(|c| format!("{} {:?}", self.short(&c.name), c.state).to_lowercase()).collect();
        shown.sort();
        shown
    }

    /// Every call that was to change something, in order and in words.
    pub fn changes(&self) -> Vec<String> {
        self.fake.calls().iter().filter(|call| call.op.is_mutation()).map(|call| self.in_words(call)).collect()
    }

    fn in_words(&self, call: &Call) -> String {
        let query = |name: &str| {
            let url = reqwest::Url::parse(&format!("http://x/?{}", call.query)).expect("a query");
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let text = |name: &str| call.body[name].as_str().unwrap_or_default().to_owned();
        let of = |id: &str| self.short(&self.fake.name_of(id));
        match call.op {
            Op::Pull => format!("pull {}", version(&query("tag"))),
            Op::Tag => format!("tag {} as {}", version(&call.object), query("repo")),
            Op::Create => format!("create {}", self.short(&query("name"))),
            Op::Connect => format!("connect {} to {}", of(&text("Container")), call.object),
            Op::Disconnect => format!("disconnect {} from {}", of(&text("Container")), call.object),
            Op::RemoveImage => format!("untag {}", image_in_words(&call.object)),
            Op::CreateNetwork => format!("network {}", text("Name")),
            Op::CreateVolume => format!("volume {}", text("Name")),
            Op::Rename => format!("rename {} to {}", of(&call.object), query("name")),
            op => format!("{op:?} {}", of(&call.object)).to_lowercase(),
        }
    }

    /// `web-prod-1a2b3c4d` → `web-prod@v1`, by the deploy that it belongs to; what runs a hook of it ends in `-pre` or `-post`.
    pub fn short(&self, name: &str) -> String {
        if !DataDir::new(self.path("data")).has_store() {
            return name.to_owned();
        }
        let deploys = self.deploys();
        let rest = |deploy: &DeployRow| name.strip_prefix(&deploy.container_name).map(str::to_owned);
        let Some((deploy, rest)) = deploys.iter().find_map(|deploy| Some((deploy, rest(deploy)?))) else {
            return name.to_owned();
        };
        format!("{}@{}{rest}", deploy.key.dns_name(), version(deploy.image.digest.as_str()))
    }
}

/// A name of an image: `v1` as it was pulled, `landfall/web-prod:v1` as it is ours.
pub fn image_in_words(name: &str) -> String {
    match name.rsplit_once(':') {
        Some((ours, short)) if ours.starts_with("landfall/") => {
            let of = |version: &&&str| image(version).digest.short() == short;
            format!("{ours}:{}", VERSIONS.iter().find(of).unwrap_or(&short))
        }
        Some(_) | None => version(name),
    }
}

/// The version that a text with a digest in it is about.
pub fn version(text: &str) -> String {
    let of = |version: &&&str| text.contains(image(version).digest.as_str());
    VERSIONS.iter().find(of).map_or_else(|| text.to_owned(), |version| (*version).to_owned())
}
