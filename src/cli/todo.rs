//! `comptroller todo`: what is open and due, with the command that answers it.

use std::io::{self, Write};

use jiff::Timestamp;
use kube::{Api, api::ListParams, core::DeserializeGuard};
use serde::Serialize;
use tabwriter::TabWriter;

use super::{
    cluster::{ClusterArgs, ClusterError, api_message, whoami},
    output::{RowFormat, to_stdout},
};
use comptroller_core::api::{
    Control, Occurrence, OccurrencePhase, SHOWN_OCCURRENCES, Severity, test_spec::AttestationTest,
};
use comptroller_report::{attest_command, spreadsheet::CsvTable, visible};

/// How many controls are read at a time.
const PAGE: u32 = 250;

/// The columns of the CSV.
const COLUMNS: [&str; 9] =
    ["standing", "due", "grace_until", "control", "period", "owner", "severity", "what", "command"];

/// List what is open and due, overdue first, with the command that answers each.
///
/// Without --all and --owner, what the user of the kubeconfig may attest: occurrences of controls that
/// name the user or a group among their attesters, or nobody at all. Who of an event may not attest is
/// told when it is tried. Exit code 0: there is a list, however long. 2: it could not be read.
#[derive(Clone, Debug, clap::Args)]
pub struct TodoArgs {
    /// Everything that is open, whoever may attest it.
    #[arg(long, conflicts_with = "owner")]
    all: bool,
    /// What is open of the controls of this owner.
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
    /// The output format.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t, ignore_case = true)]
    output: RowFormat,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum TodoError {
    /// There is no connection to a cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The API server does not say who the user is.
    #[error(
        "the API server does not say who you are: {}; check the credentials of the kubeconfig, or give --all",
        api_message(.0)
    )]
    Whoami(#[source] kube::Error),
    /// The controls can't be listed.
    #[error(
        "the controls of the cluster can't be listed: {}; grant list on controls of comptroller.dev",
        api_message(.0)
    )]
    List(#[source] kube::Error),
    /// Standard output can't be written.
    #[error("the list can't be printed: {0}")]
    Output(#[from] io::Error),
}

/// Whose work is asked for.
#[derive(Clone, Copy, Debug)]
enum Whose<'a> {
    Everybody,
    Owner(&'a str),
    User(&'a str),
}

/// Something that somebody has to attest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct TodoItem {
    /// `Overdue` or `Open`.
    standing: &'static str,
    due: Timestamp,
    grace_until: Timestamp,
    control: String,
    period: String,
    owner: String,
    severity: Severity,
    /// The title of the control, and the event that opened it.
    what: String,
    /// What answers it, with the options that the control requires.
    command: String,
}

/// What is open, and what else to know of the list.
#[derive(Debug, Default)]
struct TodoList {
    items: Vec<TodoItem>,
    /// Controls that may have more open than their status has room for.
    full: Vec<String>,
}

/// Lists, prints, and returns the exit code.
pub fn run(args: &TodoArgs) -> Result<u8, Box<dyn std::error::Error>> {
    todo(args)?;
    Ok(0)
}

#[tokio::main(flavor = "current_thread")]
async fn todo(args: &TodoArgs) -> Result<(), TodoError> {
    let client = args.cluster.client().await?;
    let user = match (&args.owner, args.all) {
        (None, false) => whoami(&client).await.map_err(TodoError::Whoami)?.unwrap_or_default(),
        _ => String::new(),
    };
    let whose = match &args.owner {
        Some(owner) => Whose::Owner(owner),
        None if args.all => Whose::Everybody,
        None => Whose::User(&user),
    };
    let api: Api<DeserializeGuard<Control>> = Api::all(client);
    let mut controls = Vec::new();
    let mut pages = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&pages).await.map_err(TodoError::List)?;
        for guarded in page.items {
            match guarded.0 {
                Ok(control) => controls.push(control),
                Err(invalid) => {
                    let name = invalid.metadata.name.unwrap_or_default();
                    let error = invalid.error;
                    eprintln!(
                        "comptroller: the Control {} can't be read, so it is left out: {}",
                        visible(&name),
                        visible(&error)
                    );
                }
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => pages = pages.continue_token(&token),
            None => break,
        }
    }
    let list = list(&controls, whose, Timestamp::now());
    to_stdout(|out| match args.output {
        RowFormat::Table => table(&list, out),
        RowFormat::Json => json(&list.items, out),
        RowFormat::Csv => csv(&list.items, out),
    })?;
    for control in &list.full {
        eprintln!(
            "comptroller: {} shows its newest {SHOWN_OCCURRENCES} occurrences; older ones may be open too: the findings of `kubectl describe control {0}` and the evidence log have them",
            visible(control)
        );
    }
    Ok(())
}

