//! The console as a process of its own.

fn main() -> std::process::ExitCode {
    runtime::service::run_with_ledger("console", env!("CARGO_PKG_DESCRIPTION"), console::serve)
}
