//! `reseal`: moves everything that is sealed to the first master key.

use serde_json::json;

use super::CliError;
use super::database::with_schema;
use super::output::Output;
use crate::config::Config;
use crate::crypto::reseal;

/// Runs `reseal`; with `check` it only counts.
///
/// # Errors
/// What stood in the way, or that something is left.
pub async fn run(config: &Config, check: bool, output: Output) -> Result<(), CliError> {
    with_schema(config, async |opened| {
        let (db, keys) = (&opened.db.pool, opened.master_keys().await?);
        let resealed = if check { 0 } else { reseal::reseal(db, &keys).await? };
        let left = reseal::count_left(db, &keys).await?;
        let text = format!("Resealed {resealed}; {left} are still under another master key.");
        output.done(&json!({ "resealed": resealed, "left": left }), text)?;
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} values are not under the first master key").into())
        }
    })
    .await
}
