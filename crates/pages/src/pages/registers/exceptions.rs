//! The register of exceptions.

use comptroller_core::api::ControlException;

use super::{Register, known, page_of};
use crate::pages::parts;

pub const REGISTER: Register = Register {
    name: "exceptions",
    title: "Exceptions",
    what: "Every exception that was asked for, the newest first, whatever became of it.",
    count: |request| known(&request.site.exceptions),
    rows: |request, number| {
        let source = &request.site.exceptions;
        let mut all: Vec<&ControlException> = source.items.iter().map(|one| &**one).collect();
        all.sort_by_key(|one| {
            (std::cmp::Reverse(parts::created(&one.metadata)), one.metadata.name.as_deref())
        });
        page_of(request, source, &all, number, |rows| {
            parts::exceptions(request, "Exceptions", rows)
        })
    },
    record: None,
};
