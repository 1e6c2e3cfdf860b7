//! `org create|suspend|resume`: the operator's tenants.

use clap::Subcommand;
use serde_json::json;

use super::{CliError, database};
use crate::clock::Clock;
use crate::config::Config;
use crate::routes::org;

#[derive(Debug, Subcommand)]
pub enum OrgCommand {
    /// Create an org
    Create {
        /// Its public name, which never changes: lower-case letters, digits and hyphens
        #[arg(long)]
        key: String,
        /// Its name for people
        #[arg(long)]
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Stop serving an org; takes hold within a second
    Suspend {
        #[arg(long)]
        key: String,
    },
    /// Serve a suspended org again
    Resume {
        #[arg(long)]
        key: String,
    },
}

pub async fn run(config: &Config, command: OrgCommand) -> Result<(), CliError> {
    let clock = Clock::system();
    database::with_schema(config, async |db| match command {
        OrgCommand::Create { key, name, json } => {
            let org_id = org::create(db, &clock, &key, &name).await?;
            if json {
                println!("{}", json!({ "org_id": org_id, "key": key }));
            } else {
                println!("Created the org {key}: {org_id}");
            }
            Ok(())
        }
        OrgCommand::Suspend { key } => {
            org::suspend(db, &clock, &key).await?;
            eprintln!("Suspended {key}.");
            Ok(())
        }
        OrgCommand::Resume { key } => {
            org::resume(db, &key).await?;
            eprintln!("Resumed {key}.");
            Ok(())
        }
    })
    .await
}
