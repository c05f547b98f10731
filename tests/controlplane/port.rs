//! Ports on loopback that no two control planes of one machine choose at the same time.

use std::env;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::error::Error;

/// Below the range from which the kernel takes the ports of outgoing connections.
const FROM: u16 = 20_000;
const TO: u16 = 30_000;
const TRIES: usize = 500;

/// A port reserved by a lock on a file, which the kernel releases when the process ends.
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a free port.
    pub fn reserve() -> Result<Self, Error> {
        // Locks of another user cannot be opened, so each user has a folder.
        let user = env::var("USER").unwrap_or_else(|_| "anyone".to_owned());
        let folder = env::temp_dir().join(format!("controlplane-ports-{user}"));
        fs::create_dir_all(&folder).map_err(|source| Error::file(&folder, source))?;
        for _ in 0..TRIES {
            let number = FROM + u16::try_from(random() % u64::from(TO - FROM)).unwrap_or(0);
            let path = folder.join(number.to_string());
            let lock = File::create(&path).map_err(|source| Error::file(&path, source))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _lock: lock });
            }
        }
        Err(Error::NoPort { from: FROM, to: TO })
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    /// Whether a server accepts connections there.
    pub fn is_open(&self) -> bool {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.number)).is_ok()
    }
}

/// A number that differs between calls and processes.
pub fn random() -> u64 {
    RandomState::new().hash_one(())
}
