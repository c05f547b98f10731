//! What the reader sees and what to try next.

use comptroller::{
    api::{Control, ControlStatus, Finding},
    report::visible,
};
use console::style;
use kube::ResourceExt;

use crate::{Result, operator::Operator, place::Place, steps::heading, verdicts::Verdicts};

/// How many findings of a control are told.
const FINDINGS: usize = 3;

/// Something to try in the sample company: which control it moves, and how.
struct Trial {
    control: &'static str,
    what: &'static str,
    command: &'static str,
}

const FIXES: &[Trial] = &[];

const BREAKS: &[Trial] = &[];

/// The table, as kubectl prints it.
pub async fn table(place: &Place) -> Result<()> {
    heading("$ kubectl get controls");
    print!("{}", place.kubectl.run(&["get", "controls"]).await?);
    Ok(())
}

/// One failing control in detail.
pub fn failing_control(worst: Option<(&Control, &ControlStatus)>) {
    let Some((control, status)) = worst else {
        heading("No control fails");
        return;
    };
    heading(&format!("One that fails: {}", control.name_any()));
    let spec = &control.spec;
    line("what", &spec.title);
    line("found", &format!("{} of {} ({})", status.failing, status.population, status.reason));
    for finding in status.findings.iter().take(FINDINGS) {
        line("", &sentence(finding));
    }
    if status.findings.len() > FINDINGS {
        line("", &format!("and {} more", status.findings.len() - FINDINGS));
    }
    if let Some(remedy) = &spec.remedy {
        line("remedy", remedy);
    }
}

fn sentence(finding: &Finding) -> String {
    let resource = &finding.resource;
    let place = resource.namespace.as_ref().map_or(String::new(), |name| format!("{name}/"));
    let subject = finding.subject.as_ref().map_or(String::new(), |who| format!("{who}: "));
    format!(
        "{} {} {place}{}: {subject}{}",
        finding.rule, resource.kind, resource.name, finding.message
    )
}

/// A label, and a text that continues below itself. It may come from outside.
fn line(label: &str, text: &str) {
    const LABEL: usize = 8;
    let width = usize::from(console::Term::stdout().size().1).clamp(60, 100) - LABEL - 3;
    let mut label = label;
    for row in wrapped(&visible(text), width) {
        println!("  {} {row}", style(format!("{label:LABEL$}")).dim());
        label = "";
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match rows.last_mut() {
            Some(row) if console::measure_text_width(row) + word.len() < width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

/// What to type in another terminal.
pub fn what_next(place: &Place, verdicts: &Verdicts, operator: &Operator) {
    heading("In another terminal");
    if let Some(plane) = &place.plane {
        command("", &format!("export KUBECONFIG={}", plane.kubeconfig("admin").display()));
    }
    command("watch the verdicts", "kubectl get controls -w");
    command("read one of them", &format!("kubectl describe control {}", example(verdicts)));
    if place.has_samples() {
        for trial in FIXES.iter().filter(|trial| verdicts.is_failing(trial.control)) {
            command(&format!("fix {}: {}", trial.control, trial.what), trial.command);
        }
        for trial in BREAKS.iter().filter(|trial| !verdicts.is_failing(trial.control)) {
            command(&format!("break {}: {}", trial.control, trial.what), trial.command);
        }
    }
    let metrics = format!("curl -s {}/metrics | grep comptroller_control_state", operator.url());
    command("read the metrics", &metrics);
    if place.plane.is_none() {
        heading("To remove what was installed");
        println!("  kubectl delete -k config/soc2");
        println!("  kubectl delete -k crds");
        if place.has_samples() {
            println!("  kubectl delete -R -f {} --ignore-not-found", crate::company::FOLDER);
        }
    }
    println!("\nThe operator runs until you press Ctrl-C{}.", match place.plane {
        Some(_) => ", which also ends the control plane",
        None => "; what it installed stays",
    });
}

fn example(verdicts: &Verdicts) -> String {
    let worst = verdicts.worst_failing();
    worst.map_or_else(|| "NAME".to_owned(), |(control, _)| control.name_any())
}

fn command(comment: &str, line: &str) {
    if !comment.is_empty() {
        println!("\n  {}", style(format!("# {comment}")).dim());
    }
    println!("  {line}");
}
