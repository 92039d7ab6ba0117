//! Idempotency keys: a change that is requested again under the same key gets its answer and is not made again.
//!
//! The key is claimed before anything else is done, in the transaction of the change, and what the change came to is written
//! beside it when it is committed. So a change and its key are kept or lost together: whoever lost an answer asks again, and
//! learns what happened. Of two requests with one key, the second waits until the first has ended. A change that was refused
//! leaves no key.

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::{Code, Error, Result, WriteCx};

/// Longest key, in characters.
pub const MAX_KEY: usize = 100;

/// How long a key is remembered.
pub const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// Old keys that one change deletes at most.
const SWEPT: i64 = 100;

/// A caller's name for one change, and what that change is.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    key: String,
    operation: String,
    body: [u8; 32],
}

impl IdempotencyKey {
    /// The key of an `operation` with these arguments. The order of their fields does not matter.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a key that is empty, longer than [`MAX_KEY`], or not of printable ASCII.
    pub fn new(key: String, operation: &str, mut arguments: Json) -> Result<Self> {
        let fits = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        if !fits {
            let text = format!("a key has 1 to {MAX_KEY} printable ASCII characters, no spaces");
            return Err(Error::invalid(text).at("idempotency_key"));
        }
        arguments.sort_all_objects();
        Ok(Self {
            key,
            operation: operation.to_owned(),
            body: Sha256::digest(arguments.to_string()).into(),
        })
    }

    /// Claims the key for the change that `cx` makes, or says what it came to when it was made before.
    ///
    /// # Errors
    /// `CONFLICT` when the key was used for something else.
    pub(crate) async fn claim<T: DeserializeOwned>(&self, cx: &WriteCx) -> Result<Option<T>> {
        // A key of another transaction is waited for here; one that is forgotten is nobody's.
        let claimed = cx
            .execute(
                "INSERT INTO idempotency (tenant_id, subject, key, operation, body, answer, created_at)
                VALUES (current_tenant(), $1, $2, $3, $4, 'null', $5)
                ON CONFLICT ON CONSTRAINT idempotency_pkey DO UPDATE SET operation = excluded.operation,
                    body = excluded.body, answer = excluded.answer, created_at = excluded.created_at
                WHERE idempotency.created_at <= $6",
                [
                    cx.scope().actor().into(),
                    self.key.as_str().into(),
                    self.operation.as_str().into(),
                    self.body.to_vec().into(),
                    cx.now().into(),
                    forgotten(cx).into(),
                ],
            )
            .await?;
        if claimed > 0 {
            return Ok(None);
        }
        self.earlier(cx).await
    }

    async fn earlier<T: DeserializeOwned>(&self, cx: &WriteCx) -> Result<Option<T>> {
        let sql = "SELECT operation, body, answer FROM idempotency
            WHERE tenant_id = current_tenant() AND subject = $1 AND key = $2";
        let values = [cx.scope().actor().into(), self.key.as_str().into()];
        let known: Option<(String, Vec<u8>, Json)> = cx.one(sql, values).await?;
        let Some((operation, body, answer)) = known else {
            // It was deleted between both statements.
            let text = "this idempotency key was just forgotten; try again";
            return Err(Error::new(Code::Conflict, text).at("idempotency_key"));
        };
        if operation != self.operation || body != self.body {
            let text = "this idempotency key was used for something else";
            return Err(Error::new(Code::Conflict, text).at("idempotency_key"));
        }
        let answer = serde_json::from_value(answer).map_err(Error::internal)?;
        Ok(Some(answer))
    }

    /// Keeps what the change came to, and deletes some keys that are forgotten.
    pub(crate) async fn keep(&self, cx: &WriteCx, answer: Json) -> Result<()> {
        let kept = cx
            .execute(
                "UPDATE idempotency SET answer = $3
                WHERE tenant_id = current_tenant() AND subject = $1 AND key = $2 AND xmin = pg_current_xact_id()::xid",
                [
                    cx.scope().actor().into(),
                    self.key.as_str().into(),
                    answer.into(),
                ],
            )
            .await?;
        if kept == 0 {
            return Err(Error::internal("a change did not claim its key"));
        }
        // What another transaction deletes is not waited for: it may take long.
        let sql = "DELETE FROM idempotency WHERE tenant_id = current_tenant() AND (subject, key) IN (
                SELECT subject, key FROM idempotency WHERE tenant_id = current_tenant() AND created_at <= $1
                LIMIT $2 FOR UPDATE SKIP LOCKED)";
        cx.execute(sql, [forgotten(cx).into(), SWEPT.into()])
            .await?;
        Ok(())
    }
}

/// Keys from then or before are forgotten.
fn forgotten(cx: &WriteCx) -> DateTime<Utc> {
    cx.now() - REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str, operation: &str, arguments: Json) -> Result<IdempotencyKey> {
        IdempotencyKey::new(key.to_owned(), operation, arguments)
    }

    #[test]
    fn a_key_is_short_and_printable() {
        for bad in ["", "a b", "é", "a\0", &"x".repeat(MAX_KEY + 1)] {
            let error = key(bad, "o", Json::Null).expect_err("refused");
            assert_eq!(error.code(), Code::InvalidInput);
            let field = error.details().and_then(|details| details.field.as_deref());
            assert_eq!(field, Some("idempotency_key"));
        }
        assert!(key(&"x".repeat(MAX_KEY), "o", Json::Null).is_ok());
    }

    #[test]
    fn the_order_of_fields_is_no_other_body_and_everything_else_is() {
        let body = |text: &str| {
            let arguments = serde_json::from_str(text).expect("json");
            key("k", "o", arguments).expect("a key").body
        };
        let first = body(r#"{"input":{"a":1,"b":[1,2]}}"#);
        assert_eq!(first, body(r#"{"input":{"b":[1,2],"a":1}}"#));
        for other in [
            r#"{"input":{"a":1,"b":[2,1]}}"#,
            r#"{"input":{"a":1,"b":[1,2],"c":null}}"#,
            r#"{"input":{"a":"1","b":[1,2]}}"#,
        ] {
            assert_ne!(first, body(other), "{other}");
        }
    }
}
