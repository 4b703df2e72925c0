//! The recorder as a process of its own.

fn main() -> std::process::ExitCode {
    runtime::service::run_with_ledger("recorder", env!("CARGO_PKG_DESCRIPTION"), recorder::serve)
}
