//! The prober as a process of its own.

fn main() -> std::process::ExitCode {
    runtime::run_worker(prober::Prober::new)
}
