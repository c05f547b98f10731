//! Who may look at a page of this process: whoever opened its link, which works once.
//!
//! Other users of the machine reach the port as well, so the port alone gives nothing. The link becomes
//! a cookie at its first use; only digests of both are kept.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use comptroller_vocabulary::hex;

/// How many bytes of chance a token has.
const BYTES: usize = 32;

/// How many browsers may be signed in: one more ends the oldest session.
const SESSIONS: usize = 8;

type TokenDigest = [u8; 32];

/// A secret of a link or of a cookie.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new one; the error says that the system has no randomness.
    fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex(&bytes)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The link that is valid now, and the sessions that links became.
#[derive(Default)]
pub struct Sessions(Mutex<Open>);

#[derive(Default)]
struct Open {
    link: Option<TokenDigest>,
    sessions: VecDeque<TokenDigest>,
}

impl Sessions {
    /// A token for a link. It takes the place of the one before, which then no longer works.
    pub fn new_link(&self) -> Result<Token, getrandom::Error> {
        let token = Token::random()?;
        self.with(|open| open.link = Some(digest(token.as_str())));
        Ok(token)
    }

    /// Takes the token of a link for a session. None: it was used before, or is none of ours.
    pub fn redeem(&self, link: &str) -> Result<Option<Token>, getrandom::Error> {
        let session = Token::random()?;
        let given = digest(link);
        Ok(self.with(|open| {
            // Digests are compared: how long that takes says nothing of the token.
            open.link.take_if(|known| *known == given)?;
            if open.sessions.len() >= SESSIONS {
                open.sessions.pop_front();
            }
            open.sessions.push_back(digest(session.as_str()));
            Some(session)
        }))
    }

    /// Whether the value of a cookie is that of a session.
    pub fn knows(&self, session: &str) -> bool {
        let given = digest(session);
        self.with(|open| open.sessions.contains(&given))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Open) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once_and_only_the_newest() {
        let sessions = Sessions::default();
        let old = sessions.new_link().unwrap();
        let new = sessions.new_link().unwrap();
        assert!(sessions.redeem(old.as_str()).unwrap().is_none());
        assert!(sessions.redeem("").unwrap().is_none());
        let session = sessions.redeem(new.as_str()).unwrap().unwrap();
        assert!(sessions.redeem(new.as_str()).unwrap().is_none(), "replayed");
        assert!(sessions.knows(session.as_str()));
        assert!(!sessions.knows(new.as_str()) && !sessions.knows(""));
        assert_eq!((session.as_str().len(), new.as_str().len()), (64, 64));
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_ends() {
        let sessions = Sessions::default();
        let session = || {
            let link = sessions.new_link().unwrap();
            sessions.redeem(link.as_str()).unwrap().unwrap()
        };
        let all: Vec<Token> = (0..=SESSIONS).map(|_| session()).collect();
        assert!(!sessions.knows(all[0].as_str()));
        assert!(all[1..].iter().all(|session| sessions.knows(session.as_str())));
    }
}
