//! The controls in the order in which they need attention, with what can be believed of their statuses.

use std::{cmp::Reverse, collections::BTreeMap};

use comptroller_core::api::{Control, ControlStatus, Severity, Standing, State, TestKind};
use comptroller_report::gap::AssessedControl;
use jiff::Timestamp;

use crate::model::Site;

/// A control with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct KnownControl<'s> {
    /// Its name.
    pub name: &'s str,
    /// The object.
    pub control: &'s Control,
    /// What can be believed of its status.
    pub standing: Standing,
}

impl<'s> KnownControl<'s> {
    /// The state that can be claimed.
    pub fn state(&self) -> State {
        self.standing.state()
    }

    /// Its status; None before the first evaluation.
    pub fn status(&self) -> Option<&'s ControlStatus> {
        self.control.status.as_ref()
    }

    /// How serious it is when it fails.
    pub fn severity(&self) -> Severity {
        self.control.spec.severity
    }

    /// Why it is in its state, in one CamelCase word.
    pub fn reason(&self) -> &'s str {
        self.standing.reason(self.status())
    }

    /// Since when it is in that state; None where that is not known, or the status can't be believed.
    pub fn since(&self) -> Option<Timestamp> {
        match self.standing {
            Standing::Known(_) => self.status()?.since.as_ref().map(|since| since.0),
            Standing::Stale(_, last) => Some(last),
            Standing::NotEvaluated | Standing::OtherSpec(_) => None,
        }
    }

    /// Whether people attest it.
    pub fn is_attested(&self) -> bool {
        self.control.spec.test.kind() == Ok(TestKind::Attestation)
    }

    /// What the readiness takes of it.
    pub fn assessed(&self) -> AssessedControl {
        let criteria = self.control.spec.criteria.iter();
        AssessedControl {
            name: self.name.to_owned(),
            criteria: criteria.map(|criterion| criterion.as_str().to_owned()).collect(),
            attested: self.is_attested(),
            state: Some(self.state()),
            reason: self.reason().to_owned(),
        }
    }
}

/// The controls of a site.
#[derive(Debug)]
pub struct KnownControls<'s> {
    /// All of them: what fails first, by severity, then what is unknown, then the rest; each by name.
    pub all: Vec<KnownControl<'s>>,
    by_name: BTreeMap<&'s str, usize>,
}

impl<'s> KnownControls<'s> {
    /// The controls of a site, in the order in which they need attention.
    pub fn of(site: &'s Site) -> Self {
        let mut all: Vec<KnownControl<'s>> = site
            .controls
            .items
            .iter()
            .filter_map(|control| {
                let name = control.metadata.name.as_deref()?;
                Some(KnownControl { name, control, standing: Standing::of(control, site.now) })
            })
            .collect();
        all.sort_by_key(|one| (urgency(one.state()), Reverse(one.severity()), one.name));
        let by_name = all.iter().enumerate().map(|(place, one)| (one.name, place)).collect();
        Self { all, by_name }
    }

    /// A control; None if there is none of the name, or it could not be read.
    pub fn get(&self, name: &str) -> Option<&KnownControl<'s>> {
        self.all.get(*self.by_name.get(name)?)
    }

    /// How many are in a state.
    pub fn count(&self, state: State) -> usize {
        self.all.iter().filter(|one| one.state() == state).count()
    }
}

/// The order in which states need attention.
pub fn urgency(state: State) -> u8 {
    match state {
        State::Failing => 0,
        State::Unknown => 1,
        State::Excepted => 2,
        State::Passing => 3,
        State::NotApplicable => 4,
    }
}