/// What is open at `now`: what is overdue first, then by when it is due.
fn list(controls: &[Control], whose: Whose<'_>, now: Timestamp) -> TodoList {
    let mut list = TodoList::default();
    for control in controls {
        let Some(test) = &control.spec.test.attestation else { continue };
        let Some(status) = &control.status else { continue };
        let name = control.metadata.name.as_deref().unwrap_or_default();
        let open = status.occurrences.iter().filter(|one| one.phase == OccurrencePhase::Open);
        let before = list.items.len();
        for occurrence in open {
            let rule = occurrence.rule.as_ref().unwrap_or(test);
            if !concerns(whose, control, rule) {
                continue;
            }
            list.items.push(item(name, control, occurrence, rule, now));
        }
        if test.on.is_some()
            && status.occurrences.len() >= SHOWN_OCCURRENCES
            && list.items.len() > before
        {
            list.full.push(name.to_owned());
        }
    }
    list.items.sort_by(|a, b| {
        let order = |item: &TodoItem| (item.standing != OVERDUE, item.due);
        order(a)
            .cmp(&order(b))
            .then_with(|| b.severity.cmp(&a.severity))
            .then_with(|| (&a.control, &a.period).cmp(&(&b.control, &b.period)))
    });
    list
}

const OVERDUE: &str = "Overdue";
const OPEN: &str = "Open";

fn concerns(whose: Whose<'_>, control: &Control, rule: &AttestationTest) -> bool {
    match whose {
        Whose::Everybody => true,
        Whose::Owner(owner) => control.spec.owner == owner,
        // Who is in a group the API server alone knows: better one too many than none.
        Whose::User(user) => rule.attesters.as_ref().is_none_or(|attesters| {
            !attesters.groups.is_empty() || attesters.users.iter().any(|known| known == user)
        }),
    }
}

fn item(
    name: &str,
    control: &Control,
    occurrence: &Occurrence,
    rule: &AttestationTest,
    now: Timestamp,
) -> TodoItem {
    let title = &control.spec.title;
    let what = match &occurrence.event {
        None => title.clone(),
        Some(event) => {
            let item = event.item.as_ref().map(|item| format!(", {item}")).unwrap_or_default();
            format!("{title}: {} of {} {}{item}", event.event, event.kind, event.name)
        }
    };
    TodoItem {
        standing: if now > occurrence.due.0 { OVERDUE } else { OPEN },
        due: occurrence.due.0,
        grace_until: occurrence.grace_until.0,
        control: name.to_owned(),
        period: occurrence.period.clone(),
        owner: control.spec.owner.clone(),
        severity: control.spec.severity,
        what,
        command: attest_command(name, &occurrence.period, Some(rule)),
    }
}

fn table(list: &TodoList, out: &mut dyn Write) -> io::Result<()> {
    if list.items.is_empty() {
        return writeln!(out, "Nothing is open.");
    }
    let mut rows = TabWriter::new(Vec::new()).padding(3);
    writeln!(rows, "STANDING\tDUE\tSEVERITY\tOWNER\tCONTROL\tPERIOD")?;
    for item in &list.items {
        writeln!(
            rows,
            "{}\t{}\t{}\t{}\t{}\t{}",
            item.standing,
            item.due,
            item.severity,
            visible(&item.owner),
            visible(&item.control),
            visible(&item.period)
        )?;
    }
    let rows = rows.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    let rows = String::from_utf8_lossy(&rows);
    let mut lines = rows.lines();
    if let Some(heading) = lines.next() {
        writeln!(out, "{}", heading.trim_end())?;
    }
    for (line, item) in lines.zip(&list.items) {
        writeln!(out, "{}", line.trim_end())?;
        writeln!(out, "  {}", visible(&item.what))?;
        writeln!(out, "  {}", visible(&item.command))?;
    }
    Ok(())
}

fn json(items: &[TodoItem], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, items)?;
    writeln!(out)
}

fn csv(items: &[TodoItem], out: &mut dyn Write) -> io::Result<()> {
    let mut table = CsvTable::new(out, &COLUMNS)?;
    for item in items {
        table.row(&[
            item.standing,
            item.due.to_string().as_str(),
            item.grace_until.to_string().as_str(),
            item.control.as_str(),
            item.period.as_str(),
            item.owner.as_str(),
            item.severity.as_str(),
            item.what.as_str(),
            item.command.as_str(),
        ])?;
    }
    table.finish().map(drop)
}

#[cfg(test)]
mod tests;
