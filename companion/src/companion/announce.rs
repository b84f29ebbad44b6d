//! Announcements: files with an offer of this machine, for the user to hand on. An announcement exists exactly as long as the
//! user's consent to publish.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minimodel::clock::{now_unix, utc};
use minimodel::consent::{Action, Grant, GrantState, NewGrant};
use minimodel_swarm::store::files::named_in_temporary;

use super::desired::Desired;
use super::row::TransferRow;
use super::transfers::unknown;
use super::{Core, Inner};
use crate::files;
use crate::model::{Announcement, Consent, Event};
use crate::problem::{Problem, code};

impl Core {
    pub(super) fn announced(self: &Arc<Self>, id: u64, consent: &Consent) -> Result<Announcement, Problem> {
        let mut inner = self.lock();
        let row = inner.rows.get(&id).cloned().ok_or_else(|| unknown(id))?;
        if consent.actions != [Action::Publish] {
            return Err(Problem::new(
                code::CONSENT,
                "announcing needs the consent to publish, and takes no other",
                "agree to it: `minimodel announce on MODEL --consent publish`",
            ));
        }
        let Some(offer) = inner.running.get(&id).and_then(|running| running.offer.clone()) else {
            return Err(Problem::new(
                code::NOT_FOUND,
                format!("transfer {id} serves nobody now, so there is nothing to announce"),
                "start it first: `minimodel status` says how it stands",
            ));
        };
        let new = NewGrant {
            actions: consent.actions.clone(),
            by: consent.by.clone(),
            expires_unix: consent.expires_unix,
            quota_bytes: consent.quota_bytes,
            model: Some(row.swarm_id.clone()),
            peer: None,
        };
        let grants = inner.book.grant(&new, now_unix())?;
        let mut row = row;
        row.grants.extend(&grants);
        self.save(&row)?;
        let announcement = self.announcement(&inner, &row, &offer)?;
        files::create_folder(&self.folder())?;
        files::write(&self.path(&row), format!("{offer}\n").as_bytes())?;
        inner.rows.insert(id, row);
        let _ = self.events.send(Event::Consent);
        self.wake(&mut inner);
        Ok(announcement)
    }

    pub(super) fn unannounced(self: &Arc<Self>, id: u64) -> Result<(), Problem> {
        let mut inner = self.lock();
        let row = inner.rows.get(&id).cloned().ok_or_else(|| unknown(id))?;
        let grants = inner.book.grants().list(now_unix(), |grant| inner.accounts.used(grant));
        let open = grants.iter().filter(|grant| permits_publishing(grant, &row));
        let (own, wide): (Vec<_>, Vec<_>) = open.partition(|grant| grant.model.is_some());
        if let Some(grant) = wide.first() {
            return Err(Problem::new(
                code::CONSENT,
                format!("grant {} permits to publish every model, this one too", grant.id),
                format!("take it back: `minimodel consent revoke {}`", grant.id),
            ));
        }
        for grant in own {
            inner.book.revoke(grant.id, "announce off", now_unix())?;
        }
        let _ = self.events.send(Event::Consent);
        self.take_down(&row);
        self.wake(&mut inner);
        Ok(())
    }

    pub(super) fn announcements(&self) -> Vec<Announcement> {
        let inner = self.lock();
        let all = inner.running.iter().filter_map(|(id, running)| {
            let (row, offer) = (inner.rows.get(id)?, running.offer.as_ref()?);
            matches!(running.desired, Desired::Run { publishes: true, .. })
                .then(|| self.announcement(&inner, row, offer).ok())?
        });
        all.collect()
    }

    fn announcement(
        &self,
        inner: &Inner,
        row: &TransferRow,
        offer: &minimodel_wire::SignedOffer,
    ) -> Result<Announcement, Problem> {
        let permission = inner.book.grants().list(now_unix(), |grant| inner.accounts.used(grant));
        let grant = permission.iter().find(|grant| permits_publishing(grant, row));
        let grant = grant.ok_or_else(|| {
            Problem::new(
                code::CONSENT,
                "nobody agreed to announce this",
                "agree to it: `minimodel announce on MODEL`",
            )
        })?;
        Ok(Announcement {
            transfer: row.id,
            model: self.model_of(row),
            offer: offer.to_string(),
            path: self.path(row).to_string_lossy().into_owned(),
            grant: grant.id,
            expires_utc: utc(offer.offer().expires_unix),
        })
    }

    /// Writes the announcements that are agreed to and removes all others, also those that an earlier run left.
    pub(super) fn announce_as_agreed(&self, inner: &Inner) {
        let mut agreed = BTreeSet::new();
        for row in inner.rows.values() {
            if !self.permission(inner, row, Action::Publish).is_some() {
                continue;
            }
            let path = self.path(row);
            let running = inner.running.get(&row.id).filter(|running| !running.is_ending());
            if let Some((Some(offer), Desired::Run { publishes: true, .. })) =
                running.map(|running| (&running.offer, &running.desired))
            {
                let text = format!("{offer}\n");
                if std::fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
                    // After a write error the next reconcile tries again.
                    let _ = files::create_folder(&self.folder())
                        .and_then(|()| files::write(&path, text.as_bytes()));
                }
            }
            agreed.insert(path);
        }
        let there = std::fs::read_dir(self.folder()).into_iter().flatten().flatten().map(|file| file.path());
        for path in there.filter(|path| !agreed.contains(path) && is_named_by_us(path)) {
            // After an error the next reconcile tries again.
            let _ = std::fs::remove_file(path);
        }
    }

    pub(super) fn take_down(&self, row: &TransferRow) {
        // The file may already be gone.
        let _ = std::fs::remove_file(self.path(row));
    }

    fn folder(&self) -> PathBuf {
        self.places.folder.join("announcements")
    }

    fn path(&self, row: &TransferRow) -> PathBuf {
        self.folder().join(format!("{}-{}.offer", row.id, row.swarm_id))
    }
}

/// Returns true for `ID-SWARM.offer` and for its temporary name while it is written. Other files in the folder are not the
/// companion's to remove.
fn is_named_by_us(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = named_in_temporary(name).unwrap_or(name);
    let Some(stem) = name.strip_suffix(".offer") else { return false };
    let is_hex = |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    stem.split_once('-').is_some_and(|(id, swarm)| id.parse::<u64>().is_ok() && is_hex(swarm, 64))
}

fn permits_publishing(grant: &Grant, row: &TransferRow) -> bool {
    grant.action == Action::Publish
        && grant.state == GrantState::Active
        && grant.model.as_ref().is_none_or(|model| *model == row.swarm_id)
}
