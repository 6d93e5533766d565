//! One integration binary: every module here is a group of tests.

mod docker_client;
mod fake_docker;
mod recorder;
mod scenario;
