//! The register of controls: each with when it was declared.

use comptroller_core::api::Control;
use maud::html;

use super::{Register, known, page_of};
use crate::{
    html::{
        state,
        table::{short, table, text},
        text::{list, maybe_when, outside},
    },
    pages::parts,
};

pub const REGISTER: Register = Register {
    name: "controls",
    title: "Controls",
    what: "Every control that is declared, the newest first.",
    count: |request| known(&request.site.controls),
    rows: |request, number| {
        let source = &request.site.controls;
        let mut all: Vec<&Control> = source.items.iter().map(|one| &**one).collect();
        all.sort_by_key(|one| {
            (std::cmp::Reverse(parts::created(&one.metadata)), one.metadata.name.as_deref())
        });
        page_of(request, source, &all, number, |rows| {
            let rows = rows.iter().map(|one| {
                let name = one.metadata.name.as_deref().unwrap_or_default();
                vec![
                    html! {
                        @if let Some(known) = request.controls.get(name) { (parts::control_title(known)) }
                    },
                    html! { @if let Some(known) = request.controls.get(name) { (parts::standing(known, request.site.now)) } },
                    state::severity(one.spec.severity),
                    html! {
                        @match one.spec.test.kind() {
                            Ok(kind) => (kind),
                            Err(error) => (outside(&error.to_string())),
                        }
                    },
                    list(
                        one.spec.criteria.iter().map(comptroller_core::api::Criterion::as_str),
                        12,
                    ),
                    outside(&one.spec.owner),
                    maybe_when(parts::created(&one.metadata), request.site.now, "–"),
                ]
            });
            let columns = [
                text("Control"),
                short("State"),
                short("Severity"),
                short("Test"),
                text("Criteria"),
                text("Owner"),
                short("Declared"),
            ];
            table("Controls", &columns, rows.collect())
        })
    },
    record: None,
};
