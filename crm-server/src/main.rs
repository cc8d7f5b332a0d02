//! The server's binary.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use crm_server::cli::{Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    // Where several crates bring a provider, rustls wants to be told which one is meant. A second
    // call would mean that one is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Cli::parse(), &mut std::io::stdout()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "crm-server: {error}");
            ExitCode::FAILURE
        }
    }
}
