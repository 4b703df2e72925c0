//! The reconciler as a process of its own.

fn main() -> std::process::ExitCode {
    runtime::service::run_with_ledger("reconciler", reconciler::serve)
}
