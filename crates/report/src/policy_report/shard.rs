//! Which rows go into which object.
//!
//! A row goes by a digest of what it is about into one of 2^n objects, with the smallest n at which all
//! of them are small enough. So a new finding changes one object, and not all that follow it.

use std::collections::BTreeMap;

use super::{
    ReportedControl, Withheld,
    row::{Detail, Outcome, Row, rows},
};
use comptroller_vocabulary::Severity;

/// How large reports may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows about one namespace, or about the cluster.
    pub rows: usize,
    /// Rows of one object.
    pub rows_per_object: usize,
    /// The rows of one object as JSON, in bytes. etcd accepts objects of 1.5 MiB, and a character may take
    /// three times as much on its way there.
    pub bytes_per_object: usize,
}

impl Limits {
    /// What every cluster can take: of a namespace 5,000 rows, in objects of 500 and half a MiB.
    pub const DEFAULT: Self =
        Self { rows: 5_000, rows_per_object: 500, bytes_per_object: 512 << 10 };
}

/// No digest has more bits than that count: rows that still share an object are too large for it.
const MAX_OBJECTS: usize = 1 << 10;

/// The rows of one object.
#[derive(Clone, Debug)]
pub struct Shard<'a> {
    /// None: it is an object of the cluster.
    pub namespace: Option<&'a str>,
    /// Which of the objects of its namespace, or of the cluster, it is.
    pub(super) number: usize,
    /// By control, worst first.
    pub(super) rows: Vec<Row<'a>>,
    /// How many rows of this namespace, or of the cluster, are left out.
    pub(super) cut: usize,
    /// How many rows may be kept.
    pub(super) limit: usize,
}

/// All objects that these controls need, in order. Objects without a row are none.
pub fn shards<'a>(
    controls: &'a [ReportedControl<'a>],
    withheld: Option<&Withheld<'a>>,
    limits: Limits,
) -> Vec<Shard<'a>> {
    let mut scopes: BTreeMap<Option<&'a str>, Vec<Row<'a>>> = BTreeMap::new();
    for row in controls.iter().flat_map(|control| rows(control, withheld)) {
        scopes.entry(row.namespace()).or_default().push(row);
    }
    let mut all = Vec::new();
    for (namespace, mut rows) in scopes {
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
        let cut = cut_to(&mut rows, limits.rows);
        all.extend(split(namespace, rows, cut, limits));
    }
    all
}

/// The worst first; rows that say the same are one after another.
fn order<'r>(row: &'r Row<'_>) -> impl Ord + 'r {
    let severity = std::cmp::Reverse(row.severity);
    // What says how much is left out is never left out itself.
    (
        row.unlisted.is_none(),
        row.outcome,
        severity,
        row.control.name,
        &*row.rule,
        row.resource,
        row.subject,
        &*row.message,
    )
}

/// Leaves out the least bad rows; rows of their own say how many of which control. Returns how many.
fn cut_to(rows: &mut Vec<Row<'_>>, limit: usize) -> usize {
    if rows.len() <= limit {
        return 0;
    }
    // Room for what says so: at most one row for each control and outcome, and those of passing controls
    // stand for themselves.
    let mut kept = limit;
    loop {
        let summaries = summaries(rows.get(kept..).unwrap_or_default());
        let fits = kept + summaries.len() <= limit || kept == 0;
        if fits {
            let cut = rows.len() - kept;
            rows.truncate(kept);
            rows.extend(summaries);
            return cut;
        }
        kept = kept.saturating_sub((kept + summaries.len() - limit).max(1));
    }
}

fn summaries<'a>(left_out: &[Row<'a>]) -> Vec<Row<'a>> {
    let mut counts: BTreeMap<(Outcome, &'a str), (&'a ReportedControl<'a>, Severity, usize)> =
        BTreeMap::new();
    for row in left_out {
        let (_, severity, count) =
            counts.entry((row.outcome, row.control.name)).or_insert((row.control, row.severity, 0));
        *severity = (*severity).max(row.severity);
        *count += row.unlisted.unwrap_or(1);
    }
    let counts = counts.into_iter();
    counts
        .map(|((outcome, _), (control, severity, count))| {
            Row::unlisted(control, outcome, severity, count)
        })
        .collect()
}

fn split<'a>(
    namespace: Option<&'a str>,
    rows: Vec<Row<'a>>,
    cut: usize,
    limits: Limits,
) -> Vec<Shard<'a>> {
    let mut sized: Vec<(u64, usize)> = rows.iter().map(|row| (digest(row), size(row))).collect();
    set_apart(&mut sized);
    let mut objects = 1;
    while objects < MAX_OBJECTS && !fits(&sized, objects, limits) {
        objects *= 2;
    }
    let mut shards: BTreeMap<usize, Shard<'a>> = BTreeMap::new();
    for (row, (digest, _)) in rows.into_iter().zip(sized) {
        let number = bucket(digest, objects);
        let new = || Shard { namespace, number, rows: Vec::new(), cut, limit: limits.rows };
        shards.entry(number).or_insert_with(new).rows.push(row);
    }
    shards.into_values().collect()
}

/// Rows that say the same are one after another, and go into different objects all the same: else any
/// number of them would be in one.
fn set_apart(sized: &mut [(u64, usize)]) {
    let (mut last, mut count) = (None, 0_u64);
    for (digest, _) in sized {
        count = if last == Some(*digest) { count + 1 } else { 0 };
        last = Some(*digest);
        *digest = digest.wrapping_add(count);
    }
}

fn fits(sized: &[(u64, usize)], objects: usize, limits: Limits) -> bool {
    let mut used = vec![(0, 0); objects];
    sized.iter().all(|(digest, size)| {
        let Some((rows, bytes)) = used.get_mut(bucket(*digest, objects)) else { return false };
        *rows += 1;
        *bytes += size;
        *rows <= limits.rows_per_object && *bytes <= limits.bytes_per_object
    })
}

/// `objects` is a power of two: when it doubles, half of the rows of an object stay in it.
fn bucket(digest: u64, objects: usize) -> usize {
    usize::try_from(digest & (objects as u64 - 1)).unwrap_or_default()
}

/// What tells rows apart, in 64 bits that are the same in every process (FNV-1a, and its bits mixed).
fn digest(row: &Row<'_>) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    let resource = row.resource.map(|resource| {
        let namespace = resource.namespace.as_deref().unwrap_or_default();
        [&*resource.api_version, &*resource.kind, namespace, &*resource.name]
    });
    let texts = [row.control.name, &*row.rule, row.subject.unwrap_or_default(), &*row.message];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for text in texts.into_iter().chain(resource.into_iter().flatten()) {
        // A byte that no text has ends each.
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    hash ^= hash >> 32;
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

/// The row as JSON, in bytes.
fn size(row: &Row<'_>) -> usize {
    serde_json::to_vec(&row.body(Detail::Full)).map_or(0, |json| json.len() + 1)
}
