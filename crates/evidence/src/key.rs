//! The key that signs checkpoints, the key that verifies them, and what is derived from the first.
//!
//! Keys are texts of C2SP signed-note: `PRIVATE+KEY+<name>+<id>+<base64>` and
//! `<name>+<id>+<base64>`. A chart can only make a PKCS#8 PEM key, so that is read too.

use std::{
    fmt, fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use comptroller_vocabulary::canonical;
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use signed_note::{Note, StandardVerifier, Verifier as _, VerifierList};

pub use crate::pseudonym::Pseudonyms;

/// The byte that says Ed25519 in a key of signed-note.
const ED25519: u8 = 1;

/// What comes before the secrets of pseudonyms in the second line of a key that replaced another.
const CARRIED: &str = "PSEUDONYMS+";

/// More than any key has.
const MAX_KEY: u64 = 64 * 1024;

/// What comes before the 32 bytes of the seed in PKCS#8 (RFC 8410).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Why a key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such file.
    #[error(
        "the signing key {0} does not exist: mount it there; if the key of this log is lost, start a new log in another place and keep this one"
    )]
    Missing(PathBuf),
    /// There is a file already.
    #[error("{0} exists and is not overwritten: a lost key would end the log that it signs")]
    Exists(PathBuf),
    /// The file can't be read or written.
    #[error("the key {path} can't be {action}: {source}")]
    File {
        path: PathBuf,
        /// A participle, such as `read`.
        action: &'static str,
        source: io::Error,
    },
    /// Others may read or change the file.
    #[error(
        "the signing key {path} has the mode {mode:04o}, so that {who}, and could sign another log: chmod 600 it, or for a mounted Secret set defaultMode: 0400, which leaves it to the pod's user and fsGroup; if others had it, begin another log with a new key"
    )]
    Exposed {
        path: PathBuf,
        /// The permission bits, of which the error shows four octal digits.
        mode: u32,
        /// Who may do what, as a clause.
        who: &'static str,
    },
    /// A pipe, a device or a folder.
    #[error(
        "the signing key {0} is neither a regular file nor a link to one: give a file with the key"
    )]
    NotAFile(PathBuf),
    /// The file, which is named, holds something else.
    #[error(
        "{0} is not an Ed25519 signing key: it must hold one line PRIVATE+KEY+<name>+<id>+<base64> (C2SP signed-note) or a PKCS#8 PEM key"
    )]
    NotAKey(String),
    /// The text is something else, and not the name of a file that holds a verifier key.
    #[error(
        "{0:?} is neither a verifier key nor a file that holds one: it has the form <name>+<id>+<base64> (C2SP signed-note); the ConfigMap comptroller-evidence has it, and the file verifier-key beside a log"
    )]
    NotAVerifierKey(String),
    /// It would name people otherwise.
    #[error(
        "the key {0} was not made for this log, and people would have other pseudonyms under it: name a file that does not exist, and it is made"
    )]
    NotASuccessor(PathBuf),
    /// A name that a key can't have.
    #[error("{0:?} can't name a key: use a text without spaces and plus signs")]
    Name(String),
    /// A key can't be made without them.
    #[error("the system gives no random bytes for a new key")]
    Random,
}

/// The key that signs the checkpoints of a log. Its text never appears in what is printed.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
    /// The secrets of the pseudonyms of the log, where an earlier key began it.
    carried: Option<[u8; 64]>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier().as_str())
    }
}

