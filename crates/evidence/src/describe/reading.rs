//! What was read of the cluster, by whom, and when nobody could, in words.

use jiff::Timestamp;

use super::{Description, Detail, Earlier, Provenance, counted, cut};
use crate::{
    data::{GapCause, GapData, OperatorData, OperatorEvent},
    entry::{Data, Entry},
    inventory::{InventoryData, KindInventory, Reading},
};

pub(super) fn operator(instance: &str, data: &OperatorData) -> Description {
    let says = match data.event {
        OperatorEvent::Started => {
            format!(
                "The operator {instance} began to write this log, as the only writer of its epoch"
            )
        }
        OperatorEvent::Stopped => {
            format!("The operator {instance} stopped in order, having recorded all that it knew")
        }
        OperatorEvent::ClockDiffers => format!(
            "The clock of the operator {instance} and the API server's differ by more than a minute: nothing is claimed"
        ),
        OperatorEvent::ClockAgrees => {
            format!("The clock of the operator {instance} and the API server's agree again")
        }
        OperatorEvent::KeyRotated => {
            "The log is signed with another key from the next entry on".to_owned()
        }
        OperatorEvent::LogDiscontinued => {
            "A witness saw another log of this name, or more of this one".to_owned()
        }
    };
    let published = data.published.as_ref().map(|published| {
        match (&published.checkpoint, published.continues) {
            (None, _) => "nothing was published of the log before".to_owned(),
            (Some(checkpoint), true) => {
                format!("it continues what was published: {}", cut(checkpoint))
            }
            (Some(checkpoint), false) => {
                format!("it does NOT continue what was published: {}", cut(checkpoint))
            }
        }
    });
    let flags = Some(data.flags.join(" ")).filter(|flags| !flags.is_empty());
    let rotation = data.rotation.as_ref();
    Description::new(says)
        .known("detail", data.detail.as_ref())
        .detail("version", &data.version)
        .known("image", data.image.as_ref())
        .known("node", data.node.as_ref())
        .known("user", data.user.as_ref())
        .known("flags", flags)
        .known("published", published)
        .known("key until then", rotation.map(|rotation| &rotation.from))
        .known("key from then", rotation.map(|rotation| &rotation.to))
}

pub(super) fn gap(about: &str, data: &GapData) -> Description {
    let time = (data.to.as_second() - data.from.as_second()).max(0);
    let says = format!(
        "Nothing vouches for {about} between {} and {}, {}: {}",
        data.from,
        data.to,
        counted(time.unsigned_abs(), "second"),
        data.reason
    );
    let cause = data.cause.map_or("not recorded, by an older version", |cause| match cause {
        GapCause::Stopped => "the operator was stopped in order, and no other ran",
        GapCause::Crashed => "the operator ended without a word, or lost its node",
        GapCause::Paused => "the process did not run",
        GapCause::LeadershipLost => "no replica led",
        GapCause::ApiServerUnreachable => "the API server did not answer",
        GapCause::InputsUnreadable => "what is judged could not be listed or watched",
        GapCause::LogUnwritable => "the log could not be written",
        GapCause::ClockDiffers => "the operator's clock and the API server's differed",
        GapCause::NoControl => "there was no control of the name",
        GapCause::Suspended => "the control was suspended",
        GapCause::AuditStreamInterrupted => "audit events of the API server did not arrive",
        GapCause::NotObserved => "no entry was written when one was due",
    });
    Description::new(says).detail("cause", &cause)
}

pub(super) fn inventory(data: &InventoryData) -> Description {
    let objects = data.kinds.iter().map(|kind| kind.count).sum();
    let says = format!(
        "The operator {} had read {} of {} of the cluster: {}",
        data.collector,
        counted(objects, "object"),
        counted(data.kinds.len() as u64, "kind"),
        completeness(data)
    );
    let not_whole: Vec<&KindInventory> =
        data.kinds.iter().filter(|kind| kind.reading != Reading::Complete).collect();
    let whole: Vec<&KindInventory> =
        data.kinds.iter().filter(|kind| kind.reading == Reading::Complete).collect();
    Description::new(says)
        .known("Kubernetes", data.kubernetes.as_ref())
        .detail(
            "types",
            &format!("what the cluster served is in {} beside the log", data.catalog.digest),
        )
        .list("kinds that were not known whole", &not_whole, |kind| kind_row(kind))
        .list("kinds that were listed whole", &whole, |kind| kind_row(kind))
}

