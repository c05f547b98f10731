//! The registers: what vouches for each over the period. Their items are in the other formats.

use super::{
    OscalContext,
    model::{Method, Observation},
    texts::{plain, properties, title},
};
use crate::period::model::RegisterReport;

pub(super) fn all(context: &OscalContext<'_>) -> Vec<Observation> {
    context.report.registers.iter().map(|register| observation(context, register)).collect()
}

fn observation(context: &OscalContext<'_>, register: &RegisterReport) -> Observation {
    let basis = &register.basis;
    let ends = [(&basis.at_start, "at the start"), (&basis.at_end, "at the end")];
    let evidence = ends.iter().filter_map(|(end, when)| {
        let one = end.as_ref()?;
        let what = format!("{} items of the register {when}, digest {}", one.total, one.digest);
        Some(context.entry_links.evidence(one.entry, &what))
    });
    let count = |end: &Option<comptroller_evidence::fold::register_windows::RegisterVoucher>| {
        end.as_ref().map(|one| one.total.to_string()).unwrap_or_default()
    };
    let population = register.population.map(|count| count.to_string()).unwrap_or_default();
    let mut description = format!(
        "A population that is kept whole over time. Within the period {} items came, {} went and {} changed, in {} entries.",
        basis.came, basis.went, basis.changed, basis.entries
    );
    let unknown = register.unknown().len();
    if unknown > 0 {
        let times = format!(
            " It was not known, or not all of it, at {unknown} times, so that what came and went then may be missing."
        );
        description.push_str(&times);
    }
    Observation {
        uuid: context.ids.id_of(&["observation", "register", &register.name]),
        title: title(&format!("Register {}", register.name)),
        description: plain(&description),
        props: properties([
            ("register", register.name.as_str().into()),
            ("items-at-start", count(&basis.at_start).into()),
            ("items-at-end", count(&basis.at_end).into()),
            ("items-at-some-time", population.into()),
            ("items-that-came", basis.came.to_string().into()),
            ("items-that-went", basis.went.to_string().into()),
            ("entries-digest", basis.entries_digest.as_str().into()),
        ]),
        methods: [Method::Examine],
        types: Vec::new(),
        origins: context.origin(),
        subjects: context.subject(),
        relevant_evidence: evidence.collect(),
        collected: basis.at_end.as_ref().map_or(context.bounds().1, |end| end.at),
    }
}
