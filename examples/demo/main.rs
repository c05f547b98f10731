//! The demo: the operator on a sample company, on a Kubernetes control plane that it starts itself.
//!
//! `make demo` runs it until Ctrl-C, with a Prometheus and the shipped alerts if one is in PATH. `ONCE=1` stops after the table; the exit code then says
//! whether every control has a verdict and the sample company's known mistakes were found.
//! `CLUSTER=1` uses the cluster that KUBECONFIG names instead: it installs the definitions and the
//! controls there, with `SAMPLES=1` the sample company too, and leaves them.

#[path = "../../tests/controlplane/mod.rs"]
mod controlplane;

mod company;
mod documents;
mod guide;
mod http;
mod kubectl;
mod monitoring;
mod operator;
mod place;
mod settings;
mod steps;
mod verdicts;

use std::{error::Error, process::ExitCode};

use self::{settings::Settings, steps::Steps};

/// What ends the demo early; the text says what to do.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::from_env();
    let result = tokio::select! {
        result = run(settings) => result,
        stopped = steps::stop_requested() => stopped.and_then(|()| interrupted(settings)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<()> {
    let steps = Steps::new();
    let binary = operator::binary()?;
    // Dropped in reverse order: the operator ends before the API server that it talks to.
    let place = place::prepare(settings, &steps).await?;
    let mut operator = operator::start(&place, &binary, &steps).await?;
    place::install_controls(&place, &steps).await?;
    let verdicts = steps
        .step("verdicts", async |step| verdicts::wait(&place, &mut operator, step).await)
        .await?;

    // Dropped before the operator that it scrapes.
    let monitoring = monitoring::start(&place, &operator, &steps).await?;

    guide::table(&place).await?;
    let sound = verdicts.check(place.has_samples());
    if settings.once {
        return sound;
    }
    if let Err(error) = sound {
        eprintln!("demo: {error}");
    }
    guide::failing_control(&verdicts);
    guide::doors(&place, &operator, monitoring.as_ref(), &binary).await;
    guide::what_next(&place, &verdicts, &operator, &binary);
    operator.outlives_us().await
}

/// Ctrl-C is how the demo ends, unless somebody waits for its table.
fn interrupted(settings: Settings) -> Result<()> {
    if settings.once { Err("stopped before the table was printed".into()) } else { Ok(()) }
}
