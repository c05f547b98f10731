//! Whatever is changed in a log, verification fails and names the place.

use std::{collections::BTreeMap, sync::LazyLock};

use object_store::memory::InMemory;
use proptest::prelude::*;

use super::*;
use crate::{
    data::{OperatorData, OperatorEvent, StoredData},
    entry::{Data, EntrySubject, EntryType},
    key::SigningKey,
    log::LogWriter,
    store::BucketStore,
};
use comptroller_vocabulary::canonical;

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";
const SIZE: u64 = 520;

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

fn entry(number: u64, epoch: u64) -> Entry {
    Entry {
        clock: crate::entry::ClockReading::default(),
        at: Timestamp::from_second(1_800_000_000 + i64::try_from(number).unwrap()).unwrap(),
        epoch,
        subject: EntrySubject::new("Operator", &format!("operator-{number}")),
        data: Data::Operator(Box::new(OperatorData::new(
            OperatorEvent::Started,
            "0.1.0".to_owned(),
        ))),
    }
}

type Objs = BTreeMap<String, Vec<u8>>;

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// A log of these leaves, as its objects.
fn log_of(leaves: &[Vec<u8>]) -> Objs {
    block(async {
        let store: Arc<dyn Store> =
            Arc::new(BucketStore::new("memory", Box::new(InMemory::new()), "".into()));
        let mut log = LogWriter::open(Arc::clone(&store), key(), ORIGIN).await.unwrap();
        log.put_stored(b"beside").await.unwrap();
        log.append(leaves).await.unwrap();
        store.delete("pending").await.unwrap();
        let mut objects = Objs::new();
        for path in store.list("").await.unwrap() {
            let object = store.get(&path).await.unwrap().unwrap();
            objects.insert(path, object.bytes.to_vec());
        }
        objects
    })
}

fn texts(entries: impl IntoIterator<Item = Entry>) -> Vec<Vec<u8>> {
    entries.into_iter().map(|entry| entry.to_text().unwrap().into_bytes()).collect()
}

/// A log with an entry of each kind that matters here.
fn sample() -> Objs {
    static SAMPLE: LazyLock<Objs> = LazyLock::new(|| {
        let mut entries: Vec<Entry> = (0..SIZE).map(|number| entry(number, number / 100)).collect();
        let stored = canonical::sha256(b"beside");
        entries[300].data = Data::Stored(EntryType::Verdict, StoredData { stored, bytes: 6 });
        log_of(&texts(entries))
    });
    SAMPLE.clone()
}

fn verified(objects: &Objs, since: Option<&[u8]>) -> Result<Verified, VerifyError> {
    block(async {
        let store: Arc<dyn Store> =
            Arc::new(BucketStore::new("memory", Box::new(InMemory::new()), "".into()));
        for (path, bytes) in objects {
            store.put_new(path, bytes.clone().into()).await.unwrap();
        }
        verify(store, None, since).await
    })
}

