//! Which states there are: for `tidemill verify`, which must also find those that should not be.

use super::RedisStore;
use crate::Error;
use redis::{Cmd, RedisError};

/// Keys that the server looks at per step: a fraction of a millisecond.
const STEP: usize = 1_000;

impl RedisStore {
    /// Hands the key of every state of `pipeline`, of all its entities, partitions and generations, to
    /// `each`; a key may come twice.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn each_state(&self, pipeline: &str, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
        let mut connection = self.connection.clone();
        let mut cursor = 0u64;
        loop {
            let mut scan = Cmd::new();
            scan.arg("SCAN").arg(cursor).arg("MATCH").arg(format!("tm:{{{pipeline}:*}}:k:*")).arg("COUNT").arg(STEP);
            let answer: Result<(u64, Vec<Vec<u8>>), RedisError> = scan.query_async(&mut connection).await;
            let (next, keys) = answer.map_err(|e| self.unavailable(&e))?;
            keys.iter().for_each(|key| each(key));
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}
