//! Each call of [`Service`] as a request to its route; `api::routes` is the server side.

use std::path::Path;

use minimodel::consent::{Grant, LogEntry, LogVerdict, NewGrant};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Method;

use super::{Client, Patience, read, text};
use crate::api::types;
use crate::api::{Fitted, Kept, Pinned};
use crate::model::{
    Activated, Activation, Announcement, ChunkMap, Consent, Entry, Files, Finding, Fits, KnownBan,
    KnownPublisher, Limits, Moved, NewEntry, NewFetch, NewShare, Pruned, RateHistory, ReceiptLine,
    ReceiptText, Span, Status, Transfer, TransferLimits,
};
use crate::service::{Answer, Service};

/// The page's sessions, which exist in the interface alone.
impl Client {
    /// Mints a code that a browser exchanges for a session, once.
    ///
    /// # Errors
    ///
    /// The companion does not answer.
    pub fn mint_code(&self) -> Answer<types::SessionCode> {
        self.post("/v1/sessions/codes", &Nothing {})
    }

    /// Returns the sessions that are open.
    ///
    /// # Errors
    ///
    /// The companion does not answer.
    pub fn sessions(&self) -> Answer<Vec<types::Session>> {
        self.get("/v1/sessions")
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// None is open with this id, or the companion does not answer.
    pub fn end_session(&self, id: u64) -> Answer<()> {
        self.ended(&Method::DELETE, &format!("/v1/sessions/{id}"))
    }
}

/// The body of requests that need none.
#[derive(Serialize)]
struct Nothing {}

impl Client {
    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Answer<T> {
        read(self.send(&Method::POST, path, Patience::Quick, body)?)
    }

    fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Answer<T> {
        read(self.send(&Method::PUT, path, Patience::Quick, body)?)
    }

    fn delete<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        read(self.send(&Method::DELETE, path, Patience::Quick, &Nothing {})?)
    }

    fn long<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Answer<T> {
        read(self.send(&Method::POST, path, Patience::Long, body)?)
    }

    fn manifest_text(&self, path: &str) -> Answer<String> {
        let text = text(self.send(&Method::GET, path, Patience::Quick, &())?)?;
        String::from_utf8(text).map_err(|error| super::unexpected(&error))
    }

    /// Sends a request whose answer has no body.
    fn ended(&self, method: &Method, path: &str) -> Answer<()> {
        self.send(method, path, Patience::Quick, &Nothing {}).map(|_| ())
    }
}

impl Service for Client {
    fn status(&self) -> Answer<Status> {
        self.get("/v1/status")
    }

    fn stop(&self) -> Answer<()> {
        self.ended(&Method::POST, "/v1/stop")
    }

    fn share(&self, new: NewShare) -> Answer<Transfer> {
        self.post("/v1/shares", &new)
    }

    fn fetch(&self, new: NewFetch) -> Answer<Transfer> {
        self.post("/v1/fetches", &new)
    }

    fn transfer(&self, id: u64) -> Answer<Transfer> {
        self.get(&format!("/v1/transfers/{id}"))
    }

    fn chunks(&self, id: u64, cells: u32) -> Answer<ChunkMap> {
        self.get(&format!("/v1/transfers/{id}/chunks?cells={cells}"))
    }

    fn history(&self, id: Option<u64>, span: Span) -> Answer<RateHistory> {
        let of = id.map_or_else(String::new, |id| format!("/transfers/{id}"));
        self.get(&format!("/v1{of}/history?span={}", span.seconds()))
    }

    fn answer(&self, id: u64, consent: Consent) -> Answer<Transfer> {
        self.post(&format!("/v1/transfers/{id}/consent"), &consent)
    }

    fn start(&self, id: u64) -> Answer<Transfer> {
        self.post(&format!("/v1/transfers/{id}/start"), &Nothing {})
    }

    fn pause(&self, id: u64) -> Answer<Transfer> {
        self.post(&format!("/v1/transfers/{id}/pause"), &Nothing {})
    }

    fn limit(&self, id: u64, limits: TransferLimits) -> Answer<Transfer> {
        self.put(&format!("/v1/transfers/{id}/limits"), &limits)
    }

    fn forget(&self, id: u64) -> Answer<()> {
        self.ended(&Method::DELETE, &format!("/v1/transfers/{id}"))
    }

    fn limits(&self) -> Answer<Limits> {
        self.get("/v1/limits")
    }

    fn set_limits(&self, limits: Limits) -> Answer<Limits> {
        self.put("/v1/limits", &limits)
    }

    fn moved(&self, days: u32) -> Answer<Vec<Moved>> {
        self.get(&format!("/v1/moved?days={days}"))
    }

    fn grants(&self) -> Answer<Vec<Grant>> {
        self.get("/v1/grants").map(list::<types::Grant, _>)
    }

