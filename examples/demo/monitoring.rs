//! A Prometheus with the shipped rules beside the operator, where there is one in PATH.

use std::{env, fs, path::PathBuf, time::Duration};

use comptroller_report::visible;
use serde_json::{Value, json};

use crate::{
    Result,
    controlplane::{port::Port, process::Process, wait},
    http,
    operator::Operator,
    place::Place,
    steps::{Step, Steps},
};

/// The rules, from the top of the repository.
const RULES: &str = "config/monitoring/prometheusrule.yaml";

/// How long it may take to start, and then until an alert fires; a few seconds are usual.
const LIMIT: Duration = Duration::from_secs(45);

/// The running Prometheus; dropping it ends it.
pub struct Monitoring {
    /// Where it shows the alerts.
    pub url: String,
    /// An alert that fires, in words.
    pub alert: String,
    _process: Process,
    _port: Port,
}

/// Where the alerts may be shown: Debian leaves the newer pages out, and releases since 3.0 the older ones.
const PAGES: [&str; 3] = ["/alerts", "/classic/alerts", "/api/v1/alerts"];

/// Starts it and waits for an alert to fire. None if there is none, or none that works: the demo is of
/// the operator, and goes on.
pub async fn start(
    place: &Place,
    operator: &Operator,
    steps: &Steps,
) -> Result<Option<Monitoring>> {
    steps
        .step("alerts", async |step| {
            let Some(binary) = binary() else {
                step.say("no prometheus in PATH, so none is shown (apt-get install prometheus)");
                return Ok(None);
            };
            match run(place, operator, binary, step).await {
                Ok(monitoring) => Ok(Some(monitoring)),
                Err(error) => {
                    step.say(format!("none is shown: {error}"));
                    Ok(None)
                }
            }
        })
        .await
}

fn binary() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("prometheus")).find(|at| at.is_file())
}

async fn run(
    place: &Place,
    operator: &Operator,
    binary: PathBuf,
    step: &Step,
) -> Result<Monitoring> {
    let folder = place.folder.join("prometheus");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("rules.yaml"), rules()?.to_string())?;
    let target = format!("127.0.0.1:{}", operator.port());
    fs::write(folder.join("config.yaml"), config(&target).to_string())?;
    let port = Port::reserve()?;
    let arguments = [
        format!("--config.file={}", folder.join("config.yaml").display()),
        format!("--storage.tsdb.path={}", folder.join("data").display()),
        format!("--web.listen-address=127.0.0.1:{}", port.number()),
    ];
    let log = place.folder.join("logs/prometheus.log");
    let mut process = Process::start("prometheus", &binary, &arguments, log)?;
    step.say(format!("prometheus at 127.0.0.1:{} waits for a scrape", port.number()));
    let alert = wait::until("an alert fires in prometheus", LIMIT, async || {
        if let Err(error) = process.check() {
            return Some(Err(error));
        }
        firing(port.number()).await.map(Ok)
    });
    let (count, alert) = alert.await??;
    let url = page(port.number()).await.ok_or("it shows no alerts")?;
    step.say(format!("{count} firing, {url}"));
    Ok(Monitoring { url, alert, _process: process, _port: port })
}

/// The shipped groups. Who watches a demo does not wait for minutes: an alert fires as soon as what it is
/// about is true.
fn rules() -> Result<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(RULES);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let rule: Value = yaml_serde::from_str(&text)?;
    let mut groups = rule["spec"]["groups"].clone();
    for group in groups.as_array_mut().into_iter().flatten() {
        for rule in group["rules"].as_array_mut().into_iter().flatten() {
            if let Some(rule) = rule.as_object_mut() {
                rule.remove("for");
                rule.remove("keep_firing_for");
            }
        }
    }
    Ok(json!({"groups": groups}))
}

fn config(target: &str) -> Value {
    json!({
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{
            "job_name": "comptroller",
            "static_configs": [{
                "targets": [target],
                "labels": {"cluster": "demo", "namespace": "comptroller-system"},
            }],
        }],
    })
}

async fn page(port: u16) -> Option<String> {
    for page in PAGES {
        if http::get(port, page).await.is_ok_and(|(status, _)| status == 200) {
            return Some(format!("http://127.0.0.1:{port}{page}"));
        }
    }
    None
}

/// How many alerts fire, and the first about a control that fails, the most severe before others. None
/// while there is no such alert: it is what the table shows.
async fn firing(port: u16) -> Option<(usize, String)> {
    let (_, body) = http::get(port, "/api/v1/alerts").await.ok()?;
    let answer: Value = serde_json::from_str(&body).ok()?;
    let alerts = answer["data"]["alerts"].as_array()?;
    let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
    let failing = firing.clone().filter(|alert| alert["labels"]["control"].is_string());
    let severity = |alert: &&Value| match alert["labels"]["severity"].as_str() {
        Some("critical") => 0,
        Some("warning") => 1,
        _ => 2,
    };
    let worst = failing.min_by_key(severity)?;
    let label = |name: &str| visible(worst["labels"][name].as_str().unwrap_or_default());
    let words = format!(
        "{} ({}), control {}, owner {}",
        label("alertname"),
        label("severity"),
        label("control"),
        label("owner"),
    );
    Some((firing.count(), words))
}
