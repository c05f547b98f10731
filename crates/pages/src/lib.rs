//! The pages: what a cluster's controls say, for people with a browser.
//!
//! Whoever serves them fills a [`Site`] with what it may read and asks [`respond`] for a [`Page`]. All
//! of it is pure: a page depends on the site, the path and the query alone. The operator and the command
//! `comptroller ui` serve the same pages.
//!
//! Nothing on a page needs a script. Every page links one stylesheet and only other pages, so that
//! [`SECURITY_HEADERS`] can forbid the rest. Text from outside is hostile: it is escaped, and what is
//! hidden in it is written out.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "a test may write the pages to look at")
)]

mod html;
mod model;
mod page;
mod pages;
mod sign_in;
mod site;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use self::{
    model::{
        ControlHistory, Input, ListedPopulation, LogFold, LogGap, LogOperator, LogView,
        PopulationItem, ReadPopulation, ServedBy, Site, Source, TimelineEvent, TimelineFact,
        Verification, VouchedBy, Witnesses,
    },
    page::{
        Page, Problem, SECURITY_HEADERS, problem, report_download, respond, shown_control, sign_in,
        stylesheet,
    },
    sign_in::SignIn,
};