impl SigningKey {
    /// A new random key; its name is the origin of the log.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        Self::from_seed(name, &random::<32>().ok_or(KeyError::Random)?)
    }

    /// The key of 32 secret bytes.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        if !signed_note::is_key_name_valid(name) {
            return Err(KeyError::Name(name.to_owned()));
        }
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        Ok(Self { name: name.to_owned(), key, carried: None })
    }

    /// Reads a key. A PEM key has no name of its own and takes this one, the origin of the log.
    pub fn load(path: &Path, name: &str) -> Result<Self, KeyError> {
        let text = read_secret(path)?;
        // The error names the file, never what is in it.
        Self::parse(text.trim(), name).ok_or_else(|| KeyError::NotAKey(path.display().to_string()))
    }

    /// Makes a key in a new file that only its owner reads, durable before this returns.
    pub fn create(path: &Path, name: &str) -> Result<Self, KeyError> {
        Self::generate(name)?.place(path)
    }

    /// Reads the key that a log goes over to, or makes it if there is no file. It carries the secrets of
    /// pseudonyms on, so that a person has one name in all of the log.
    pub fn load_or_create_successor(path: &Path, of: &Self) -> Result<Self, KeyError> {
        match Self::load(path, &of.name) {
            Err(KeyError::Missing(_)) => {}
            Ok(key) if key.secrets() == of.secrets() => return Ok(key),
            Ok(_) => return Err(KeyError::NotASuccessor(path.to_owned())),
            Err(error) => return Err(error),
        }
        let key = Self { carried: Some(of.secrets()), ..Self::generate(&of.name)? };
        key.place(path)
    }

    /// Puts the key into a new file.
    fn place(self, path: &Path) -> Result<Self, KeyError> {
        let key = self;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
            _ => KeyError::File { path: path.to_owned(), action: "created", source },
        };
        // Whole before it has its name: a full disk or a crash must not leave half a key there.
        let suffix = u64::from_be_bytes(random().ok_or(KeyError::Random)?);
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".{suffix:016x}"));
        let aside = PathBuf::from(aside);
        let placed = key.write(&aside).and_then(|()| place(&aside, path));
        // Whether it was placed or not: a copy of the secret must not stay under another name.
        let _ = fs::remove_file(&aside);
        placed.map_err(failed)?;
        // The name must be durable too: a log that is signed by a key that a crash took away is over.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
        Ok(key)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut options = fs::File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(format!("{}\n", self.text()).as_bytes())?;
        file.sync_all()
    }

    /// Reads the key, or makes it if there is no file.
    pub fn load_or_create(path: &Path, name: &str) -> Result<Self, KeyError> {
        match Self::load(path, name) {
            Err(KeyError::Missing(_)) => Self::create(path, name),
            other => other,
        }
    }

    fn parse(text: &str, name: &str) -> Option<Self> {
        if text.starts_with("-----BEGIN") {
            let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
            let der = BASE64_STANDARD.decode(body.replace(char::is_whitespace, "")).ok()?;
            return Self::from_seed(name, der.strip_prefix(&PKCS8)?.try_into().ok()?).ok();
        }
        let (text, carried) = match text.split_once('\n') {
            Some((text, rest)) => {
                let secrets = BASE64_STANDARD.decode(rest.trim().strip_prefix(CARRIED)?).ok()?;
                (text.trim_end(), Some(secrets.try_into().ok()?))
            }
            None => (text, None),
        };
        // Only for its checks: of the form, and that the id is that of the key.
        signed_note::StandardSigner::new(text).ok()?;
        let mut parts = text.strip_prefix("PRIVATE+KEY+")?.splitn(3, '+');
        let (name, _id) = (parts.next()?, parts.next()?);
        let bytes = BASE64_STANDARD.decode(parts.next()?).ok()?;
        let (kind, seed) = bytes.split_first()?;
        if *kind != ED25519 {
            return None;
        }
        let key = Self::from_seed(name, seed.try_into().ok()?).ok()?;
        Some(Self { carried, ..key })
    }

    /// The text of the private key.
    fn text(&self) -> String {
        let mut bytes = vec![ED25519];
        bytes.extend(self.key.to_bytes());
        let secret = BASE64_STANDARD.encode(bytes);
        let carried = self.carried.map(|it| format!("\n{CARRIED}{}", BASE64_STANDARD.encode(it)));
        let carried = carried.unwrap_or_default();
        format!("PRIVATE+KEY+{}+{:08x}+{secret}{carried}", self.name, self.id())
    }

    fn id(&self) -> u32 {
        let mut public = vec![ED25519];
        public.extend(self.key.verifying_key().to_bytes());
        signed_note::key_id(&self.name, &public)
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey(signed_note::new_ed25519_verifier_key(&self.name, &self.key.verifying_key()))
    }

    /// Signs the text of a note, which ends with a line break. The same text has the same
    /// signature (RFC 8032).
    pub(crate) fn sign(&self, text: &str) -> String {
        format!("{text}\n{}", self.signature_line(text))
    }

    /// The line that signs the text of a note, to be added to others.
    pub(crate) fn signature_line(&self, text: &str) -> String {
        let mut signed = self.id().to_be_bytes().to_vec();
        signed.extend(self.key.sign(text.as_bytes()).to_bytes());
        format!("\u{2014} {} {}\n", self.name, BASE64_STANDARD.encode(signed))
    }

    /// The pseudonyms of people under this key.
    pub fn pseudonyms(&self) -> Pseudonyms {
        let secrets = self.secrets();
        let (mut codes, mut openings) = ([0; 32], [0; 32]);
        codes.copy_from_slice(&secrets[..32]);
        openings.copy_from_slice(&secrets[32..]);
        Pseudonyms::new(codes, openings)
    }

    /// The secrets of pseudonyms: of codes, and of openings.
    fn secrets(&self) -> [u8; 64] {
        self.carried.unwrap_or_else(|| {
            let mut secrets = [0; 64];
            secrets[..32].copy_from_slice(&self.derive(b"comptroller.dev/evidence pseudonyms v1"));
            secrets[32..].copy_from_slice(&self.derive(b"comptroller.dev/evidence openings v1"));
            secrets
        })
    }

    /// A secret of this key for one purpose, which says nothing of the key or of its others.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        authenticate(&self.key.to_bytes(), &[purpose])
    }
}

