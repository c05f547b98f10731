//! The operator's image: one that was built before, or the binary of this build with its libraries.

use std::{env, path::{Path, PathBuf}};

use crate::node::{Image, Node, Error};

/// Names an archive of the released image, as `make image` writes it, to be tested instead.
const ARCHIVE: &str = "COMPTROLLER_IMAGE";
/// Names another binary than the one of this build.
const BINARY: &str = "COMPTROLLER_NODE_BINARY";
/// The name under which the node knows it.
pub const NAME: &str = "localhost/comptroller:node";

/// Makes the image known to the node.
pub async fn import(node: &Node) -> Result<(), Error> {
    if let Some(archive) = env::var_os(ARCHIVE).filter(|archive| !archive.is_empty()) {
        return node.import_as(Path::new(&archive), NAME).await;
    }
    let entrypoint = "/usr/local/bin/comptroller";
    let image = Image::new(NAME, node.folder("images/comptroller")?, &[entrypoint])?;
    let archive = image.program(&binary(), entrypoint)?.archive()?;
    node.import(&archive).await
}

/// The program of the image, to be run here.
pub fn binary() -> PathBuf {
    env::var_os(BINARY)
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_comptroller")), PathBuf::from)
}
