//! Problems of the folders, files and records that the crate `minimodel` keeps: what its errors mean for the user.

use std::io;

use minimodel::HomeError;
use minimodel::bans::BansError;
use minimodel::consent::{ConsentError, NotAGrant};
use minimodel::private::{Exposed, ExposedFolder};
use minimodel::publishers::{PublisherError, RefusalReason, SignerRefusal, listed};
use minimodel_swarm::os::{close_command, close_to_writers_command};

use super::{Problem, code, writing};
use crate::shell;

impl From<ExposedFolder> for Problem {
    fn from(ExposedFolder { path, exposed }: ExposedFolder) -> Self {
        let (shown, word) = (path.display(), shell::word(&path));
        let hint = match exposed {
            Exposed::Foreign { user, .. } => format!(
                "each user has folders of their own: `export MINIMODEL_HOME=/path/to/folder`; if this one should be yours, \
                 `chown -R {user} {word}`"
            ),
            Exposed::Mode(_) => {
                format!("see what is in it, then take the right away: `{}`", close_to_writers_command(&word))
            }
        };
        let error = format!("the folder `{shown}` is not yours alone to write to, and is not used");
        Self::new(code::IO, error, hint).because(exposed)
    }
}

impl From<BansError> for Problem {
    fn from(error: BansError) -> Self {
        let told = error.to_string();
        match error {
            BansError::Home(HomeError::Exposed(exposed)) => Self::from(exposed),
            BansError::Home(HomeError::Unknown(_)) => {
                Self::new(code::IO, told, "set MINIMODEL_HOME to a folder of your own")
            }
            BansError::Read { path, source } | BansError::Write { path, source } => {
                let hint = format!("see what it is and who may use it: `ls -l {}`", shell::word(&path));
                Self::new(code::IO, told, hint).because(source)
            }
            BansError::NoThread(source) => {
                Self::new(code::UNEXPECTED, told, "free memory or processes, and ask again").because(source)
            }
        }
    }
}

impl From<PublisherError> for Problem {
    fn from(error: PublisherError) -> Self {
        let told = error.to_string();
        match error {
            PublisherError::Refused(refusal) => Self::from(refusal),
            PublisherError::Write { path, source } => writing(&path, &source),
            PublisherError::Home(HomeError::Exposed(exposed)) => Self::from(exposed),
            PublisherError::Home(HomeError::Unknown(_)) => {
                Self::new(code::IO, told, "set MINIMODEL_HOME to a folder of your own")
            }
            PublisherError::Io { path, source, .. } => {
                let hint = format!("see what it is and who may use it: `ls -l {}`", shell::word(&path));
                Self::new(code::IO, told, hint).because(source)
            }
            PublisherError::Damaged { path, line, what } => Self::new(
                code::INVALID,
                told,
                format!(
                    "put it back from a copy; if there is none, move it away (`mv {0} {0}.damaged`), and every \
                     publisher is new again",
                    shell::word(&path)
                ),
            )
            .because(format!("line {line}: {what}")),
            PublisherError::NotOurs { path, exposed } => {
                let word = shell::word(&path);
                let (cause, hint) = match exposed {
                    Exposed::Foreign { owner, user } => (
                        exposed.to_string(),
                        format!(
                            "only user {owner} or root can give it to you (`chown {user} {word}`); or move it away (`mv {word} \
                             {word}.foreign`), and every publisher is new again"
                        ),
                    ),
                    Exposed::Mode(mode) => (
                        format!("its mode {mode:04o} lets others write to it"),
                        format!("if its content is right, close it: `{}`", close_command(&word, false)),
                    ),
                };
                Self::new(code::IO, told, hint).because(cause)
            }
            PublisherError::Unknown(_) => {
                Self::new(code::NOT_FOUND, told, "see all: `minimodel publisher list`")
            }
            PublisherError::UnknownKey { publisher, .. } | PublisherError::SeveralKeys { publisher, .. } => {
                let hint = format!("name one of its keys: `minimodel publisher show {publisher}`");
                Self::new(code::USAGE, told, hint)
            }
            PublisherError::BadKey { .. } => {
                Self::new(code::USAGE, told, "ask the publisher for the key by a way that you trust")
            }
            PublisherError::BadId(_) => Self::new(
                code::USAGE,
                told,
                "write it as manifests do: lowercase letters, digits, `.`, `_` and `-`, the first a letter or digit",
            ),
            PublisherError::TooMany | PublisherError::TooManyKeys(_) => {
                Self::new(code::QUOTA, told, "forget what you do not need: `minimodel publisher forget ID [KEY]`")
            }
        }
    }
}

