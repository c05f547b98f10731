//! What the operator says of the controls.

use std::time::Duration;

use comptroller_core::api::{Control, ControlStatus, State};
use kube::{Api, ResourceExt, api::ListParams};

use crate::{Result, company, controlplane::wait, operator::Operator, place::Place, steps::Step};

/// How long all verdicts together may take; a second or two is usual.
const LIMIT: Duration = Duration::from_secs(90);

/// The controls as they were last read.
#[derive(Default)]
pub struct Verdicts {
    controls: Vec<Control>,
}

/// Waits until every control has a verdict and, with the sample company, its mistakes are found.
/// What is missing at the deadline is not an error here: the table shows it, `check` tells it.
pub async fn wait(place: &Place, operator: &mut Operator, step: &Step) -> Result<Verdicts> {
    let api = Api::<Control>::all(place.client.clone());
    let mut verdicts = Verdicts::default();
    let settled = wait::until("every control has a verdict", LIMIT, async || {
        if operator.check().is_err() {
            return Some(());
        }
        verdicts.controls = api.list(&ListParams::default()).await.ok()?.items;
        step.say(verdicts.progress());
        verdicts.check(place.has_samples()).is_ok().then_some(())
    })
    .await;
    operator.check()?;
    if settled.is_err() {
        step.say(format!("{}, after {} s", verdicts.progress(), LIMIT.as_secs()));
    }
    Ok(verdicts)
}

impl Verdicts {
    /// Whether every control has a verdict, and those of the sample company's mistakes fail.
    pub fn check(&self, samples: bool) -> Result<()> {
        if self.controls.is_empty() {
            return Err("the cluster has no controls".into());
        }
        let silent: Vec<String> = self
            .controls
            .iter()
            .filter(|control| verdict(control).is_none())
            .map(ResourceExt::name_any)
            .collect();
        if !silent.is_empty() {
            return Err(format!("no verdict for {}", silent.join(", ")).into());
        }
        if !samples {
            return Ok(());
        }
        let missed: Vec<&str> = company::EXPECTED_FAILING
            .iter()
            .copied()
            .filter(|name| self.failing(name).is_none())
            .collect();
        if missed.is_empty() {
            return Ok(());
        }
        let missed = missed.join(", ");
        Err(format!("the sample company's mistakes are not found: {missed} must fail").into())
    }

    /// The worst failing control, and among equals the one with the fewest findings: short to tell.
    pub fn worst_failing(&self) -> Option<(&Control, &ControlStatus)> {
        self.controls
            .iter()
            .filter_map(|control| Some((control, verdict(control)?)))
            .filter(|(_, status)| status.state == State::Failing)
            .min_by_key(|(control, status)| {
                (std::cmp::Reverse(control.spec.severity), status.failing, control.name_any())
            })
    }

    /// A control, if it is failing.
    pub fn failing(&self, name: &str) -> Option<(&Control, &ControlStatus)> {
        let control = self.controls.iter().find(|control| control.name_any() == name)?;
        let status = verdict(control).filter(|status| status.state == State::Failing)?;
        Some((control, status))
    }

    fn progress(&self) -> String {
        let judged: Vec<_> = self.controls.iter().filter_map(verdict).collect();
        let failing = judged.iter().filter(|status| status.state == State::Failing).count();
        format!("{} of {} controls, {failing} failing", judged.len(), self.controls.len())
    }
}

/// The status of a control that was evaluated as it is written now.
fn verdict(control: &Control) -> Option<&ControlStatus> {
    let status = control.status.as_ref()?;
    let current = Some(status.observed_generation) == control.metadata.generation;
    (current && status.last_evaluated.is_some()).then_some(status)
}
