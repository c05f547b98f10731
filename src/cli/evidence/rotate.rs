//! `comptroller evidence rotate-key`: another key for a log that nobody writes meanwhile.

use std::{error::Error, path::PathBuf};

use jiff::Timestamp;

use crate::cli::output::to_stdout;
use comptroller_evidence::{
    key::{self, SigningKey},
    log::{LogReader, rotate_key},
    store,
};
use comptroller_vocabulary::visible;

/// Sign a log with another key from now on. Stop the operator first; a rotation that was cut short is
/// finished by running it again. An entry says so, which both keys sign, and whoever has the old
/// verifier key follows it to the new one.
#[derive(Debug, clap::Args)]
pub struct RotateKeyArgs {
    /// The log: a directory, or a URL such as `s3://bucket/prefix`, `gs://` or `az://`.
    #[arg(value_name = "DIR|URL", env = "COMPTROLLER_EVIDENCE")]
    location: String,
    /// The file of the signing key so far. Default, for a log in a directory: where the operator has put it.
    #[arg(long, value_name = "FILE", env = "COMPTROLLER_EVIDENCE_KEY")]
    signing_key: Option<PathBuf>,
    /// The file of the new signing key, which is made: its owner alone may read it.
    #[arg(long, value_name = "FILE")]
    new_signing_key: PathBuf,
}

/// Why a key is not replaced.
#[derive(Debug, thiserror::Error)]
enum RotateError {
    #[error("which signing key? A log in a bucket needs --signing-key FILE")]
    NoSigningKey,
}

pub async fn run(args: &RotateKeyArgs) -> Result<u8, Box<dyn Error>> {
    let store = store::open(&args.location)?;
    let path = match (&args.signing_key, store::directory_of(&args.location)) {
        (Some(path), _) => path.clone(),
        (None, Some(directory)) => key::default_path(&directory),
        (None, None) => return Err(RotateError::NoSigningKey.into()),
    };
    // The name of a key in PEM is the origin, which the log says.
    let log = LogReader::open(store.clone(), None).await?;
    let from = SigningKey::load(&path, log.origin())?;
    let to = SigningKey::load_or_create_successor(&args.new_signing_key, &from)?;
    let rotation = rotate_key(store, &from, &to, Timestamp::now()).await?;
    let text = format!(
        "Entry {} says that the log goes over to another key.\n  from  {}\n  to    {}\nStart the operator with --evidence-key {}, give the new verifier key to the witnesses and to the auditor, and keep the old key file until the operator has started.\n",
        rotation.entry,
        visible(rotation.from.as_str()),
        visible(rotation.to.as_str()),
        visible(&args.new_signing_key.display().to_string()),
    );
    to_stdout(|stdout| stdout.write_all(text.as_bytes()))?;
    Ok(0)
}
