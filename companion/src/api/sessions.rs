//! Sessions of the page, and the codes for one use that a browser exchanges for them. Pure: the time and random bytes are passed in.
//!
//! The program of the user mints a code with the token and hands it to a browser in the fragment of an address, which no
//! request carries. Another account may read it there (the arguments of a process are not secret) and use it first, so a code
//! that is used twice ends the session that it gave (as RFC 6749 section 4.1.2 asks of authorization codes).

use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Time in which a code is good.
pub(crate) const CODE_TIME: Duration = Duration::from_secs(60);

/// Time for which a code is remembered once it is used, so that its second use is noticed: as long as both may be under way.
const USED_TIME: Duration = Duration::from_secs(2 * 60);

/// Time without a request after which a session ends.
const IDLE_TIME: Duration = Duration::from_secs(12 * 60 * 60);

/// Most sessions at once. A further one ends the session that was used least recently.
const MAX_SESSIONS: usize = 16;

/// Most codes that are remembered, used ones among them. A further one takes the place of the oldest.
const MAX_CODES: usize = 32;

/// Wrong typed codes after which those that are outstanding are void: five guesses among 2^40.
const MAX_WRONG: u32 = 5;

/// Letters of a code that is typed: 32 that are hard to confuse (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters in a code that is typed.
const TYPED: usize = 8;

/// Domain separation of the proofs to tabs.
const PROOF: &str = "minimodel page proof 1\n";

/// What is kept of a secret text: its digest, so that comparing takes no time that tells how much of a guess was right.
type Fingerprint = [u8; 32];

fn fingerprint(kind: &str, text: &str) -> Fingerprint {
    Sha256::digest(format!("minimodel session {kind}\n{text}")).into()
}

/// A code, in the form for an address and in the form for typing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code {
    /// 32 lowercase hex digits.
    pub(crate) code: String,
    /// 8 letters and digits.
    pub(crate) typed: String,
}

/// A new session.
pub(crate) struct Opened {
    pub(crate) id: u64,
    /// 64 lowercase hex digits.
    pub(crate) token: String,
}

/// Why a code gives no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeError {
    /// It was never minted, is too old, or the companion was started anew.
    Unknown,
    /// It was used before; the session that it gave has ended.
    UsedTwice,
    /// There were too many wrong codes: those that are typed are void.
    TooManyWrong,
}

/// A session that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: u64,
    /// When it began and was used last, seconds since 1970.
    pub(crate) created_unix: u64,
    pub(crate) used_unix: u64,
    used: Instant,
    token: Fingerprint,
}

/// A moment, by the clock that is never set back and by the calendar (seconds since 1970).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) unix: u64,
}

struct Minted {
    code: Fingerprint,
    /// `None` once it is void.
    typed: Option<Fingerprint>,
    at: Instant,
    /// The session that it gave.
    gave: Option<u64>,
}

/// All codes and sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    codes: Vec<Minted>,
    open: Vec<Session>,
    last_id: u64,
    /// Wrong typed codes since a code was minted or used.
    wrong: u32,
}

impl Sessions {
    /// Mints a code from 24 random bytes.
    pub(crate) fn mint(&mut self, random: [u8; 24], now: Moment) -> Code {
        self.forget_codes(now);
        if self.codes.len() >= MAX_CODES {
            self.codes.remove(0);
        }
        let (long, short) = random.split_at(16);
        let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
        let made =
            Code { code: HEXLOWER.encode(long), typed: short.iter().take(TYPED).map(letter).collect() };
        let typed = Some(fingerprint("typed code", &made.typed));
        self.codes.push(Minted { code: fingerprint("code", &made.code), typed, at: now.instant, gave: None });
        self.wrong = 0;
        made
    }

    /// Opens a session for a code of either form; its token is made of 32 random bytes.
    ///
    /// # Errors
    ///
    /// The code is not good. One that was used before ends its session.
    pub(crate) fn redeem(&mut self, text: &str, random: [u8; 32], now: Moment) -> Result<Opened, CodeError> {
        self.forget_codes(now);
        let is_typed = text.len() < 32;
        let given =
            if is_typed { fingerprint("typed code", &as_typed(text)) } else { fingerprint("code", text) };
        let of = |code: &&mut Minted| if is_typed { code.typed == Some(given) } else { code.code == given };
        let Some(minted) = self.codes.iter_mut().find(of) else {
            return Err(self.note_wrong(is_typed));
        };
        if let Some(id) = minted.gave {
            self.end(id);
            return Err(CodeError::UsedTwice);
        }
        self.last_id += 1;
        minted.gave = Some(self.last_id);
        self.wrong = 0;
        self.forget_idle(now);
        if self.open.len() >= MAX_SESSIONS
            && let Some(oldest) =
                self.open.iter().min_by_key(|session| session.used).map(|session| session.id)
        {
            self.end(oldest);
        }
        let token = HEXLOWER.encode(&random);
        self.open.push(Session {
            id: self.last_id,
            created_unix: now.unix,
            used_unix: now.unix,
            used: now.instant,
            token: fingerprint("token", &token),
        });
        Ok(Opened { id: self.last_id, token })
    }

