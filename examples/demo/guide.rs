//! What the reader sees and what to try next.

use std::path::Path;

use comptroller_core::api::{Control, ControlStatus, StatusFinding};
use comptroller_report::visible;
use console::style;
use jiff::{Timestamp, tz::TimeZone};
use kube::ResourceExt;

use crate::{
    Result,
    monitoring::Monitoring,
    operator::{self, Operator},
    place::Place,
    steps::heading,
    verdicts::Verdicts,
};

/// How many findings of a control are told.
const FINDINGS: usize = 3;

/// Something to try in the sample company: which control it moves, and how.
struct Trial {
    control: &'static str,
    what: &'static str,
    command: &'static str,
}

const FIXES: &[Trial] = &[
    Trial {
        control: "no-standing-cluster-admin",
        what: "the pipeline needs no cluster-admin",
        command: "kubectl delete clusterrolebinding ci-deployer",
    },
    Trial {
        control: "changes-go-through-delivery",
        what: "last year's hotfix is done",
        command: "kubectl delete rolebinding -n payments-prod jane-hotfix",
    },
    Trial {
        control: "ingress-has-tls",
        what: "no feed in plain text",
        command: "kubectl delete ingress -n storefront-prod partner-feed",
    },
];

const BREAKS: &[Trial] = &[
    Trial {
        control: "no-anonymous-access",
        what: "anybody may read",
        command: "kubectl create clusterrolebinding oops --clusterrole=view --group=system:unauthenticated",
    },
    Trial {
        control: "production-is-redundant",
        what: "a service hangs on one pod",
        command: "kubectl scale deployment -n payments-prod payments-worker --replicas=1",
    },
];

/// The table, as kubectl prints it.
pub async fn table(place: &Place) -> Result<()> {
    heading("$ kubectl get controls");
    print!("{}", place.kubectl.run(&["get", "controls"]).await?);
    Ok(())
}

/// One failing control in detail.
pub fn failing_control(verdicts: &Verdicts) {
    let Some((control, status)) = example(verdicts) else {
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

fn sentence(finding: &StatusFinding) -> String {
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

/// What to open in a browser: the pages, the metrics, and the alerts.
pub async fn doors(
    place: &Place,
    operator: &Operator,
    monitoring: Option<&Monitoring>,
    binary: &Path,
) {
    heading("In a browser");
    if let Some(pages) = operator.pages().await {
        command("the operator's pages: what fails and since when, and what is due", &pages);
        let ui =
            format!("{} ui --evidence {}", binary.display(), operator::evidence(place).display());
        command(
            "the same with your own rights, in another terminal (set KUBECONFIG as below)",
            &ui,
        );
    }
    command("the metrics", &format!("{}/metrics", operator.url()));
    if let Some(monitoring) = monitoring {
        command(&format!("firing: {}", monitoring.alert), &monitoring.url);
    }
}

/// What to type in another terminal.
pub fn what_next(place: &Place, verdicts: &Verdicts, operator: &Operator, binary: &Path) {
    heading("In another terminal");
    let kubeconfig = place.plane.as_ref().map(|plane| plane.kubeconfig("admin").into_os_string());
    if let Some(kubeconfig) = kubeconfig.or_else(|| std::env::var_os("KUBECONFIG")) {
        println!("  export KUBECONFIG={}", kubeconfig.display());
    }
    command("watch the verdicts", "kubectl get controls -w");
    if let Some((control, _)) = example(verdicts) {
        command("read one of them", &format!("kubectl describe control {}", control.name_any()));
    }
    if place.has_samples() {
        for trial in FIXES.iter().filter(|trial| verdicts.failing(trial.control).is_some()) {
            command(&format!("fix {}: {}", trial.control, trial.what), trial.command);
        }
        for trial in BREAKS.iter().filter(|trial| verdicts.failing(trial.control).is_none()) {
            command(&format!("break {}: {}", trial.control, trial.what), trial.command);
        }
    }
    let metrics = format!("curl -s {}/metrics | grep comptroller_control_state", operator.url());
    command("read the metrics", &metrics);
    let log = operator::evidence(place);
    command(
        "check that the record of all this is whole",
        &format!("{} evidence verify {}", binary.display(), log.display()),
    );
    if place.has_samples() {
        moment(binary, &log);
    }
    if place.plane.is_none() {
        heading("To remove what was installed");
        println!("  kubectl delete -k config/samples/pack");
        println!("  kubectl delete -k crds");
        if place.has_samples() {
            println!("  kubectl delete -R -f {} --ignore-not-found", crate::company::FOLDER);
        }
    }
    println!(
        "\nThe operator runs until you press Ctrl-C{}.",
        match place.plane {
            Some(_) => ", which also ends the control plane",
            None => "; what it installed stays",
        }
    );
}

/// A right that nobody has any more by the time that anybody looks: the register has it all the same.
fn moment(binary: &Path, log: &Path) {
    let subject = "-n payments-prod --clusterrole=edit --user=sam@acme";
    command(
        "give a right for a moment, which is in no list of the day",
        &format!(
            "kubectl create rolebinding moment {subject}; kubectl delete rolebinding -n payments-prod moment"
        ),
    );
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let tomorrow = today.tomorrow().unwrap_or(today);
    let window = format!("grants --evidence {} --from {today} --to {tomorrow}", log.display());
    command(
        "find it in the register of the day, by whom it was held and from when to when",
        &format!("{} register {window}", binary.display()),
    );
}

/// The control to look at first: one that the reader can fix at once, if there is one.
fn example(verdicts: &Verdicts) -> Option<(&Control, &ControlStatus)> {
    let fixable = FIXES.iter().find_map(|trial| verdicts.failing(trial.control));
    fixable.or_else(|| verdicts.worst_failing())
}

fn command(comment: &str, line: &str) {
    println!("\n  {}\n  {line}", style(format!("# {comment}")).dim());
}
