//! Messages as one run of bytes, for the column that keeps a run's outcomes.
//!
//! Layout: the length of the head (4 bytes, big endian); the head, JSON with each message's attributes, content type
//! and length of body; the bodies one after another, byte for byte. Equal messages give equal bytes.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proto::Message;
use serde::{Deserialize, Serialize};

use crate::{LedgerError, Result};

#[derive(Serialize, Deserialize)]
struct Head {
    attributes: BTreeMap<String, String>,
    content_type: String,
    length: usize,
}

/// The messages as bytes.
pub(crate) fn encode(messages: &[Message]) -> Result<Bytes> {
    let head = |message: &Message| Head {
        attributes: message.attributes.clone(),
        content_type: message.content_type.clone(),
        length: message.body.len(),
    };
    let head = serde_json::to_vec(&messages.iter().map(head).collect::<Vec<_>>())
        .map_err(|why| LedgerError::Unusable(format!("the outcomes cannot be written as JSON: {why}")))?;
    let length = u32::try_from(head.len())
        .map_err(|_| LedgerError::Unusable("the outcomes' attributes exceed 4 GiB".to_owned()))?;
    let mut bytes = BytesMut::with_capacity(4 + head.len());
    bytes.put_u32(length);
    bytes.put_slice(&head);
    for message in messages {
        bytes.put_slice(&message.body);
    }
    Ok(bytes.freeze())
}

/// The messages in the bytes.
pub(crate) fn decode(mut bytes: Bytes) -> Result<Vec<Message>> {
    let damaged = || LedgerError::Unusable("the outcomes of a run are damaged".to_owned());
    let length = bytes.try_get_u32().map_err(|_| damaged())? as usize;
    let heads: Vec<Head> = serde_json::from_slice(&take(&mut bytes, length).ok_or_else(damaged)?)
        .map_err(|why| LedgerError::Unusable(format!("the outcomes of a run are damaged: {why}")))?;
    let message = |head: Head| {
        let body = take(&mut bytes, head.length).ok_or_else(damaged)?;
        Ok(Message { attributes: head.attributes, content_type: head.content_type, body })
    };
    heads.into_iter().map(message).collect()
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_cut_short_are_refused_not_guessed() {
        let attributes = BTreeMap::from([("id".to_owned(), "x".to_owned())]);
        let message = Message { attributes, content_type: "a/b".to_owned(), body: Bytes::from_static(&[0, 255, 7]) };
        let whole = encode(&[message.clone(), message.clone()]).unwrap();
        assert_eq!(decode(whole.clone()).unwrap(), [message.clone(), message]);
        for end in 0..whole.len() {
            assert!(decode(whole.slice(..end)).is_err(), "{end} of {} bytes", whole.len());
        }
    }
}
