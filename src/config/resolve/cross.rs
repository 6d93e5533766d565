//! What stages want for themselves alone: domains, ports of the host, and their own DNS name. Two on one is an error
//! that shows both places.

use std::collections::BTreeMap;

use crate::config::code;
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::report::{Item, Part, Report};
use crate::config::syntax::Span;
use crate::model::route::Certificate;
use crate::model::spec::{Protocol, PublishedPort};
use crate::model::{Domain, StageKey};

use super::certificates::Certificates;
use super::project::Context;
use super::upstreams::Upstream;

/// What was claimed so far, also by stages that are refused for another reason.
#[derive(Default)]
pub(super) struct Claims {
    stages: BTreeMap<StageKey, (usize, Span)>,
    domains: BTreeMap<Domain, Vec<DomainClaim>>,
    ports: BTreeMap<(u16, Protocol), Vec<PortClaim>>,
    dependencies: Dependencies,
    promotions: BTreeMap<StageKey, (StageKey, Place)>,
    certificates: Certificates,
    upstreams: Vec<Upstream>,
}

/// Who wants a domain.
pub(super) struct DomainClaim {
    pub(super) key: StageKey,
    pub(super) place: Place,
    /// The key of the project's route that it is taken from.
    taken: Option<&'static str>,
}

/// What each stage depends on, and where that is written.
pub(super) type Dependencies = BTreeMap<StageKey, BTreeMap<StageKey, Place>>;

/// Who wants a port, on which address (all when none), and where that is written.
type PortClaim = (StageKey, Option<String>, Place);

impl Claims {
    /// Adds what was claimed in a part of the projects that comes after these.
    pub(super) fn take_in(&mut self, later: Self) {
        let Self { stages, domains, ports, dependencies, promotions, certificates, upstreams } = later;
        self.upstreams.extend(upstreams);
        self.certificates.take_in(certificates);
        self.promotions.extend(promotions);
        self.stages.extend(stages);
        for (domain, claims) in domains {
            self.domains.entry(domain).or_default().extend(claims);
        }
        for (port, claims) in ports {
            self.ports.entry(port).or_default().extend(claims);
        }
        self.dependencies.extend(dependencies);
    }

    /// A stage exists.
    pub(super) fn stage(&mut self, key: &StageKey, item: &Item<'_>) {
        self.stages.insert(key.clone(), (item.doc, item.entry.span()));
    }

    /// True when there is such a stage.
    pub(super) fn knows(&self, key: &StageKey) -> bool {
        self.stages.contains_key(key)
    }

    /// Every stage there is.
    pub(super) fn stages(&self) -> impl Iterator<Item = &StageKey> {
        self.stages.keys()
    }

    /// A stage depends on another one.
    pub(super) fn dependency(&mut self, key: &StageKey, on: StageKey, place: Place) {
        self.dependencies.entry(key.clone()).or_default().insert(on, place);
    }

    /// A stage runs what ran well in another one.
    pub(super) fn promotion(&mut self, key: &StageKey, from: StageKey, place: Place) {
        self.promotions.insert(key.clone(), (from, place));
    }

    /// What stages promote from.
    pub(super) fn promotions(&self) -> &BTreeMap<StageKey, (StageKey, Place)> {
        &self.promotions
    }

    /// What stages depend on.
    pub(super) fn dependencies(&self) -> &Dependencies {
        &self.dependencies
    }

    /// A stage wants a domain.
    pub(super) fn domain(&mut self, cx: &Context<'_>, domain: &Domain, path: &str, part: Part) {
        let keys = ["domains", "subdomain", "redirects"];
        let key = keys.into_iter().find(|key| path.split('.').nth(1) == Some(key));
        let taken = key.filter(|_| cx.site.is_taken(path));
        let claim = DomainClaim { key: cx.key.clone(), place: cx.site.at(part, path), taken };
        self.domains.entry(domain.clone()).or_default().push(claim);
    }

    /// Every domain that there is, and who wants it.
    pub(super) fn domains(&self) -> &BTreeMap<Domain, Vec<DomainClaim>> {
        &self.domains
    }

