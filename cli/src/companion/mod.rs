//! The companion as the verbs reach it.

use minimodel_companion::api::types::{
    Activated, Announcement, Consent, Entry, Finding, Fits, Grant, Limits, LogEntry, LogVerdict, Moved,
    NewEntry, NewFetch, NewGrant, NewShare, Pruned, Status, Transfer, TransferLimits,
};
use minimodel_companion::consent::{self, ConsentBook};
use minimodel_companion::problem::code;
use minimodel_companion::{Answer, Problem, Service};

use crate::clock::now_unix;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;

/// The consents of this user.
pub(crate) fn service(context: &Context) -> Result<Box<dyn Service>, Failure> {
    Ok(Box::new(Consents(context.folders.state()?.to_owned())))
}

/// What went wrong, with the exit code of its class.
pub(crate) fn failure(problem: Problem) -> Failure {
    let class = match problem.code {
        code::USAGE => Exit::Usage,
        code::NOT_FOUND => Exit::NotFound,
        code::VERIFICATION => Exit::Verification,
        code::CONSENT => Exit::Consent,
        code::STOPPED => Exit::Stopped,
        code::DISK_FULL => Exit::DiskFull,
        code::INVALID => Exit::Invalid,
        code::BUSY => Exit::Busy,
        code::QUOTA => Exit::Quota,
        code::IO => Exit::Io,
        _ => Exit::Unexpected,
    };
    let shown = |text: &str| crate::escape::harmless(text);
    let failure = Failure::new(class, shown(&problem.error), shown(&problem.hint));
    match problem.cause {
        Some(cause) => failure.because(shown(&cause)),
        None => failure,
    }
}

struct Consents(std::path::PathBuf);

impl Consents {
    fn book(&self) -> Answer<ConsentBook> {
        Ok(ConsentBook::open(&self.0)?)
    }

    fn all(&self) -> Answer<Vec<Grant>> {
        Ok(self.book()?.grants().list(now_unix(), |_| 0))
    }
}

macro_rules! none_yet {
    ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($arg: $type),*) -> Answer<$answer> {
            $(let _ = $arg;)*
            Err(Problem::new(code::UNEXPECTED, "no companion answers", "start it: `minimodel companion start`"))
        })*
    };
}

impl Service for Consents {
    fn grants(&self) -> Answer<Vec<Grant>> {
        self.all()
    }

    fn grant(&self, new: NewGrant) -> Answer<Vec<Grant>> {
        let made = self.book()?.grant(&new, now_unix())?;
        Ok(self.all()?.into_iter().filter(|grant| made.contains(&grant.id)).collect())
    }

    fn revoke(&self, id: u64) -> Answer<Grant> {
        self.book()?.revoke(id, "api", now_unix())?;
        let found = self.all()?.into_iter().find(|grant| grant.id == id);
        found.ok_or_else(|| {
            Problem::new(code::NOT_FOUND, "no such grant", "see `minimodel consent list --all`")
        })
    }

    fn consent_log(&self) -> Answer<Vec<LogEntry>> {
        Ok(self.book()?.lines())
    }

    fn verify_log(&self) -> Answer<LogVerdict> {
        Ok(consent::verify(&self.0)?)
    }

    fn library(&self) -> Answer<Vec<Entry>> {
        Ok(Vec::new())
    }

    none_yet! {
        status() -> Status;
        stop() -> ();
        share(new: NewShare) -> Transfer;
        fetch(new: NewFetch) -> Transfer;
        transfer(id: u64) -> Transfer;
        answer(id: u64, consent: Consent) -> Transfer;
        start(id: u64) -> Transfer;
        pause(id: u64) -> Transfer;
        limit(id: u64, limits: TransferLimits) -> Transfer;
        forget(id: u64) -> ();
        limits() -> Limits;
        set_limits(limits: Limits) -> Limits;
        moved(days: u32) -> Vec<Moved>;
        announcements() -> Vec<Announcement>;
        announce(transfer: u64, consent: Consent) -> Announcement;
        unannounce(transfer: u64) -> ();
        entry(id: u64) -> Entry;
        manifest(id: u64) -> String;
        add(new: NewEntry) -> Entry;
        verify(id: u64) -> Entry;
        remove(id: u64) -> ();
        pin(id: u64, pinned: bool) -> Entry;
        prune(keep_bytes: u64) -> Pruned;
        activate(id: u64) -> Activated;
        rollback(model_id: &str) -> Activated;
        fits(manifest: &str) -> Fits;
        doctor() -> Vec<Finding>;
    }
}
