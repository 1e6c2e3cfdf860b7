//! `distribute`: spreads the tables over the nodes of a Citus cluster. It needs no master key: it opens nothing.

use super::CliError;
use super::database::without_keys;
use super::output::Output;
use crate::config::Config;

/// Brings the schema up to date, and puts each table in its place.
pub async fn run(config: &Config, output: Output) -> Result<(), CliError> {
    let opened = without_keys(config).await?;
    let outcome = async {
        opened.prepare(config).await?;
        Ok::<_, CliError>(opened.db.distribute().await?)
    }
    .await;
    opened.close().await;
    let placed = outcome?;
    let lines: Vec<_> = placed
        .iter()
        .map(|it| {
            let done = if it.is_new { "now" } else { "already" };
            format!("{}: {done} {} ({})", it.table, it.placement.text(), it.why)
        })
        .collect();
    output.list(&serde_json::json!({ "tables": placed }), lines)
}