    /// Returns the session of a token, which counts as used now.
    pub(crate) fn admit(&mut self, token: &str, now: Moment) -> Option<u64> {
        self.forget_idle(now);
        let given = fingerprint("token", token);
        let session = self.open.iter_mut().find(|session| session.token == given)?;
        (session.used, session.used_unix) = (now.instant, now.unix);
        Some(session.id)
    }

    /// Returns the time after which the session ends if no request comes; `None` if it has ended.
    pub(crate) fn time_left(&mut self, id: u64, now: Moment) -> Option<Duration> {
        self.forget_idle(now);
        let session = self.open.iter().find(|session| session.id == id)?;
        Some(IDLE_TIME.saturating_sub(now.instant.saturating_duration_since(session.used)))
    }

    /// Proves to a tab of this session that the companion answers it: HMAC-SHA256 (RFC 2104) in hexadecimal, over the tab's nonce. The
    /// key is what is kept of the token. `None` if the session has ended.
    pub(crate) fn proof(&self, id: u64, nonce: &str) -> Option<String> {
        let session = self.open.iter().find(|session| session.id == id)?;
        // HMAC itself pads a shorter key with zeros to the block size of its hash.
        let mut key = [0; 64];
        key[..32].copy_from_slice(&session.token);
        let mut mac = Hmac::<Sha256>::new(&key.into());
        mac.update(PROOF.as_bytes());
        mac.update(nonce.as_bytes());
        Some(HEXLOWER.encode(&mac.finalize().into_bytes()))
    }

    /// Returns all sessions, in the order of their beginning.
    pub(crate) fn all(&mut self, now: Moment) -> Vec<Session> {
        self.forget_idle(now);
        self.open.clone()
    }

    /// Ends a session. Returns false if there is none of this id.
    pub(crate) fn end(&mut self, id: u64) -> bool {
        let before = self.open.len();
        self.open.retain(|session| session.id != id);
        self.open.len() < before
    }

    fn note_wrong(&mut self, is_typed: bool) -> CodeError {
        if !is_typed {
            return CodeError::Unknown;
        }
        self.wrong = self.wrong.saturating_add(1);
        if self.wrong < MAX_WRONG {
            return CodeError::Unknown;
        }
        for code in self.codes.iter_mut().filter(|code| code.gave.is_none()) {
            code.typed = None;
        }
        CodeError::TooManyWrong
    }

    fn forget_codes(&mut self, now: Moment) {
        self.codes.retain(|code| {
            let most = if code.gave.is_some() { USED_TIME } else { CODE_TIME };
            now.instant.saturating_duration_since(code.at) < most
        });
    }

    fn forget_idle(&mut self, now: Moment) {
        self.open.retain(|session| now.instant.saturating_duration_since(session.used) < IDLE_TIME);
    }
}

