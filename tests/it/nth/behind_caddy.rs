//! Scenarios with a real Caddy as the proxy: what Landfall writes into it is lost, refused or done unheard of at each
//! operation, and a killed pass finds there what it has done. The newest that could be had; else Debian's.
//!
//! Clients ask through it all the time; `clients` says what they may meet.

use super::front::Behind;
use super::run::every_nth;
use super::scenario::Scenario;
use super::scenarios::{moves, replace};
use crate::execute::ground::{image, web};

/// The same, behind Caddy.
fn behind_caddy(scenario: Scenario) -> Scenario {
    Scenario { behind: Behind::Caddy, ..scenario }
}

#[test]
fn r15_a_first_deploy_behind_caddy_survives_a_fault_at_every_operation() {
    let first = Scenario { images: vec![image("v1")], ..Scenario::new("first deploy", web("v1", "")) };
    every_nth(&behind_caddy(first));
}

#[test]
fn r9_r15_a_replace_behind_caddy_survives_a_fault_at_every_operation() {
    every_nth(&behind_caddy(replace("replace", "")));
}

#[test]
fn r9_r15_a_domain_that_moves_behind_caddy_survives_a_fault_at_every_operation() {
    every_nth(&behind_caddy(moves()));
}