fn fault(objects: &Objs) -> LogFault {
    match verified(objects, None) {
        Err(VerifyError::Bad(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn split(bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        entries.push(rest[2..length + 2].to_vec());
        rest = &rest[length + 2..];
    }
    entries
}

fn join(entries: &[Vec<u8>]) -> Vec<u8> {
    let lengths = entries.iter().map(|entry| u16::try_from(entry.len()).unwrap().to_be_bytes());
    lengths.zip(entries).flat_map(|(length, entry)| [&length, entry.as_slice()].concat()).collect()
}

#[test]
fn a_whole_log_is_verified() {
    let log = verified(&sample(), None).unwrap();
    assert_eq!((log.size, log.epoch, log.stored), (SIZE, 5, 1));
    assert_eq!(log.origin, ORIGIN);
}

#[test]
fn what_is_no_checkpoint_accuses_no_log() {
    let refused = verified(&sample(), Some(b"{}"));
    assert!(matches!(refused, Err(VerifyError::NotACheckpoint)), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_flipped_bit_anywhere_is_found(which in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let mut objects = sample();
        let path = objects.keys().nth(which.index(objects.len())).unwrap().clone();
        let bytes = objects.get_mut(&path).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        named(&fault(&objects), &path);
    }

    #[test]
    fn an_object_that_is_missing_cut_or_longer_is_found(
        which in any::<prop::sample::Index>(), change in 0..3, at in any::<prop::sample::Index>(),
    ) {
        let mut objects = sample();
        let path = objects.keys().nth(which.index(objects.len())).unwrap().clone();
        let bytes = objects.get_mut(&path).unwrap();
        match change {
            0 => { objects.remove(&path); }
            1 => {
                // A key without its line break is the same key.
                let keep = at.index(bytes.len() - 1);
                bytes.truncate(keep);
            }
            _ => bytes.extend([0; 32]),
        }
        named(&fault(&objects), &path);
    }

    #[test]
    fn entries_that_are_dropped_doubled_or_swapped_are_named(
        bundle in 0..3usize, change in 0..3, at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
    ) {
        let mut objects = sample();
        let path = objects.keys().filter(|path| path.contains("/entries/")).nth(bundle).unwrap().clone();
        let mut entries = split(&objects[&path]);
        let before = entries.clone();
        let (at, other) = (at.index(entries.len()), other.index(entries.len()));
        match change {
            0 => { entries.remove(at); }
            1 => { let entry = entries[at].clone(); entries.insert(other, entry); }
            _ => entries.swap(at, other),
        }
        prop_assume!(entries != before);
        let first = before.iter().zip(&entries).position(|(one, other)| one != other)
            .unwrap_or(before.len().min(entries.len()));
        objects.insert(path, join(&entries));
        let found = fault(&objects);
        let expected = bundle as u64 * FULL + first as u64;
        // Of a bundle that is too long only what is beyond its end may be wrong.
        prop_assert!(
            found.index == Some(expected) || first == before.len() || entries.len() < before.len(),
            "{:?} {}", found, expected
        );
        prop_assert_eq!(found.index.map(|index| index / FULL), Some(bundle as u64));
    }

    #[test]
    fn objects_that_change_places_are_found(one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let mut objects = sample();
        let paths: Vec<String> = objects.keys().cloned().collect();
        let (one, other) = (&paths[one.index(paths.len())], &paths[other.index(paths.len())]);
        prop_assume!(one != other);
        let (a, b) = (objects[one].clone(), objects[other].clone());
        objects.insert(one.clone(), b);
        objects.insert(other.clone(), a);
        fault(&objects);
    }
}

/// A fault names the object that was changed, or an entry that the object is about.
fn named(fault: &LogFault, path: &str) {
    let bundle = |path: &str| {
        path.rsplit_once('/').map(|_| ()).and_then(|()| {
            let number = path.split('/').nth(2)?.trim_end_matches(".p");
            number.parse::<u64>().ok()
        })
    };
    let about = match path {
        "verifier-key" => fault.path == "verifier-key" || fault.path == "checkpoint",
        "checkpoint" => fault.path == "checkpoint",
        _ if path.starts_with("stored/") => fault.index == Some(300),
        _ if path.starts_with("tile/1/") => fault.path.starts_with("tile/1/"),
        _ => fault.index.map(|index| index / FULL) == bundle(path),
    };
    assert!(about, "{path} was changed, and the fault is {fault:?}");
}

#[test]
fn only_an_older_checkpoint_shows_that_the_end_was_cut_off() {
    let all = texts((0..SIZE).map(|number| entry(number, 0)));
    let long = log_of(&all);
    let cut = log_of(&all[..400]);
    assert_eq!(verified(&cut, None).unwrap().size, 400);
    let error = verified(&cut, Some(&long["checkpoint"])).unwrap_err();
    assert!(error.to_string().contains("rolled back"), "{error}");
    assert_eq!(verified(&long, Some(&cut["checkpoint"])).unwrap().since, Some(400));
    let other = log_of(&texts((1..500).map(|number| entry(number, 0))));
    let error = verified(&long, Some(&other["checkpoint"])).unwrap_err();
    assert!(error.to_string().contains("rewritten"), "{error}");
}

#[test]
fn what_a_writer_may_not_have_signed_is_named() {
    let good = |number| texts([entry(number, 5)]).remove(0);
    let spaced = String::from_utf8(good(1)).unwrap().replace(",\"v\":1", ", \"v\":1");
    let gone = Entry {
        data: Data::Stored(
            EntryType::Verdict,
            StoredData { stored: canonical::sha256(b"gone"), bytes: 4 },
        ),
        ..entry(1, 5)
    };
    for (bad, reason) in [
        (b"not an entry".to_vec(), "not an entry"),
        (spaced.into_bytes(), "canonical"),
        (texts([entry(1, 4)]).remove(0), "epoch is 4 after 5"),
        (texts([gone]).remove(0), "missing"),
    ] {
        let found = fault(&log_of(&[good(0), bad, good(2)]));
        assert_eq!(found.index, Some(1), "{found:?}");
        assert!(found.reason.contains(reason), "{found:?}");
    }
}

#[test]
fn lists_of_an_inventory_are_checked_in_the_entry_and_beside_it() {
    use crate::inventory::{InventoryData, KindInventory, Reading, StoredList};
    let list = |bytes: &[u8]| StoredList {
        digest: canonical::sha256(bytes),
        bytes: bytes.len() as u64,
        unpacked: 70,
    };
    let data = InventoryData {
        collector: "comptroller-0".to_owned(),
        kubernetes: None,
        api_server: "Idle".into(),
        catalog: list(b"catalog"),
        programs: BTreeMap::new(),
        kinds: vec![KindInventory {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            plural: "pods".to_owned(),
            namespaced: true,
            reading: Reading::Complete,
            reason: String::new(),
            count: 1,
            resource_version: None,
            listed_at: None,
            programs: Vec::new(),
            list: Some(list(b"pods")),
        }],
    };
    let text = canonical::to_string(&data).unwrap();
    let beside =
        StoredData { stored: canonical::sha256(text.as_bytes()), bytes: text.len() as u64 };
    let path = |digest: &str| format!("stored/sha256/{}", digest.strip_prefix("sha256:").unwrap());
    for (said, stored) in [
        (Data::Inventory(Box::new(data.clone())), 2),
        (Data::Stored(EntryType::Inventory, beside), 3),
    ] {
        let mut objects = log_of(&texts([entry(0, 1), Entry { data: said, ..entry(1, 1) }]));
        for bytes in [&b"catalog"[..], b"pods", text.as_bytes()] {
            objects.insert(path(&canonical::sha256(bytes)), bytes.to_vec());
        }
        assert_eq!(verified(&objects, None).unwrap().stored, stored);
        for bytes in [&b"catalog"[..], b"pods"] {
            let digest = canonical::sha256(bytes);
            let mut missing = objects.clone();
            missing.remove(&path(&digest));
            let found = fault(&missing);
            assert_eq!(found.index, Some(1), "{found:?}");
            assert!(found.reason.contains(&digest), "{found:?}");
            let mut other = objects.clone();
            other.get_mut(&path(&digest)).unwrap()[0] ^= 1;
            assert!(fault(&other).reason.contains(&digest));
        }
    }
}

#[test]
fn a_register_that_does_not_follow_from_its_entries_is_found() {
    use crate::register::{
        Fields, RegisterCause, RegisterData, RegisterDigests, RegisterItem, register_subject,
    };
    let mut digests = RegisterDigests::default();
    let mut of = |number: u64, cause, name: &str, more| {
        let item = RegisterItem::new(name, Fields::from([("name".to_owned(), name.into())]));
        digests.move_items(std::slice::from_ref(&item), &[], &[]).unwrap();
        let data = RegisterData::new(cause, digests.count(), digests.digest());
        let items = vec![item];
        let data = match cause {
            RegisterCause::Start => RegisterData { list: items, more, ..data },
            _ => RegisterData { added: items, ..data },
        };
        let data = Data::Register(Box::new(data));
        Entry { subject: register_subject("grants"), data, ..entry(number, 1) }
    };
    let entries = vec![
        of(0, RegisterCause::Start, "a", true),
        of(1, RegisterCause::Start, "b", false),
        of(2, RegisterCause::Change, "c", false),
        of(3, RegisterCause::Change, "d", false),
    ];
    assert_eq!(verified(&log_of(&texts(entries.clone())), None).unwrap().size, 4);
    // One that signs a log without an entry, or with another item, can't hide it: the next one tells.
    let mut without = entries.clone();
    without.remove(2);
    let found = fault(&log_of(&texts(without)));
    assert_eq!(found.index, Some(2), "{found:?}");
    assert!(found.reason.contains("the register grants"), "{found:?}");
    let mut other = entries;
    let Data::Register(data) = &mut other[1].data else { panic!("no register") };
    data.list[0].fields.insert("name".to_owned(), "x".into());
    assert_eq!(fault(&log_of(&texts(other))).index, Some(1));
}