    fn grant(&self, new: NewGrant) -> Answer<Vec<Grant>> {
        self.post("/v1/grants", &types::NewGrant::from(new)).map(list::<types::Grant, _>)
    }

    fn revoke(&self, id: u64) -> Answer<Grant> {
        self.delete::<types::Grant>(&format!("/v1/grants/{id}")).map(Into::into)
    }

    fn consent_log(&self) -> Answer<Vec<LogEntry>> {
        self.get("/v1/consent/log").map(list::<types::LogEntry, _>)
    }

    fn verify_log(&self) -> Answer<LogVerdict> {
        self.get::<types::LogVerdict>("/v1/consent/verify").map(Into::into)
    }

    fn announcements(&self) -> Answer<Vec<Announcement>> {
        self.get("/v1/announcements")
    }

    fn announce(&self, transfer: u64, consent: Consent) -> Answer<Announcement> {
        self.put(&format!("/v1/transfers/{transfer}/announcement"), &consent)
    }

    fn unannounce(&self, transfer: u64) -> Answer<()> {
        self.ended(&Method::DELETE, &format!("/v1/transfers/{transfer}/announcement"))
    }

    fn library(&self) -> Answer<Vec<Entry>> {
        self.get("/v1/library")
    }

    fn entry(&self, id: u64) -> Answer<Entry> {
        self.get(&format!("/v1/library/{id}"))
    }

    fn manifest(&self, id: u64) -> Answer<String> {
        self.manifest_text(&format!("/v1/library/{id}/manifest"))
    }

    fn add(&self, new: NewEntry) -> Answer<Entry> {
        self.long("/v1/library", &new)
    }

    fn verify(&self, id: u64) -> Answer<Entry> {
        self.long(&format!("/v1/library/{id}/verify"), &Nothing {})
    }

    fn remove(&self, id: u64) -> Answer<()> {
        self.ended(&Method::DELETE, &format!("/v1/library/{id}"))
    }

    fn pin(&self, id: u64, pinned: bool) -> Answer<Entry> {
        let path = format!("/v1/library/{id}/pin");
        if pinned { self.put(&path, &Nothing {}) } else { self.delete(&path) }
    }

    fn prune(&self, keep_bytes: u64) -> Answer<Pruned> {
        self.long("/v1/library/prune", &Kept { keep_bytes })
    }

    fn activate(&self, id: u64, activation: Activation) -> Answer<Activated> {
        self.post(&format!("/v1/library/{id}/activate"), &activation)
    }

    fn rollback(&self, model_id: &str) -> Answer<Activated> {
        self.post(&format!("/v1/models/{}/rollback", segment(model_id)), &Nothing {})
    }

    fn receipts(&self) -> Answer<Vec<ReceiptLine>> {
        self.get("/v1/receipts")
    }

    fn receipt(&self, id: &str) -> Answer<ReceiptText> {
        self.get(&format!("/v1/receipts/{}", segment(id)))
    }

    fn bans(&self) -> Answer<Vec<KnownBan>> {
        self.get("/v1/blame")
    }

    fn lift_ban(&self, id: &str) -> Answer<()> {
        self.ended(&Method::DELETE, &format!("/v1/blame/{}", segment(id)))
    }

    fn publishers(&self) -> Answer<Vec<KnownPublisher>> {
        self.get("/v1/publishers")
    }

    fn pin_publisher(&self, id: &str, key: Option<&str>) -> Answer<KnownPublisher> {
        self.put(&format!("/v1/publishers/{}/pin", segment(id)), &Pinned { key: key.map(str::to_owned) })
    }

    fn forget_publisher(&self, id: &str) -> Answer<()> {
        self.ended(&Method::DELETE, &format!("/v1/publishers/{}", segment(id)))
    }

    fn fits(&self, manifest: &str) -> Answer<Fits> {
        self.post("/v1/fits", &Fitted { manifest: manifest.to_owned() })
    }

    fn files(&self, under: Option<&Path>) -> Answer<Files> {
        let query = under.map(|under| format!("?under={}", segment(&under.to_string_lossy())));
        self.get(&format!("/v1/files{}", query.unwrap_or_default()))
    }

    fn chosen_manifest(&self, path: &Path) -> Answer<String> {
        self.manifest_text(&format!("/v1/files/manifest?path={}", segment(&path.to_string_lossy())))
    }

    fn doctor(&self) -> Answer<Vec<Finding>> {
        read(self.send(&Method::GET, "/v1/doctor", Patience::Long, &())?)
    }
}

fn list<B: Into<T>, T>(bodies: Vec<B>) -> Vec<T> {
    bodies.into_iter().map(Into::into).collect()
}

/// Encodes a text as one segment of a path or one value of a query: RFC 3986 section 2.1, all but unreserved characters percent-encoded.
fn segment(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