fn kind_row(kind: &KindInventory) -> String {
    let mut row = format!("{} {}: ", kind.api_version, kind.kind);
    row.push_str(read(kind.reading));
    row.push_str(", ");
    row.push_str(&counted(kind.count, "object"));
    if let Some(version) = &kind.resource_version {
        row.push_str(", list at resourceVersion ");
        row.push_str(version);
    }
    if let Some(at) = kind.listed_at {
        row.push_str(" complete at ");
        row.push_str(&at.to_string());
    }
    if let Some(list) = &kind.list {
        row.push_str(", facts in ");
        row.push_str(&list.digest);
    }
    if !kind.reason.is_empty() {
        row.push_str(": ");
        row.push_str(&cut(&kind.reason));
    }
    row
}

/// Whether all objects of a kind were known.
pub(super) fn read(reading: Reading) -> &'static str {
    match reading {
        Reading::Complete => "the collector may list and watch all of them",
        Reading::NotServed => "the API server does not serve it",
        Reading::Forbidden => "the collector may not list or watch all of them",
        Reading::Untaken => "an object of it could not be read",
        Reading::Stale => "changes had stopped arriving",
        Reading::Pending => "the first list was under way",
        Reading::NotRead => "nothing asked for it, so it was not read",
    }
}

/// How much of what was to be read was read.
fn completeness(data: &InventoryData) -> String {
    let served: Vec<_> =
        data.kinds.iter().filter(|kind| kind.reading != Reading::NotServed).collect();
    let whole = served.iter().filter(|kind| kind.reading == Reading::Complete).count();
    let (whole, served) = (whole, served.len());
    if served == 0 {
        "no kind of them is served".to_owned()
    } else if whole == served {
        let kinds = counted(served as u64, "kind");
        format!("all objects of what is served, {kinds}, which the collector may list")
    } else {
        format!(
            "all objects of {whole} of {served} kinds that are served, which the collector may list, and of the others not"
        )
    }
}

/// What an entry rests on, by earlier ones.
pub(super) fn basis(entry: &Entry, provenance: &Provenance) -> Vec<Detail> {
    let mut basis = Vec::new();
    let writer = match &provenance.writer {
        Some(Earlier { entry, at, data }) => {
            let user = data.user.as_ref().map_or(String::new(), |user| format!(" as {user}"));
            let image =
                data.image.as_ref().map_or(String::new(), |image| format!(", image {image}"));
            format!("version {}{user}{image}, started at {at} (entry {entry})", data.version)
        }
        None => {
            format!("not known: no start of an operator is recorded under epoch {}", entry.epoch)
        }
    };
    basis.push(Detail { label: "written by", text: writer });
    if !rests_on_an_inventory(&entry.data) {
        return basis;
    }
    let read = match &provenance.inventory {
        Some(Earlier { entry, at, data }) => format!(
            "by {}, as the newest inventory before it says (entry {entry}, of {at}): {}; that entry has the resourceVersion of each list",
            data.collector,
            completeness(data)
        ),
        None => "not recorded: the log has no inventory before this entry".to_owned(),
    };
    basis.push(Detail { label: "read", text: read });
    basis
}

/// Whether an entry says what was judged in the cluster, of which the newest inventory before it says how it
/// was read.
pub fn rests_on_an_inventory(data: &Data) -> bool {
    match data {
        Data::Verdict(_) | Data::Heartbeat(_) => true,
        Data::ControlChanged(_)
        | Data::Exception(_)
        | Data::Attestation(_)
        | Data::Operator(_)
        | Data::Gap(_)
        | Data::Inventory(_)
        | Data::Register(_)
        | Data::Usage(_)
        | Data::Object(..)
        | Data::Stored(..)
        | Data::Other(..) => false,
    }
}

/// What the clocks said when an entry was written.
pub fn times(entry: &Entry) -> Vec<Detail> {
    let Entry { at, clock, epoch, .. } = entry;
    let server = match clock.server {
        Some(server) => format!("{server}{}", difference(server, *at)),
        None => "not known: the API server had not answered of late, or an older version wrote the entry"
            .to_owned(),
    };
    let operator = match clock.operator {
        Some(operator) => format!("{operator}{}", difference(operator, *at)),
        None => "the same as the entry's".to_owned(),
    };
    vec![
        Detail { label: "observed", text: format!("{at}, the time that orders the log") },
        Detail { label: "API server", text: server },
        Detail { label: "operator", text: operator },
        Detail {
            label: "epoch",
            text: format!("{epoch}, the number of the leadership that wrote it"),
        },
    ]
}

fn difference(time: Timestamp, at: Timestamp) -> String {
    match time.as_second() - at.as_second() {
        0 => String::new(),
        seconds if seconds > 0 => {
            format!(", {} after it", counted(seconds.unsigned_abs(), "second"))
        }
        seconds => format!(", {} before it", counted(seconds.unsigned_abs(), "second")),
    }
}
