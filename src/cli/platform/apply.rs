//! Steps carried out, each through what the API's routes and the commands call, with `operator` in the audit log.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::steps::{Action, Step};
use crate::audit::Author;
use crate::changes::Mandate;
use crate::cli::CliError;
use crate::cli::master::write_private;
use crate::cli::output::Output;
use crate::error::{ApiError, Code};
use crate::http::input::{Input, judge};
use crate::routes::internal::orgs::making::{self, MadeOrg};
use crate::routes::internal::orgs::{ChangeOrg, CreateOrg};
use crate::routes::internal::streams::{self, PutStream};
use crate::routes::org::credentials::Maker;
use crate::routes::org::{self, OrgChange};
use crate::routes::queues::operator::{self, RegisterQueue};
use crate::state::App;

/// What became of the steps.
pub struct Applied {
    output: Output,
    done: Vec<Value>,
    /// What waits for an org to have a signing secret.
    pub left: Vec<String>,
    /// What the step was refused for that ended the run.
    pub problem: Option<String>,
}

impl Applied {
    /// For people, notes a step at once: the link to a new org's credentials must not be lost with what fails later.
    fn note(&mut self, line: String, object: Value) -> Result<(), CliError> {
        self.done.push(object);
        if self.output.json { Ok(()) } else { self.output.show(&(), line) }
    }

    /// Prints what is left; for programs, everything.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn print(&self) -> Result<(), CliError> {
        let Self { output, done, left, problem } = self;
        if output.json {
            return output.show(&json!({ "applied": done, "left": left, "problem": problem }), "");
        }
        let said = left.iter().map(|name| {
            format!("Left: the queue {name}. Its org has no signing secret: have its claim opened, and apply again.")
        });
        output.list(&(), said)
    }
}

/// Carries the steps out, in their order, until one is refused; those before it stay done.
///
/// # Errors
/// When standard output does not take what was done.
pub async fn all(
    app: &App,
    steps: Vec<Step>,
    secrets_to: Option<&Path>,
    output: Output,
) -> Result<Applied, CliError> {
    let mut applied = Applied { output, done: Vec::new(), left: Vec::new(), problem: None };
    for step in steps {
        let (verb, kind, name) = step.action.named();
        let mut object = json!({ "action": verb, "kind": kind, "name": name });
        let outcome = one(app, step.action, secrets_to).await;
        if matches!(&outcome, Err(error) if is_without_secret(&**error)) {
            applied.left.push(name);
            continue;
        }
        let problem = match outcome {
            Ok(Done { note, problem }) => {
                let mut line = format!("{} {kind} {name}", done(verb));
                if let Some((field, text)) = note {
                    let what = match field {
                        "claim_url" => "the claim to its credentials, for one POST within 72 hours",
                        "secrets_in" => "its credentials are in",
                        _ => "its id",
                    };
                    line.push_str(&format!("; {what}: {text}"));
                    object[field] = text.into();
                }
                applied.note(line, object)?;
                problem
            }
            Err(error) => Some(error),
        };
        if let Some(problem) = problem {
            applied.problem = Some(format!("{kind} {name}: {problem}"));
            break;
        }
    }
    Ok(applied)
}

fn done(verb: &str) -> &'static str {
    match verb {
        "make" => "Made",
        "change" => "Changed",
        _ => "Deleted",
    }
}

fn is_without_secret(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(ApiError::Failed(failure)) if failure.code == Code::SigningSecretRequired)
}

/// A step that was carried out.
#[derive(Default)]
struct Done {
    /// What there is to say of it.
    note: Option<(&'static str, String)>,
    /// What a part of it was refused for.
    problem: Option<CliError>,
}

/// Carries a step out.
async fn one(app: &App, action: Action, secrets_to: Option<&Path>) -> Result<Done, CliError> {
    match action {
        Action::PutStream { name, body, .. } => {
            streams::put(app, name, judged::<PutStream>(app, &body)?).await?
        }
        Action::MakeOrg { key, fields } => return make(app, &key, fields, secrets_to).await,
        Action::ChangeOrg { key, fields } => change(app, &key, fields).await?,
        Action::DeleteOrg { key } => {
            org::operate(&app.db, &app.clock, &app.keyring, &key, OrgChange::Delete).await?;
        }
        Action::PutQueue { org, stream, body, exists } => {
            let org_id = org::by_key(&app.db, &org).await?.id;
            let mandate = Mandate::operator(org_id, &app.keyring);
            operator::put(app, mandate, (&stream, exists), judged::<RegisterQueue>(app, &body)?).await?;
        }
        Action::RemoveQueue { org, stream } => {
            let org_id = org::by_key(&app.db, &org).await?.id;
            let step = (operator::Step::Remove, stream.as_str());
            operator::take(&app.db, &app.clock, &app.keyring, org_id, step).await?;
        }
    }
    Ok(Done::default())
}

fn judged<T: Input>(app: &App, body: &Value) -> Result<T, CliError> {
    let (read, _) = judge::<T>(body.to_string().as_bytes(), app.clock.now());
    read.ok_or_else(|| "the file was judged before, and is refused now".into())
}

async fn change(app: &App, key: &str, fields: Map<String, Value>) -> Result<(), CliError> {
    let org_id = org::by_key(&app.db, key).await?.id;
    let wanted: ChangeOrg = judged(app, &Value::Object(fields))?;
    let mandate = Mandate::operator(org_id, &app.keyring);
    Ok(org::change_all(app, mandate, wanted.changes()).await?)
}

/// Makes an org with a claim, or with its secrets in a file that is there before the org is.
async fn make(
    app: &App,
    key: &str,
    mut fields: Map<String, Value>,
    secrets_to: Option<&Path>,
) -> Result<Done, CliError> {
    let contacts = fields.remove("contact_emails").unwrap_or_else(|| json!([]));
    let body = json!({
        "key": key, "name": fields.remove("name"), "contact_emails": contacts, "claim": secrets_to.is_none(),
    });
    let wanted: CreateOrg = judged(app, &body)?;
    let file = secrets_to.map(|directory| directory.join(format!("{key}.json")));
    if let Some(file) = file.as_ref().filter(|file| file.exists()) {
        return Err(format!("{} is there already, and is not overwritten", file.display()).into());
    }
    let (to, author) = (file.clone(), Author::operator(&app.keyring));
    let show = move |made: &MadeOrg| match &to {
        Some(file) => write_private(file, &secrets(made).to_string()),
        None => Ok(()),
    };
    let made: MadeOrg = making::make(&Maker::of(app), author, wanted, show).await?;
    let note = match (file, made.claim_url) {
        (Some(file), _) => ("secrets_in", file.display().to_string()),
        (None, Some(url)) => ("claim_url", url.expose().clone()),
        (None, None) => ("org_id", made.id.to_string()),
    };
    // The org is there, and so are its credentials, whatever becomes of its limits.
    let problem = if fields.is_empty() { None } else { change(app, key, fields).await.err() };
    Ok(Done { note: Some(note), problem })
}

fn secrets(made: &MadeOrg) -> Value {
    let [key, secret] = [&made.tenant_api_key, &made.signing_secret]
        .map(|secret| secret.as_ref().map(|secret| secret.expose()));
    json!({ "org_id": made.id, "key": made.key, "tenant_api_key": key, "signing_secret": secret })
}
