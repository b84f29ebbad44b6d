//! What is on record beside transfers and library: receipts, bans and known publishers.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use minimodel::Home;
use minimodel::bans::{BanEntry, BanLedger, KnownBans};
use minimodel::clock::utc;
use minimodel::input;
use minimodel_verifier::receipt::{MAX_RECEIPT_BYTES, Receipt};
use sha2::{Digest as _, Sha256};

use crate::model::{Entry, KnownBan, ReceiptLine, ReceiptParts, ReceiptText, Transfer};
use crate::problem::{Problem, code};

/// An import whose receipt is known.
#[derive(Debug)]
pub(crate) struct Imported {
    receipt: PathBuf,
    line: ReceiptLine,
}

/// Returns the imports of the library and of transfers that are done. One that is both is that of the library.
pub(crate) fn imports(entries: Vec<Entry>, transfers: Vec<Transfer>) -> Vec<Imported> {
    let mut found: Vec<Imported> = Vec::new();
    for entry in entries {
        let (Some(receipt), Some(path)) = (entry.receipt, entry.path) else { continue };
        let line = ReceiptLine {
            id: format!("entry-{}", entry.id),
            model_id: entry.model_id,
            model_version: entry.model_version,
            swarm_id: entry.swarm_id,
            time_utc: None,
            path,
            ok: false,
            bytes: entry.byte_count,
        };
        found.push(Imported { receipt: receipt.into(), line });
    }
    for transfer in transfers {
        let Some(receipt) = transfer.receipt.map(PathBuf::from) else { continue };
        if found.iter().any(|import| import.receipt == receipt) {
            continue;
        }
        let line = ReceiptLine {
            id: format!("transfer-{}", transfer.id),
            model_id: transfer.model_id,
            model_version: transfer.model_version,
            swarm_id: transfer.swarm_id,
            time_utc: None,
            path: transfer.path,
            ok: false,
            bytes: transfer.total_bytes,
        };
        found.push(Imported { receipt, line });
    }
    found
}

impl Imported {
    /// Reads the receipt for the list.
    pub(crate) fn line(self) -> ReceiptLine {
        let read = read(&self.receipt).ok().and_then(|text| Receipt::parse(&text).ok());
        let Some(receipt) = read.filter(|receipt| is_of(receipt, &self.line)) else { return self.line };
        ReceiptLine { time_utc: Some(receipt.import().finished_utc.clone()), ok: true, ..self.line }
    }

    /// True if this is the import of this name.
    pub(crate) fn is(&self, id: &str) -> bool {
        self.line.id == id
    }

    /// Reads the whole receipt.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not valid.
    pub(crate) fn text(&self) -> Result<ReceiptText, Problem> {
        let path = self.receipt.display();
        let hint = "write it anew with `minimodel write-import-receipt`, which checks the file in full";
        let text = read(&self.receipt).map_err(|error| {
            Problem::new(code::IO, format!("the receipt `{path}` cannot be read"), hint).because(error)
        })?;
        let receipt = Receipt::parse(&text).map_err(|error| {
            Problem::new(code::INVALID, format!("`{path}` is no valid receipt"), hint).because(error)
        })?;
        Ok(ReceiptText {
            receipt: ReceiptParts::from(&receipt),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }
}

/// Returns true if the receipt in the place of an import's is of that content.
fn is_of(receipt: &Receipt, line: &ReceiptLine) -> bool {
    HEXLOWER.encode(&receipt.subject().swarm_id) == line.swarm_id
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let opened = input::open(path).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    let most = MAX_RECEIPT_BYTES as u64 + 1;
    opened.file.take(most).read_to_end(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// Bans of a home folder.
#[derive(Debug)]
pub(crate) struct Bans(BanLedger);

impl Bans {
    /// Opens the ledger of a home folder.
    ///
    /// # Errors
    ///
    /// The folder cannot be used.
    pub(crate) fn of(home: &Home) -> Result<Self, Problem> {
        Ok(Self(BanLedger::of(home).map_err(minimodel::bans::BansError::from)?))
    }

    /// Returns the bans of the last 30 days, the newest first.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub(crate) fn list(&self, now_unix: u64) -> Result<Vec<KnownBan>, Problem> {
        let known = self.0.read(now_unix)?;
        Ok(known.entries.iter().rev().map(|entry| shown(&known, entry, now_unix)).collect())
    }

    /// Lifts a ban, as `blame clear` does for all of a peer.
    ///
    /// # Errors
    ///
    /// No ban has this name, or the ledger cannot be written.
    pub(crate) fn lift(&self, id: &str, now_unix: u64) -> Result<(), Problem> {
        if self.0.remove(now_unix, |entry| name(entry) == id)?.is_empty() {
            let hint = "see all: `minimodel blame list`";
            return Err(Problem::new(code::NOT_FOUND, "no ban has this name", hint));
        }
        Ok(())
    }
}

/// A name for a ban, which its line in the ledger has not: it does not change while other lines go.
fn name(entry: &BanEntry) -> String {
    let text = format!("{}\n{}\n{}\n{}", entry.peer, entry.swarm_id, entry.at_unix, entry.reason);
    HEXLOWER.encode(&Sha256::digest(text)[..8])
}

fn shown(known: &KnownBans, entry: &BanEntry, now_unix: u64) -> KnownBan {
    let until = known.until(entry);
    KnownBan {
        id: name(entry),
        peer: entry.peer.clone(),
        reason: entry.reason.clone(),
        model: entry.model.clone(),
        swarm_id: entry.swarm_id.clone(),
        chunk: entry.chunk,
        expected: entry.expected.clone(),
        got: entry.got.clone(),
        set_utc: utc(entry.at_unix),
        until_utc: utc(until),
        active: now_unix < until,
        everywhere: known.is_banned_everywhere(&entry.peer),
    }
}