/// A typed code as it was shown: upper case, without what people put between, and with the letters that look alike read as digits.
fn as_typed(text: &str) -> String {
    let letters = text.chars().filter(|letter| !matches!(letter, ' ' | '-'));
    letters
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Moment {
        Moment { instant: start + Duration::from_secs(seconds), unix: 1_000 + seconds }
    }

    fn random<const N: usize>(seed: u8) -> [u8; N] {
        std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8))
    }

    #[test]
    fn a_code_gives_one_session_in_either_form() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let minted = [sessions.mint(random(1), at(start, 0)), sessions.mint(random(2), at(start, 0))];
        assert_eq!((minted[0].code.len(), minted[0].typed.len()), (32, 8));
        let first = sessions.redeem(&minted[0].code, random(3), at(start, 59)).ok().unwrap();
        let typed = minted[1].typed.to_lowercase();
        let spaced = format!("{}-{} ", &typed[..4], &typed[4..]);
        let second = sessions.redeem(&spaced, random(4), at(start, 59)).ok().unwrap();
        assert_eq!(sessions.admit(&first.token, at(start, 60)), Some(first.id));
        assert_eq!(sessions.admit(&second.token, at(start, 61)), Some(second.id));
        assert_eq!(sessions.admit(&minted[0].code, at(start, 61)), None);
        let seen: Vec<_> = sessions.all(at(start, 61)).iter().map(|one| (one.id, one.used_unix)).collect();
        assert_eq!(seen, [(1, 1_060), (2, 1_061)]);
        assert!(sessions.end(1) && !sessions.end(1));
        let left = [1, 2].map(|id| sessions.time_left(id, at(start, 60)));
        assert_eq!(left, [None, Some(IDLE_TIME)]);
        assert_eq!(sessions.admit(&first.token, at(start, 62)), None);
    }

    #[test]
    fn a_code_used_twice_ends_its_session_in_whichever_form() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let minted = sessions.mint(random(1), at(start, 0));
        let session = sessions.redeem(&minted.code, random(2), at(start, 1)).ok().unwrap();
        assert_eq!(
            sessions.redeem(&minted.typed, random(3), at(start, 100)).err(),
            Some(CodeError::UsedTwice)
        );
        assert_eq!(sessions.admit(&session.token, at(start, 101)), None);
        assert_eq!(
            sessions.redeem(&minted.code, random(3), at(start, 102)).err(),
            Some(CodeError::UsedTwice)
        );
    }

    #[test]
    fn proof_is_the_one_that_the_page_computes() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let minted = sessions.mint(random(1), at(start, 0));
        let session = sessions.redeem(&minted.code, [0xab; 32], at(start, 1)).ok().unwrap();
        // The same values are in page/test/proof.test.js.
        let proof = "a90e07691cb05c8c3f10abe7b008d32c2f82368ddf06e62a004bbd8c41062939";
        let nonce = "00112233445566778899aabbccddeeff";
        assert_eq!(sessions.proof(session.id, nonce).as_deref(), Some(proof));
        assert_ne!(sessions.proof(session.id, "").as_deref(), Some(proof));
        sessions.end(session.id);
        assert_eq!(sessions.proof(session.id, nonce), None);
    }

    #[test]
    fn late_and_foreign_codes_are_unknown() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let minted = sessions.mint(random(1), at(start, 0));
        for text in [minted.code.as_str(), &minted.typed, "", "0", &"0".repeat(32), &"Z".repeat(9_999)] {
            let late = sessions.redeem(text, random(2), at(start, 60));
            assert_eq!(late.err(), Some(CodeError::Unknown), "{text}");
        }
    }

    #[test]
    fn five_wrong_typed_codes_void_typing_and_no_address() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let minted = sessions.mint(random(1), at(start, 0));
        for _ in 0..4 {
            assert_eq!(sessions.redeem("WRONG", random(2), at(start, 1)).err(), Some(CodeError::Unknown));
        }
        assert_eq!(sessions.redeem("WRONG", random(2), at(start, 1)).err(), Some(CodeError::TooManyWrong));
        assert_eq!(
            sessions.redeem(&minted.typed, random(2), at(start, 1)).err(),
            Some(CodeError::TooManyWrong)
        );
        // What cannot be guessed is not voided by those who guess.
        assert!(sessions.redeem(&minted.code, random(2), at(start, 1)).is_ok());
        let next = sessions.mint(random(5), at(start, 2));
        assert!(sessions.redeem(&next.typed, random(2), at(start, 3)).is_ok());
    }

    #[test]
    fn sessions_end_when_idle_and_a_seventeenth_ends_the_least_used() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let mut tokens = Vec::new();
        for n in 0..17 {
            let minted = sessions.mint(random(n), at(start, u64::from(n)));
            tokens.push(
                sessions.redeem(&minted.code, random(n + 100), at(start, u64::from(n))).ok().unwrap().token,
            );
            // The first is in use all the time.
            assert!(sessions.admit(&tokens[0], at(start, u64::from(n))).is_some());
        }
        assert_eq!(sessions.all(at(start, 20)).len(), MAX_SESSIONS);
        assert!(sessions.admit(&tokens[0], at(start, 20)).is_some());
        assert!(sessions.admit(&tokens[1], at(start, 20)).is_none(), "used least recently");
        let hours = 12 * 60 * 60;
        assert!(sessions.admit(&tokens[0], at(start, 19 + hours)).is_some());
        assert!(sessions.admit(&tokens[5], at(start, 19 + hours)).is_none());
        assert_eq!(sessions.all(at(start, 20 + 2 * hours)), []);
    }

    #[test]
    fn codes_that_are_kept_are_bounded() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let first = sessions.mint(random(0), at(start, 0));
        for n in 0..MAX_CODES {
            sessions.mint(random(n as u8 + 1), at(start, 0));
        }
        assert_eq!(sessions.codes.len(), MAX_CODES);
        assert_eq!(sessions.redeem(&first.code, random(9), at(start, 1)).err(), Some(CodeError::Unknown));
    }
}