/// The text of a key that nobody else may read. Links are followed: a Secret is mounted as some.
fn read_secret(path: &Path) -> Result<String, KeyError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing(path.to_owned()),
        _ => KeyError::File { path: path.to_owned(), action: "read", source },
    };
    // Opening a pipe would wait for whoever writes to it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(KeyError::NotAFile(path.to_owned()));
    }
    let file = fs::File::open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mut mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        // The kubelet lets the group (fsGroup) write to all files of a volume that was restored.
        let narrow = mode & !0o020;
        if exposed(mode).is_some()
            && exposed(narrow).is_none()
            && file.set_permissions(fs::Permissions::from_mode(narrow)).is_ok()
        {
            tracing::warn!(path = %path.display(), "the group of the signing key may no longer write to it");
            mode = narrow;
        }
        if let Some(who) = exposed(mode) {
            return Err(KeyError::Exposed { path: path.to_owned(), mode, who });
        }
    }
    let mut text = String::new();
    file.take(MAX_KEY).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// What others may do with a file of this mode that they may not with a key. Its group may read
/// it: Kubernetes gives a mounted Secret to root, and to the pod's user by its fsGroup alone.
#[cfg(unix)]
fn exposed(mode: u32) -> Option<&'static str> {
    if mode & 0o004 != 0 {
        Some("every user may read it")
    } else if mode & 0o022 != 0 {
        Some("others than its owner may change it")
    } else {
        None
    }
}

/// Gives a file its name, unless another has it: a link never takes a place, unlike a rename, which
/// is for file systems without links.
fn place(file: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(file, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
            fs::rename(file, path)
        }
        linked => linked,
    }
}

