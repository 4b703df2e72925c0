//! The receiver as a process of its own.

fn main() -> std::process::ExitCode {
    runtime::service::run("receiver", env!("CARGO_PKG_DESCRIPTION"), async |base| {
        let ops = base.open_ops()?;
        receiver::serve(base).await?;
        ops.stop().await;
        Ok(())
    })
}
