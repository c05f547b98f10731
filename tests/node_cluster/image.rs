//! The operator's image: one that was built before, or the binary of this build in the same files.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{harness::Result, node::Node};

/// Names an archive of the released image, as `make image` writes it, to be tested instead.
const ARCHIVE: &str = "COMPTROLLER_NODE_IMAGE";
/// Names another binary than the one of this build.
const BINARY: &str = "COMPTROLLER_NODE_BINARY";
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The name under which the node knows it.
pub const NAME: &str = "localhost/comptroller:node";

/// Makes the image known to the node.
pub async fn import(node: &Node) -> Result<()> {
    let archive = match env::var_os(ARCHIVE).filter(|archive| !archive.is_empty()) {
        Some(archive) => Path::new(ROOT).join(archive),
        None => build(node).await?,
    };
    Ok(node.import_as(&archive, NAME).await?)
}

/// Packs the binary of this build as `make image` would.
async fn build(node: &Node) -> Result<PathBuf> {
    let out = node.folder("images/operator")?;
    let mut command = Command::new(Path::new(ROOT).join("config/image/build.sh"));
    command
        .env("COMPTROLLER_IMAGE_PROFILE", "dev")
        .env("COMPTROLLER_IMAGE_BINARY", binary())
        .env("IMAGE", NAME)
        .env("OUT", &out);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    if !output.status.success() {
        return Err(
            format!("config/image/build.sh: {}", String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    let archives = std::fs::read_dir(&out)?.flatten().map(|entry| entry.path());
    let archive = archives.into_iter().find(|path| path.extension().is_some_and(|it| it == "tar"));
    archive
        .ok_or_else(|| format!("config/image/build.sh left no archive in {}", out.display()).into())
}

/// The program of the image, to be run here.
pub fn binary() -> PathBuf {
    env::var_os(BINARY)
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_comptroller")), PathBuf::from)
}
