//! The reconciler as a process of its own.

fn main() -> std::process::ExitCode {
    runtime::service::run_with_ledger("reconciler", env!("CARGO_PKG_DESCRIPTION"), reconciler::serve)
}