impl From<SignerRefusal> for Problem {
    fn from(refusal: SignerRefusal) -> Self {
        let (publisher, signer) = (&refusal.publisher, &refusal.signer);
        let (cause, hint) = match &refusal.reason {
            RefusalReason::Other(known) => (
                format!("known of `{publisher}`: {}", listed(known)),
                format!(
                    "ask the publisher by a way that you trust whether this is right; if it is, add \
                     `--accept-publisher-key {signer}`"
                ),
            ),
            RefusalReason::Pinned(pinned) => (
                format!("`{publisher}` is pinned to {pinned}, and no flag overrides a pin"),
                match signer.key() {
                    Some(key) => format!(
                        "if the publisher has another key now, pin that one: `minimodel publisher pin {publisher} {key}`"
                    ),
                    None => format!(
                        "ask the publisher for a signed manifest, or take the pin away: `minimodel publisher unpin \
                         {publisher}`"
                    ),
                },
            ),
            RefusalReason::Demanded(wanted) => (
                format!("--publisher-key demands {wanted}"),
                "ask the publisher which manifest is theirs, and under which key".to_owned(),
            ),
        };
        Self::new(code::MISMATCH, refusal.to_string(), hint).because(cause)
    }
}

impl From<ConsentError> for Problem {
    fn from(error: ConsentError) -> Self {
        let told = error.to_string();
        match error {
            ConsentError::Io { doing, path, source } => {
                let told = format!("cannot {doing} the consent log `{}`", path.display());
                let is_full = matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
                );
                let problem = if is_full {
                    Self::new(
                        code::DISK_FULL,
                        told,
                        "make space on that disk, then run the same command again",
                    )
                } else {
                    let hint = "nothing is done without its consent on record: see who may write to the state folder \
                                (`minimodel doctor`), then run the same command again";
                    Self::new(code::IO, told, hint)
                };
                problem.because(source)
            }
            ConsentError::Home(HomeError::Exposed(exposed)) => Self::from(exposed),
            ConsentError::Home(HomeError::Unknown(_)) => {
                Self::new(code::IO, told, "set MINIMODEL_HOME to a folder of your own")
            }
            ConsentError::Damaged { verdict, .. } => {
                let hint = "nothing is granted while it is: see `minimodel consent log --verify`";
                Self::new(code::INVALID, told, hint).because(verdict.fault.unwrap_or_default())
            }
            ConsentError::Full { .. } => {
                let hint = "consents can still be taken back for a while; to begin a new log, end the companion, move `consent.log` \
                            and `consent.head` of the state folder away together, and run `minimodel consent restore`: all grants \
                            end";
                Self::new(code::DISK_FULL, told, hint)
            }
            ConsentError::NotAGrant(why) => Self::new(code::USAGE, told, instead(&why)),
            ConsentError::Unknown(_) => {
                Self::new(code::NOT_FOUND, told, "see all grants: `minimodel consent list --all`")
            }
        }
    }
}

/// What the user can do instead of a grant that cannot be.
fn instead(why: &NotAGrant) -> &'static str {
    match why {
        NotAGrant::Nothing | NotAGrant::Twice(_) => {
            "name each action once: fetch, import, serve, cache, publish, lan, dht, map"
        }
        NotAGrant::Model(_) => {
            "a swarm id is 64 lowercase hex digits, as `minimodel manifest show` prints it"
        }
        NotAGrant::Peer { .. } => {
            "a peer id is 52 characters, as `minimodel id show` prints it on the peer's machine"
        }
        NotAGrant::NoQuota => "give a quota of a byte or more, or none; to permit nothing, grant nothing",
        NotAGrant::QuotaOfNothing => "leave the quota away, or grant `fetch` or `serve` with it",
        NotAGrant::Past { .. } => "name an end in the future, or see the clock of this machine",
        NotAGrant::Alone { .. } => "grant both, or first what it needs",
        NotAGrant::ForOne(_) => "grant it without a peer, and the rest with one",
        NotAGrant::Text { .. } => "say how it was given in a word: `flag`, `prompt`, `api`",
    }
}

#[cfg(test)]
mod tests {
    use minimodel::consent::LogVerdict;
    use minimodel::publishers::{
        KeyOrigin, KeyRecord, PublisherKey, PublisherRecord, Signer, SignerStatus, SignerVerdict,
    };