    /// A stage wants a certificate for the host of a domain.
    pub(super) fn certificate(&mut self, cx: &Context<'_>, domain: &Domain, certificate: &Certificate) {
        self.certificates.add(cx, domain, certificate);
    }

    /// The certificates that stages want for hosts.
    pub(super) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// A stage has a further upstream.
    pub(super) fn upstream(&mut self, upstream: Upstream) {
        self.upstreams.push(upstream);
    }

    /// The further upstreams of all stages.
    pub(super) fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// A stage wants a port of the host.
    pub(super) fn port(&mut self, key: &StageKey, port: &PublishedPort, place: Place) {
        let PublishedPort { host_ip, host_port, container_port: _, protocol } = port;
        self.ports.entry((*host_port, *protocol)).or_default().push((key.clone(), host_ip.clone(), place));
    }
}

/// Reports every clash.
pub(super) fn check(claims: &Claims, report: &Report<'_>) {
    let Claims { stages, domains, ports, dependencies: _, promotions: _, certificates: _, upstreams: _ } = claims;
    check_names(stages, report);
    check_domains(domains, report);
    check_ports(ports, report);
}

fn check_names(stages: &BTreeMap<StageKey, (usize, Span)>, report: &Report<'_>) {
    let mut names: BTreeMap<String, (&StageKey, (usize, Span))> = BTreeMap::new();
    let place = |(doc, span)| report.place(doc, span);
    for (key, at) in stages {
        let name = key.dns_name();
        match names.get(&name) {
            Some((first, other)) => {
                let title = format!("`{first}` and `{key}` would both be called `{name}`");
                let help = "that is the name of their containers, volumes and in the network: rename one";
                report.add(clash(&place(*at), title, &place(*other), "the other one").help(help));
            }
            None => drop(names.insert(name, (key, *at))),
        }
    }
}

fn check_domains(domains: &BTreeMap<Domain, Vec<DomainClaim>>, report: &Report<'_>) {
    for (domain, claims) in domains {
        if let [first, rest @ ..] = &claims[..] {
            for claim in rest {
                report.add(domain_clash(domain, first, claim));
            }
        }
    }
}

fn domain_clash(domain: &Domain, first: &DomainClaim, claim: &DomainClaim) -> Diagnostic {
    let of_two = |title, help: &str| clash(&claim.place, title, &first.place, "first used here").help(help);
    if claim.key == first.key {
        return of_two(format!("`{domain}` is written twice"), "remove one of the two");
    }
    let title = format!("`{domain}` leads to both `{}` and `{}`", first.key, claim.key);
    let Some(key) = claim.taken.filter(|_| claim.place == first.place) else {
        return of_two(title, "a domain leads to one stage: change one of them");
    };
    let help = match key {
        "domains" => "move `domains` into the stages, or use `{stage}`, as in `{stage}.shop.example.com`",
        "subdomain" => "move `subdomain` into the stages, or use `{stage}`, as in `{stage}-shop`",
        _ => "move `redirects` into the stages",
    };
    let title = format!("{title}, which take it from their project");
    Diagnostic::error(code::CLASH, claim.place.clone(), title).help(help)
}

fn check_ports(ports: &BTreeMap<(u16, Protocol), Vec<PortClaim>>, report: &Report<'_>) {
    for ((number, protocol), claims) in ports {
        for (i, (key, ip, place)) in claims.iter().enumerate() {
            let same = |(_, other, _): &&PortClaim| ip.is_none() || other.is_none() || ip == other;
            if let Some((first, _, first_place)) = claims[..i].iter().find(same) {
                let title =
                    format!("port {number}/{} of the host is wanted by both `{first}` and `{key}`", protocol.as_str());
                let help = "give one of them another port, or publish on different addresses";
                report.add(clash(place, title, first_place, "first used here").help(help));
            }
        }
    }
}

fn clash(place: &Place, title: String, other: &Place, text: &str) -> Diagnostic {
    Diagnostic::error(code::CLASH, place.clone(), title).other(Some(other.clone()), text)
}
