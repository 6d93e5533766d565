//! Which certificate each host has: stages that share one by paths share its certificate too, since it is chosen before
//! the path of a request is known.

use std::collections::BTreeMap;

use crate::config::code;
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::report::{Part, Report};
use crate::model::route::Certificate;
use crate::model::{Domain, StageKey};

use super::cross::Claims;
use super::project::Context;

/// What is wanted for each host. A stage without a certificate wants nothing: its path is served in plain HTTP.
#[derive(Default)]
pub(super) struct Certificates(BTreeMap<String, Vec<Wanted>>);

/// One stage's certificate for a domain.
struct Wanted {
    key: StageKey,
    domain: Domain,
    certificate: Certificate,
    place: Place,
}

impl Certificates {
    /// Adds what was wanted in a part of the projects that comes after these.
    pub(super) fn take_in(&mut self, later: Self) {
        for (host, wanted) in later.0 {
            self.0.entry(host).or_default().extend(wanted);
        }
    }

    /// A stage wants this one for the host of a domain.
    pub(super) fn add(&mut self, cx: &Context<'_>, domain: &Domain, certificate: &Certificate) {
        let place = cx.site.at(Part::Value, "route.certificate");
        let wanted = Wanted { key: cx.key.clone(), domain: domain.clone(), certificate: certificate.clone(), place };
        self.0.entry(domain.host().to_owned()).or_default().push(wanted);
    }
}

/// Reports hosts with two. Who leads one domain to two stages is told that, and not this.
pub(super) fn check(claims: &Claims, report: &Report<'_>) {
    for (host, wanted) in &claims.certificates().0 {
        let [first, rest @ ..] = &wanted[..] else { continue };
        for other in rest.iter().filter(|other| other.certificate != first.certificate && other.domain != first.domain)
        {
            let (one, two) = (written(&first.certificate), written(&other.certificate));
            let title = format!(
                "`{host}` would have two certificates: `{one}` of `{}` and `{two}` of `{}`",
                first.key, other.key
            );
            let help = "paths of one host share its certificate: write the same at both, or `certificate: none` at \
                        one for plain HTTP there";
            let error = Diagnostic::error(code::CLASH, other.place.clone(), title);
            report.add(error.other(Some(first.place.clone()), "the other one").help(help));
        }
    }
}

/// As it stands in the configuration.
fn written(certificate: &Certificate) -> String {
    match certificate {
        Certificate::None => "none".to_owned(),
        Certificate::Id(id) => format!("{{ id: {id} }}"),
        Certificate::Wildcard(name) => format!("{{ wildcard: \"{name}\" }}"),
        Certificate::Letsencrypt => "letsencrypt".to_owned(),
        Certificate::File(name) => format!("{{ file: {name} }}"),
    }
}
