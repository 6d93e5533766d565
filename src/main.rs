//! The binary: install the TLS provider, then hand over to the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    landfall::client::install_tls_provider();
    landfall::cli::main()
}
