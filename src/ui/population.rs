//! The list of what a control judged, from the text that lies beside the log. Pure.

use super::history::NamedList;
use comptroller_pages::{PopulationItem, PopulationView};
use comptroller_vocabulary::ResourceRef;

/// The most items of a list that is read for a page.
pub const MOST: u64 = 50_000;

/// A list as a page shows it. The log's reader has checked it against its digest.
pub fn view(named: &NamedList, text: &[u8]) -> PopulationView {
    let text = String::from_utf8_lossy(text);
    PopulationView {
        at: named.at,
        entry: named.entry,
        digest: named.list.digest.clone(),
        items: text.lines().filter(|line| !line.is_empty()).map(item).collect(),
    }
}

/// `apiVersion`, `kind`, `namespace`, `name` and in newer lists `uid`, parted by tabs.
fn item(line: &str) -> PopulationItem {
    let mut fields = line.split('\t').map(str::to_owned);
    let mut field = || fields.next().unwrap_or_default();
    let (api_version, kind, namespace, name, uid) = (field(), field(), field(), field(), field());
    let some = |text: String| (!text.is_empty()).then_some(text);
    PopulationItem {
        resource: ResourceRef { api_version, kind, namespace: some(namespace), name },
        uid: some(uid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_evidence::{data::PopulationList, population::line};

    #[test]
    fn lines_of_every_version_are_read() {
        let resource = ResourceRef {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: Some("prod".to_owned()),
            name: "<b>web</b>".to_owned(),
        };
        let list = PopulationList { digest: "sha256:00".to_owned(), count: 2 };
        let named = NamedList { at: jiff::Timestamp::UNIX_EPOCH, entry: 7, list };
        let text = format!("{}\nv1\tNamespace\t\tprod\n", line(&resource, Some("u1"), Some("f")));
        let view = view(&named, text.as_bytes());
        assert_eq!(view.items.len(), 2);
        assert_eq!(view.items[0], PopulationItem { resource, uid: Some("u1".to_owned()) });
        assert_eq!(view.items[1].resource.namespace, None);
        assert_eq!((view.items[1].uid.as_deref(), view.entry), (None, 7));
    }
}
