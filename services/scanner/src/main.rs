//! The scanner as a process of its own.

fn main() -> std::process::ExitCode {
    runtime::run_worker(env!("CARGO_PKG_DESCRIPTION"), scanner::Scanner::new)
}
