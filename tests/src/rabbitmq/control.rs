//! A way into the running node that costs a millisecond where `rabbitmqctl` costs a second: the node evaluates
//! Erlang expressions that come over a socket in its private folder.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Erlang that serves the socket; `PATH` stands for where. Requests and answers are length-prefixed (four bytes, big-endian);
/// an answer starts with `+` for a value, `-` for an error.
const SERVE: &str = r#"spawn(fun() ->
  {ok, L} = gen_tcp:listen(0, [binary, {ifaddr, {local, "PATH"}}, {packet, 4}, {active, false}, {backlog, 64}]),
  Answer = fun(Text) ->
    try
      {ok, Tokens, _} = erl_scan:string(Text),
      {ok, Forms} = erl_parse:parse_exprs(Tokens),
      {value, Value, _} = erl_eval:exprs(Forms, []),
      [$+ | io_lib:format("~0tp", [Value])]
    catch Class:Reason -> [$- | io_lib:format("~0tp", [{Class, Reason}])]
    end
  end,
  Serve = fun Serve() ->
    {ok, S} = gen_tcp:accept(L),
    spawn(fun() ->
      {ok, Text} = gen_tcp:recv(S, 0),
      gen_tcp:send(S, unicode:characters_to_binary(Answer(unicode:characters_to_list(Text)))),
      gen_tcp:close(S)
    end),
    Serve()
  end,
  Serve()
end)."#;

/// What to pass to the node after `-eval`.
pub(super) fn expression(socket: &Path) -> Result<String> {
    let Some(path) = socket.to_str().filter(|path| !path.contains(['"', '\\'])) else {
        bail!("RabbitMQ's private folder {} has a name that Erlang cannot be given", socket.display());
    };
    Ok(SERVE.replace("PATH", path))
}

/// Evaluates an expression, which ends in a full stop, and returns its value as Erlang would print it on one line.
pub(super) async fn eval(socket: &Path, expression: &str) -> Result<String> {
    let answer = tokio::time::timeout(Duration::from_mins(1), exchange(socket, expression.as_bytes())).await;
    let answer = answer.with_context(|| format!("RabbitMQ did not evaluate within 60 s: {expression}"))??;
    match answer.split_at_checked(1) {
        Some(("+", value)) => Ok(value.to_owned()),
        _ => bail!("RabbitMQ could not evaluate {expression} : {answer}"),
    }
}

async fn exchange(socket: &Path, request: &[u8]) -> Result<String> {
    let mut stream = UnixStream::connect(socket).await.context("RabbitMQ's control socket does not answer")?;
    stream.write_u32(u32::try_from(request.len())?).await?;
    stream.write_all(request).await?;
    let mut answer = vec![0; stream.read_u32().await? as usize];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer)?)
}
