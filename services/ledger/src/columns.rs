//! A message as columns, and back: what can be read of it stands in columns of its own, all of it is kept as it came.

use proto::{Message, Timestamp};
use uuid::Uuid;

use crate::{
    LedgerError, Outline, Result,
    db::{Arg, Row, args},
    outcomes,
};

/// Namespace of the ids made here; fixed for ever, or what is there already would be written again.
const NAMESPACE: Uuid = Uuid::from_u128(0x1c7d_52be_0f3a_5e94_9d21_6b8e_40a7_c853);
/// Longest text in an indexed column, in bytes: three of them must fit a PostgreSQL B-tree entry (2704 bytes).
const CLIP: usize = 600;

/// What a message is known by here: its id and replay. One without a readable id gets one made of all it holds.
pub(crate) fn key(message: &Message) -> Result<(Uuid, u32)> {
    let id = match message.attribute("id").parse() {
        Ok(id) => id,
        Err(_) => Uuid::new_v5(&NAMESPACE, &outcomes::encode(std::slice::from_ref(message))?),
    };
    Ok((id, message.attribute("replay").parse().unwrap_or(0)))
}

/// The id of a dead letter: the same letter twice has it twice.
pub(crate) fn letter_id(worker: &str, message: &Message) -> Result<Uuid> {
    let (id, replay) = key(message)?;
    Ok(Uuid::new_v5(&NAMESPACE, format!("{worker}\n{id}\n{replay}").as_bytes()))
}

/// A text as an indexed column holds it: what is too long is cut, and told apart by a hash of the whole.
pub(crate) fn clipped(text: &str) -> String {
    if text.len() <= CLIP {
        return text.to_owned();
    }
    let start = &text[..text.floor_char_boundary(CLIP - 40)];
    format!("{start}~{}", Uuid::new_v5(&NAMESPACE, text.as_bytes()))
}

/// The columns `id replay type app subject source correlation cause proof time attributes content_type body` of an
/// event. A time that cannot be read is left to the database, which takes its own.
pub(crate) fn of_event(message: &Message) -> Result<Vec<Arg>> {
    let (id, replay) = key(message)?;
    let column = |name| message.attributes.get(name).map(|text| clipped(text));
    let uuid = |name| message.attribute(name).parse::<Uuid>().ok();
    let [attributes, content_type, body] = whole(message)?;
    Ok(args![
        id,
        replay,
        column("type"),
        column("app"),
        column("subject"),
        column("source"),
        uuid("correlationid").unwrap_or(id),
        uuid("causationid"),
        column("webhookproof"),
        message.attribute("time").parse::<Timestamp>().ok(),
        attributes,
        content_type,
        body
    ])
}

/// The columns `attributes content_type body`.
pub(crate) fn whole(message: &Message) -> Result<[Arg; 3]> {
    let attributes = serde_json::to_string(&message.attributes)
        .map_err(|why| LedgerError::Unusable(format!("a message's attributes cannot be written as JSON: {why}")))?;
    Ok([attributes.into(), message.content_type.as_str().into(), message.body.clone().into()])
}

/// Reads columns from the one of this number on.
pub(crate) type Read<M> = fn(&Row, usize) -> Result<M>;

/// The columns that [`message`] reads.
pub(crate) const MESSAGE: &str = "CAST(attributes AS text), content_type, body";

/// The columns that [`outline`] reads; the body where it is no longer than lists read, and this holds. Of a longer one
/// neither database reads more than its length.
pub(crate) fn of_outline(condition: &str) -> String {
    let most = Outline::MOST;
    format!(
        "CAST(attributes AS text), content_type, length(body), \
         CASE WHEN length(body) <= {most} AND {condition} THEN body END"
    )
}

/// Reads what [`of_outline`] names, from the column `first` on.
pub(crate) fn outline(row: &Row, first: usize) -> Result<Outline> {
    let bytes: u32 = row.get(first + 2)?;
    Ok(Outline {
        attributes: row.json(first)?,
        content_type: row.get(first + 1)?,
        bytes: bytes.into(),
        body: row.get(first + 3)?,
    })
}

/// Reads what [`whole`] wrote, from the column `first` on.
pub(crate) fn message(row: &Row, first: usize) -> Result<Message> {
    Ok(Message { attributes: row.json(first)?, content_type: row.get(first + 1)?, body: row.get(first + 2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters_and_stay_different() {
        let (one, other) = ("ü".repeat(900) + "1", "ü".repeat(900) + "2");
        assert!(clipped(&one).len() <= CLIP);
        assert_ne!(clipped(&one), clipped(&other));
        assert_eq!(clipped("short"), "short");
    }
}