    use super::*;

    const NOW: u64 = 1_780_315_200;

    fn key(n: u8) -> PublisherKey {
        format!("ed25519:{}", format!("{n:02x}").repeat(32)).parse().unwrap()
    }

    fn publisher(keys: &[u8], pinned: Option<u8>) -> PublisherRecord {
        let known = |&n: &u8| {
            let origin = KeyOrigin::Import;
            KeyRecord { key: key(n), first_seen_unix: NOW, model: None, swarm_id: None, origin }
        };
        PublisherRecord { keys: keys.iter().map(known).collect(), pinned: pinned.map(key) }
    }

    // Rows: H10
    #[test]
    fn a_refusal_names_both_keys_and_the_flag_or_the_pin() {
        let verdict = |publisher: &PublisherRecord, signer| SignerVerdict {
            publisher: "lab".to_owned(),
            signer,
            status: SignerStatus::of(Some(publisher), &signer),
        };
        let told = |verdict: &SignerVerdict| {
            let problem = Problem::from(verdict.accept_key(None).unwrap_err());
            assert_eq!(problem.code, code::MISMATCH);
            (problem.error, problem.cause.unwrap(), problem.hint)
        };
        let (one, two) = (key(1).to_string(), key(2).to_string());
        let (error, cause, hint) = told(&verdict(&publisher(&[1], None), Signer::Key(key(2))));
        assert!(error.contains("`lab`") && error.contains(&two), "{error}");
        assert!(cause.contains(&format!("{one} since 2026-06-01T12:00:00Z")), "{cause}");
        assert!(hint.contains(&format!("--accept-publisher-key {two}`")), "{hint}");
        let (error, cause, hint) = told(&verdict(&publisher(&[1], None), Signer::Unsigned));
        assert!(error.contains("not signed") && cause.contains(&one), "{error} {cause}");
        assert!(hint.contains("--accept-publisher-key unsigned`"), "{hint}");
        let (error, cause, hint) = told(&verdict(&publisher(&[1], Some(1)), Signer::Key(key(2))));
        assert!(error.contains(&two) && cause.contains(&one), "{error} {cause}");
        assert!(hint.contains(&format!("publisher pin lab {two}")) && !hint.contains("--accept"), "{hint}");
    }

    // Rows: H10
    #[test]
    fn a_record_that_cannot_be_used_says_what_to_do_with_it() {
        let path = || "/s/publishers".into();
        let damaged = Problem::from(PublisherError::Damaged { path: path(), line: 2, what: "it".into() });
        assert_eq!(damaged.code, code::INVALID);
        assert!(damaged.hint.contains("copy") && damaged.cause.is_some());
        let exposed = Exposed::Foreign { owner: 65_534, user: 0 };
        let foreign = Problem::from(PublisherError::NotOurs { path: path(), exposed });
        assert!(foreign.cause.unwrap().contains("it belongs to user 65534"));
        // This user may not change the mode of another user's file.
        assert!(!foreign.hint.contains("chmod") && foreign.hint.contains("`mv "), "{}", foreign.hint);
        assert!(foreign.hint.contains("only user 65534"), "{}", foreign.hint);
        assert_eq!(Problem::from(PublisherError::TooMany).code, code::QUOTA);
    }

    #[test]
    fn a_consent_that_cannot_be_recorded_says_what_to_do() {
        let full = Problem::from(ConsentError::Full { path: "/s/consent.log".into(), most: 7 });
        assert!(full.code == code::DISK_FULL && full.hint.contains("consent.head"), "{full:?}");
        let verdict = LogVerdict { ok: false, entries: 1, head: String::new(), fault: Some("line 2".into()) };
        let damaged = Problem::from(ConsentError::Damaged { path: "/s/consent.log".into(), verdict });
        assert_eq!((damaged.code, damaged.cause.as_deref()), (code::INVALID, Some("line 2")));
        assert!(damaged.hint.contains("minimodel consent log --verify"));
        let unmet = minimodel::consent::unmet(|action| action == minimodel::Action::Publish).unwrap();
        for why in [
            NotAGrant::Nothing,
            NotAGrant::NoQuota,
            NotAGrant::Alone { unmet },
            NotAGrant::ForOne("lan"),
            NotAGrant::Text { field: "by" },
        ] {
            let problem = Problem::from(ConsentError::NotAGrant(why));
            assert!(problem.code == code::USAGE && !problem.hint.is_empty());
        }
    }
}
