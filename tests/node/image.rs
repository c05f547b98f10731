//! Images made of files that lie here, without an engine and without a registry.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::error::Error;

/// A container image of one layer.
pub struct Image {
    name: String,
    folder: PathBuf,
    config: serde_json::Value,
}

impl Image {
    /// An empty image `name`, such as `comptroller:test`, that is put together in `folder`.
    pub fn new(name: &str, folder: PathBuf, entrypoint: &[&str]) -> Result<Self, Error> {
        let config = json!({
            "User": "65532:65532",
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            "Entrypoint": entrypoint,
            "WorkingDir": "/",
        });
        let image = Self { name: name.to_owned(), folder, config };
        create(&image.root())?;
        Ok(image)
    }

    /// Adds a file; `path` is where it lies in the image.
    pub fn file(self, source: &Path, path: &str) -> Result<Self, Error> {
        let target = self.root().join(path.trim_start_matches('/'));
        if let Some(folder) = target.parent() {
            create(folder)?;
        }
        fs::copy(source, &target).map_err(|error| Error::file(source, error))?;
        Ok(self)
    }

    /// Writes the archive that `docker save` would, and says where it is.
    pub fn archive(self) -> Result<PathBuf, Error> {
        let layer = self.folder.join("layer.tar");
        tar(&layer, &self.root(), &["."])?;
        let digest = hex(&fs::read(&layer).map_err(|error| Error::file(&layer, error))?);
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
        })
        .to_string();
        let config_name = format!("{}.json", hex(config.as_bytes()));
        let manifest = json!([{
            "Config": config_name,
            "RepoTags": [self.name],
            "Layers": ["layer.tar"],
        }]);
        for (name, text) in
            [(config_name.as_str(), config), ("manifest.json", manifest.to_string())]
        {
            let path = self.folder.join(name);
            fs::write(&path, text).map_err(|error| Error::file(path, error))?;
        }
        let archive = self.folder.join("image.tar");
        tar(&archive, &self.folder, &["manifest.json", &config_name, "layer.tar"])?;
        Ok(archive)
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }
}

fn create(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))
}

fn tar(archive: &Path, folder: &Path, names: &[&str]) -> Result<(), Error> {
    let mut command = Command::new("tar");
    command.args(["--owner=0", "--group=0", "-C"]).arg(folder).arg("-cf").arg(archive).args(names);
    super::run(&mut command).map(drop)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// As Go calls it, which image configurations follow.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
