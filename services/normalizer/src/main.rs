//! The normalizer as a process of its own.

fn main() -> std::process::ExitCode {
    runtime::run_worker(normalizer::Normalizer::new)
}
