//! The image: the same twice, small, not root, and its binary resolves names and speaks HTTPS with nothing
//! around it but what the image holds. It needs root and buildah, and packs the binary under test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

mod dns;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Whether this can be tested here; if not, why is said. `make image-check` takes no such answer.
fn possible() -> bool {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let has_buildah = Command::new("buildah").arg("--version").output().is_ok();
    let missing = match (is_root, has_buildah) {
        (true, true) => return true,
        (false, _) => "packing an image and entering it need root",
        (true, false) => "buildah is not installed (Debian: apt-get install buildah)",
    };
    assert!(std::env::var_os("COMPTROLLER_IMAGE_CHECK").is_none(), "{missing}");
    eprintln!("skipped: {missing}; make image-check insists on it");
    false
}

/// An image that was built into a folder.
struct Image {
    folder: tempfile::TempDir,
    digest: String,
    config: Value,
}

impl Image {
    /// Packs the binary under test as `make image` does.
    fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(format!("{ROOT}/config/image/build.sh"))
            .env("COMPTROLLER_IMAGE_PROFILE", "dev")
            .env("COMPTROLLER_IMAGE_BINARY", env!("CARGO_BIN_EXE_comptroller"))
            .env("OUT", folder.path())
            .env("ENGINE", "buildah")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut image = Self { folder, digest: String::new(), config: Value::Null };
        image.digest = fs::read_to_string(image.file("digest")).unwrap();
        untar(&image.file("tar"), &image.path("archive"));
        let name = image.manifest()["Config"].as_str().unwrap().to_owned();
        let text = fs::read_to_string(image.path("archive").join(name)).unwrap();
        image.config = serde_json::from_str(&text).unwrap();
        image
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, extension: &str) -> PathBuf {
        let named = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
        let mut entries =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.find(named).unwrap()
    }

    fn manifest(&self) -> Value {
        let text = fs::read_to_string(self.path("archive/manifest.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()[0].take()
    }

    /// The files of the image in a folder.
    fn unpack(&self) -> PathBuf {
        let rootfs = self.path("rootfs");
        for layer in self.manifest()["Layers"].as_array().unwrap() {
            untar(&self.path("archive").join(layer.as_str().unwrap()), &rootfs);
        }
        rootfs
    }
}

fn untar(archive: &Path, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let status = Command::new("tar").arg("-xpf").arg(archive).arg("-C").arg(folder).status();
    assert!(status.unwrap().success(), "{}", archive.display());
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path, at: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder.join(at)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{at}/{}", entry.file_name().into_string().unwrap());
        let path = path.trim_start_matches('/').to_owned();
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        assert_eq!(
            metadata.permissions().mode() & 0o7022,
            0,
            "{path}: others may write, or setuid"
        );
        if metadata.is_dir() {
            files(folder, &path, found);
        } else {
            assert!(metadata.is_file(), "{path}");
            found.push(path);
        }
    }
}

#[test]
fn the_image_is_the_same_twice_and_holds_nothing_else() {
    if !possible() {
        return;
    }
    let (image, again) = (Image::build(), Image::build());
    assert!(image.digest.starts_with("sha256:"), "{}", image.digest);
    assert_eq!(image.digest, again.digest);
    assert_eq!(fs::read(image.file("tar")).unwrap(), fs::read(again.file("tar")).unwrap());

    let config = &image.config["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/local/bin/comptroller"]));
    assert_eq!(config["Cmd"], serde_json::json!(["run"]));
    let env = config["Env"].as_array().unwrap();
    assert!(env.iter().any(|entry| entry == "MALLOC_ARENA_MAX=1"), "{env:?}");
    let labels = &config["Labels"];
    assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
    assert!(labels["org.opencontainers.image.revision"].is_string());

    let mut found = Vec::new();
    files(&image.unpack(), "", &mut found);
    // The dev binary is not static: its loader and libraries come with it.
    found.retain(|path| !path.starts_with("lib"));
    found.sort_unstable();
    let expected = [
        "etc/group",
        "etc/nsswitch.conf",
        "etc/passwd",
        "etc/ssl/certs/ca-certificates.crt",
        "usr/local/bin/comptroller",
    ];
    assert_eq!(found, expected);
}

