//! One integration binary: every module here is a group of tests.

mod caddy;
mod caddy_proxy;
mod cli;
mod config_schema;
mod docker_client;
mod execute;
mod fake_docker;
mod fake_registry;
mod fault_table;
mod file_storm;
mod git_remote;
mod npm;
mod npm_contract;
mod npm_proxy;
#[cfg(feature = "faults")]
mod nth;
mod own_disk;
mod own_process;
mod random;
mod readme;
mod recorder;
mod registry_budget;
mod registry_client;
mod registry_platforms;
mod registry_tags;
mod router_control;
mod router_forward;
mod router_limits;
mod router_log;
mod router_place;
mod router_process;
mod router_proxy;
mod router_redirect;
mod router_retry;
mod router_routing;
mod router_several;
mod router_support;
mod router_switch;
mod router_tls;
mod router_tunnel;
mod router_wire;
mod scenario;
mod systemd;
mod tidy;
#[cfg(feature = "faults")]
mod walk;
