//! The command line of `sync-daemon`.

mod chaos;
mod cli;
mod cluster;
mod demo;
mod soak;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = cli::Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::from(cli::FAILED);
        }
    };
    let code = runtime.block_on(cli::run(args));
    // A blocked read of the terminal must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    ExitCode::from(code)
}