#[test]
fn its_binary_resolves_names_and_checks_certificates() {
    if !possible() {
        return;
    }
    let image = Image::build();
    reaches(&image.unpack());
}

/// The release binary is static, which resolves names in another way; it is tested where `make image` left it.
#[test]
fn the_released_binary_does_so_as_well() {
    if !possible() {
        return;
    }
    let folder = Path::new(ROOT).join("target/image");
    let entries = fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let native = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let name = format!("comptroller-{native}.tar");
    let Some(archive) = entries.into_iter().find(|path| path.ends_with(&name)) else {
        eprintln!("skipped: target/image has no {name} (make image builds it)");
        return;
    };
    let unpacked = tempfile::tempdir().unwrap();
    untar(&archive, unpacked.path());
    let text = fs::read_to_string(unpacked.path().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let rootfs = unpacked.path().join("rootfs");
    for layer in manifest[0]["Layers"].as_array().unwrap() {
        untar(&unpacked.path().join(layer.as_str().unwrap()), &rootfs);
    }
    assert!(!rootfs.join("lib64").exists(), "the release is static");
    reaches(&rootfs);
}

/// Runs the binary with these files as its whole world against an API server that only DNS knows and
/// only the CA bundle vouches for.
fn reaches(rootfs: &Path) {
    let resolver = dns::Resolver::start("api.image.test");
    fs::write(rootfs.join("etc/resolv.conf"), format!("nameserver {}\n", resolver.address))
        .unwrap();
    let authority = rcgen::generate_simple_self_signed(vec!["api.image.test".to_owned()]).unwrap();
    let bundle = rootfs.join("etc/ssl/certs/ca-certificates.crt");
    let before = fs::read_to_string(&bundle).unwrap();
    assert!(before.matches("BEGIN CERTIFICATE").count() > 100, "Mozilla's authorities");
    fs::write(&bundle, format!("{before}\n{}", authority.cert.pem())).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, request) = std::sync::mpsc::channel();
    std::thread::spawn(move || serve(&listener, &authority, &sender));
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: c\n  cluster: {{server: \"https://api.image.test:{port}\"}}\nusers:\n- name: u\n  user: {{token: t}}\ncontexts:\n- name: c\n  context: {{cluster: c, user: u}}\n"
    );
    fs::write(rootfs.join("kubeconfig"), kubeconfig).unwrap();
    let output = Command::new("chroot")
        .args(["--userspec=65532:65532", rootfs.to_str().unwrap()])
        .args(["/usr/local/bin/comptroller", "who-can", "get", "pods"])
        .args(["--kubeconfig", "/kubeconfig"])
        // Nothing of this machine but where chroot is.
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // The server answers that nothing is found: it was asked, which is what is to be shown.
    assert!(resolver.asked(), "no question of DNS: {said}");
    let request = request.try_recv().unwrap_or_else(|_| panic!("no request over TLS: {said}"));
    assert!(request.starts_with("GET /api"), "{request}: {said}");
}

/// Answers requests with 404, and tells the first line of each.
fn serve(
    listener: &TcpListener,
    authority: &rcgen::CertifiedKey<rcgen::KeyPair>,
    requests: &std::sync::mpsc::Sender<String>,
) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(authority.signing_key.serialize_der()).unwrap();
    let chain = vec![authority.cert.der().clone()];
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let config = Arc::new(config.unwrap());
    for stream in listener.incoming() {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
        let mut buffer = [0; 1024];
        // A client that does not trust the certificate hangs up.
        let Ok(length) = stream.read(&mut buffer) else { continue };
        let text = String::from_utf8_lossy(&buffer[..length]);
        let _ = requests.send(text.lines().next().unwrap_or_default().to_owned());
        let _ = stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = stream.flush();
    }
}