/// HMAC-SHA256 (RFC 2104) over some parts, which must not be ambiguous when joined.
pub(crate) fn authenticate(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // A key is padded with zeros to the block of the hash: doing so here leaves nothing to fail.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Random bytes of the operating system; None if it gives none.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// The key that verifies the checkpoints of a log: public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey(String);

impl VerifierKey {
    /// Reads its text, with space around it or not.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Self::parse_exact(text.trim())
    }

    /// Reads its text: one key has one text.
    pub(crate) fn parse_exact(text: &str) -> Result<Self, KeyError> {
        let bad = || KeyError::NotAVerifierKey(shorten(text));
        let verifier = StandardVerifier::new(text).map_err(|_| bad())?;
        let id = format!("+{:08x}+", verifier.key_id());
        // The id is read in either case, and one key must have one text: it is compared as such.
        if text.contains(&id) { Ok(Self(text.to_owned())) } else { Err(bad()) }
    }

    /// Reads what a person gives: the text, or a file that holds it.
    pub fn from_argument(argument: &str) -> Result<Self, KeyError> {
        match Self::parse(argument) {
            // Tried as a key first, so that no file of that name can take a key's place.
            Err(error) if Path::new(argument).exists() => {
                let path = PathBuf::from(argument);
                let text = fs::read_to_string(&path).map_err(|source| KeyError::File {
                    path,
                    action: "read",
                    source,
                })?;
                Self::parse(&text).map_err(|_| error)
            }
            other => other,
        }
    }

    /// Its id, as eight hexadecimal digits.
    pub fn id(&self) -> &str {
        self.0.split('+').nth(1).unwrap_or_default()
    }

    /// The key in note format: `<name>+<id>+<base64>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a note is well-formed and signed by this key; signatures of others don't matter.
    pub(crate) fn verifies(&self, note: &Note) -> bool {
        StandardVerifier::new(&self.0)
            .is_ok_and(|verifier| note.verify(&VerifierList::new(vec![Box::new(verifier)])).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folder of keys that is used if it is set.
pub const KEYS_VARIABLE: &str = "COMPTROLLER_KEY_DIR";

/// Where the key of a log in a directory is by default: not beside it, since whoever copies the log, or
/// the volume that it is on, must not get the key with it. It is in the folder of keys of the user, or
/// in that of `COMPTROLLER_KEY_DIR`; where neither is, and where an older version has put it there,
/// beside the log.
pub fn default_path(directory: &Path) -> PathBuf {
    let variable =
        |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    // A container without a user has `/`, which nobody may write to.
    let home = variable("HOME").filter(|home| home.parent().is_some());
    let folder = variable(KEYS_VARIABLE)
        .or_else(|| Some(variable("XDG_DATA_HOME")?.join("comptroller/keys")))
        .or_else(|| Some(home?.join(".local/share/comptroller/keys")));
    place_of(directory, folder.as_deref())
}

/// The place of the key of a log in a directory, by the folder of keys.
fn place_of(directory: &Path, folder: Option<&Path>) -> PathBuf {
    let beside = path_beside(directory);
    match folder {
        Some(folder) if !beside.exists() => {
            // Logs of many clusters may have one name, in as many places.
            let place = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
            let digest = canonical::sha256(place.as_os_str().as_encoded_bytes());
            let digest = digest.strip_prefix("sha256:").unwrap_or(&digest);
            let mut name = directory.file_name().unwrap_or_default().to_owned();
            name.push(format!("-{}.key", digest.get(..12).unwrap_or(digest)));
            folder.join(name)
        }
        _ => beside,
    }
}

/// Beside the log, where older versions have put the key: `<dir>.key`.
pub fn path_beside(directory: &Path) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(".key");
    directory.with_file_name(name)
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "comptroller.dev/evidence/7d9e3a60";

    #[test]
    fn a_key_is_made_once_for_its_owner_only_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_beside(&folder.path().join("log"));
        assert!(path.ends_with("log.key"));
        assert!(matches!(SigningKey::load(&path, NAME), Err(KeyError::Missing(_))));
        let key = SigningKey::load_or_create(&path, NAME).unwrap();
        let again = SigningKey::load_or_create(&path, "another name").unwrap();
        assert_eq!(again.verifier(), key.verifier());
        assert!(matches!(SigningKey::create(&path, NAME), Err(KeyError::Exists(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_new_key_is_not_beside_its_log_and_an_old_one_is_found_there() {
        let folder = tempfile::tempdir().unwrap();
        let (log, other) = (folder.path().join("log"), folder.path().join("b/log"));
        let keys = Path::new("/home/me/keys");
        let place = place_of(&log, Some(keys));
        assert!(place.starts_with(keys) && place.extension().is_some_and(|it| it == "key"));
        assert_eq!(place, place_of(&log, Some(keys)));
        assert_ne!(place, place_of(&other, Some(keys)), "another log of this name");
        assert_eq!(place_of(&log, None), path_beside(&log));
        SigningKey::create(&path_beside(&log), NAME).unwrap();
        assert_eq!(place_of(&log, Some(keys)), path_beside(&log));
    }

    #[test]
    fn a_key_that_follows_another_names_people_as_that_did() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.key");
        let old = SigningKey::from_seed(NAME, &[7; 32]).unwrap();
        let new = SigningKey::load_or_create_successor(&path, &old).unwrap();
        assert_ne!(new.verifier(), old.verifier());
        let read = SigningKey::load(&path, NAME).unwrap();
        assert_eq!(read.verifier(), new.verifier());
        let again = SigningKey::load_or_create_successor(&path, &old).unwrap();
        assert_eq!(again.verifier(), new.verifier());
        for key in [&new, &read] {
            let name = |key: &SigningKey| key.pseudonyms().pseudonym("jane@example.com");
            assert_eq!(name(key), name(&old));
        }
        let stranger = SigningKey::from_seed(NAME, &[8; 32]).unwrap();
        let error = SigningKey::load_or_create_successor(&path, &stranger).unwrap_err();
        assert!(matches!(error, KeyError::NotASuccessor(_)), "{error}");
    }

    fn write_secret(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        set_mode(path, 0o600);
    }

    #[cfg(unix)]
    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(not(unix))]
    fn set_mode(_: &Path, _: u32) {}

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_or_change_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        SigningKey::create(&path, NAME).unwrap();
        for (mode, refused) in [
            (0o400, false),
            (0o600, false),
            (0o700, false),
            // As Kubernetes mounts a Secret for a pod with an fsGroup.
            (0o440, false),
            (0o640, false),
            (0o644, true),
            (0o604, true),
            (0o404, true),
            // As it makes the files of a volume: the right to write is taken away.
            (0o660, false),
            (0o620, false),
            (0o622, true),
            (0o602, true),
            (0o666, true),
            (0o777, true),
        ] {
            set_mode(&path, mode);
            match SigningKey::load(&path, NAME) {
                Ok(_) => {
                    let left = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                    assert!(!refused && left == mode & !0o020, "{mode:o} {left:o}");
                }
                Err(error @ KeyError::Exposed { .. }) => {
                    let text = error.to_string();
                    assert!(refused, "{mode:o}");
                    assert!(text.contains(path.to_str().unwrap()), "{text}");
                    assert!(text.contains(&format!("{mode:04o}")), "{text}");
                    assert!(text.contains("chmod 600"), "{text}");
                }
                Err(error) => panic!("{mode:o}: {error}"),
            }
        }
        // A link is as open as what it leads to.
        let link = folder.path().join("link.key");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(SigningKey::load(&link, NAME), Err(KeyError::Exposed { .. })));
        set_mode(&path, 0o440);
        SigningKey::load(&link, NAME).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_device_is_no_key_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            let error = SigningKey::load(path, NAME).unwrap_err();
            assert!(matches!(error, KeyError::NotAFile(_)), "{error}");
        }
    }

    #[test]
    fn a_chart_s_key_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls.key");
        let mut der = PKCS8.to_vec();
        der.extend([7; 32]);
        let body = BASE64_STANDARD.encode(der);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        write_secret(&path, &pem);
        let key = SigningKey::load(&path, NAME).unwrap();
        assert_eq!(key.verifier(), SigningKey::from_seed(NAME, &[7; 32]).unwrap().verifier());
        fs::write(&path, "hunter2").unwrap();
        let error = SigningKey::load(&path, NAME).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn nothing_that_is_printed_holds_a_secret() {
        let key = SigningKey::from_seed(NAME, &[7; 32]).unwrap();
        let secret = key.text().rsplit('+').next().unwrap().to_owned();
        for text in [format!("{key:?}"), format!("{:?}", key.pseudonyms())] {
            assert!(!text.contains(&secret) && !text.contains("7, 7"), "{text}");
        }
    }
}
