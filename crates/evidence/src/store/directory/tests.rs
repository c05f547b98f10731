//! Links, pipes and folders where files of the log belong: whoever may write into its directory must
//! not have the operator touch anything else.

use std::{
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Command,
};

use super::*;

/// A log's directory, and beside it a folder of somebody else with a file.
struct Place {
    _folder: tempfile::TempDir,
    root: PathBuf,
    others: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, others) = (folder.path().join("log"), folder.path().join("others"));
        for folder in [&root, &others] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(others.join("precious"), "theirs").unwrap();
        Self { _folder: folder, root, others }
    }

    fn store(&self) -> DirectoryStore {
        DirectoryStore::new(self.root.clone())
    }

    /// What the others have, as it was.
    fn untouched(&self) {
        let names: Vec<_> = fs::read_dir(&self.others)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, ["precious"]);
        assert_eq!(fs::read_to_string(self.others.join("precious")).unwrap(), "theirs");
    }
}

fn odd<T: std::fmt::Debug>(result: Result<T, StoreError>, path: &Path) {
    let error = result.unwrap_err();
    let StoreError::NotPlain { path: found, .. } = &error else { panic!("{error}") };
    assert_eq!(Path::new(found), path);
}

#[tokio::test]
async fn a_link_in_place_of_the_unfinished_files_deletes_nothing() {
    let place = Place::new();
    let unfinished = place.root.join(UNFINISHED);
    symlink(&place.others, &unfinished).unwrap();
    odd(place.store().lock().await, &unfinished);
    odd(place.store().put_new("checkpoint", "x".into()).await, &unfinished);
    place.untouched();
    // Once it is gone everything goes on, and a crash's leftovers go, links among them.
    fs::remove_file(&unfinished).unwrap();
    fs::create_dir(&unfinished).unwrap();
    symlink(place.others.join("precious"), unfinished.join("link")).unwrap();
    fs::write(unfinished.join("half"), "ha").unwrap();
    let _lock = place.store().lock().await.unwrap();
    assert_eq!(fs::read_dir(&unfinished).unwrap().count(), 0);
    place.untouched();
}

#[tokio::test]
async fn no_link_below_the_directory_is_followed() {
    let place = Place::new();
    let store = place.store();
    let precious = place.others.join("precious");
    for (at, to, object) in [
        ("tile", &place.others, "tile/precious"),
        ("tile", &place.others, "tile/entries/000"),
        ("aside", &place.others, "aside/new"),
        ("checkpoint", &precious, "checkpoint"),
        // It leads to nothing yet: writing would make it.
        ("pending", &place.others.join("new"), "pending"),
    ] {
        let link = place.root.join(at);
        symlink(to, &link).unwrap();
        odd(store.get(object).await, &link);
        odd(store.put_new(object, "ours".into()).await, &link);
        odd(store.replace(object, "ours".into(), &version_of(b"theirs")).await, &link);
        if object.contains('/') {
            odd(store.list(at).await, &link);
            odd(store.delete(object).await, &link);
        }
        place.untouched();
        fs::remove_file(&link).unwrap();
    }
    // Nor is what was a folder a moment ago.
    store.put_new("tile/000", "x".into()).await.unwrap();
    fs::rename(place.root.join("tile"), place.root.join("was")).unwrap();
    symlink(&place.others, place.root.join("tile")).unwrap();
    odd(store.put_new("tile/001", "x".into()).await, &place.root.join("tile"));
    place.untouched();
}

#[tokio::test]
async fn the_lock_s_file_is_not_written_through_a_link() {
    let place = Place::new();
    let lock = place.root.join(LOCK);
    symlink(place.others.join("precious"), &lock).unwrap();
    odd(place.store().lock().await, &lock);
    place.untouched();
    // Nor where it is another name of somebody else's file.
    fs::remove_file(&lock).unwrap();
    fs::hard_link(place.others.join("precious"), &lock).unwrap();
    place.store().lock().await.unwrap().name_holder("comptroller-0");
    place.untouched();
}

#[tokio::test]
async fn the_directory_itself_may_be_a_link() {
    let place = Place::new();
    let link = place.root.with_file_name("link");
    symlink(&place.root, &link).unwrap();
    let store = DirectoryStore::new(link);
    let _lock = store.lock().await.unwrap();
    store.put_new("tile/000", "x".into()).await.unwrap();
    assert_eq!(store.get("tile/000").await.unwrap().unwrap().bytes, "x");
    assert_eq!(store.list("tile").await.unwrap(), ["tile/000"]);
}

#[tokio::test]
async fn nobody_waits_for_a_pipe() {
    let place = Place::new();
    let store = place.store();
    for object in ["checkpoint", LOCK] {
        let pipe = place.root.join(object);
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        if object == LOCK {
            odd(store.lock().await, &pipe);
        } else {
            odd(store.get(object).await, &pipe);
            odd(store.put_new(object, "x".into()).await, &pipe);
            odd(store.replace(object, "x".into(), &version_of(b"")).await, &pipe);
        }
    }
}

#[tokio::test]
async fn who_waits_for_the_lock_learns_who_holds_it() {
    let place = Place::new();
    let lock = place.store().lock().await.unwrap();
    let holder = async || match place.store().lock().await.unwrap_err() {
        StoreError::Locked { holder, .. } => holder,
        error => panic!("{error}"),
    };
    assert_eq!(holder().await, "another process");
    lock.name_holder("comptroller-0");
    assert_eq!(holder().await, "comptroller-0");
    // Whatever is in the file, no more than a name comes out of it.
    lock.name_holder("a\u{1b}[31m");
    assert_eq!(holder().await, "a");
    lock.name_holder(&"x".repeat(100_000));
    assert_eq!(holder().await.len(), MAX_HOLDER);
}

#[tokio::test]
async fn others_get_no_right_to_write() {
    let place = Place::new();
    let store = place.store();
    let _lock = store.lock().await.unwrap();
    store.put_new("tile/entries/000", "x".into()).await.unwrap();
    for path in ["tile", "tile/entries", "tile/entries/000", LOCK, UNFINISHED] {
        let mode = fs::metadata(place.root.join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o002, 0, "{path}: {mode:o}");
    }
}

#[tokio::test]
async fn what_is_larger_than_a_log_s_parts_is_not_read() {
    let place = Place::new();
    let file = File::create(place.root.join("checkpoint")).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = place.store().get("checkpoint").await.unwrap_err().to_string();
    assert!(error.contains("larger"), "{error}");
}
