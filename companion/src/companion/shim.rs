use crate::api::types::*;
use crate::consent::*;
use crate::library::Library;
use crate::problem::Problem;
pub(super) trait G {
    fn permission_without(
        &self,
        a: Action,
        s: &str,
        n: u64,
        used: impl Fn(u64) -> u64,
        e: &dyn Fn(u64) -> bool,
        l: u64,
    ) -> Permission;
    fn charged_without(
        &self,
        a: Action,
        s: &str,
        p: &str,
        n: u64,
        used: impl Fn(u64) -> u64,
        e: &dyn Fn(u64) -> bool,
    ) -> Option<u64>;
}
impl G for Grants {
    fn permission_without(
        &self,
        a: Action,
        s: &str,
        n: u64,
        used: impl Fn(u64) -> u64,
        _e: &dyn Fn(u64) -> bool,
        _l: u64,
    ) -> Permission {
        self.permission(a, s, n, used)
    }
    fn charged_without(
        &self,
        a: Action,
        s: &str,
        p: &str,
        n: u64,
        used: impl Fn(u64) -> u64,
        _e: &dyn Fn(u64) -> bool,
    ) -> Option<u64> {
        self.charged(a, s, p, n, used)
    }
}
pub(super) trait B {
    fn grant_all(&mut self, n: &[NewGrant], now: u64) -> Result<Vec<u64>, ConsentError>;
    fn revoke_all(&mut self, n: &[u64], by: &str, now: u64) -> Result<(), ConsentError>;
}
impl B for ConsentBook {
    fn grant_all(&mut self, n: &[NewGrant], now: u64) -> Result<Vec<u64>, ConsentError> {
        let mut v = Vec::new();
        for g in n {
            v.extend(self.grant(g, now)?);
        }
        Ok(v)
    }
    fn revoke_all(&mut self, n: &[u64], by: &str, now: u64) -> Result<(), ConsentError> {
        for g in n {
            self.revoke(*g, by, now)?;
        }
        Ok(())
    }
}
pub(super) trait L {
    fn begin_fetch(&self, id: u64) -> Result<Entry, Problem>;
    fn fetch_failed(&self, id: u64, r: &str) -> Result<Entry, Problem>;
    fn fetch_dropped(&self, id: u64) -> Result<Entry, Problem>;
}
impl L for Library {
    fn begin_fetch(&self, id: u64) -> Result<Entry, Problem> {
        self.set_state(id, EntryState::Downloading, None)
    }
    fn fetch_failed(&self, id: u64, r: &str) -> Result<Entry, Problem> {
        self.set_state(id, EntryState::Failed, Some(r.to_owned()))
    }
    fn fetch_dropped(&self, id: u64) -> Result<Entry, Problem> {
        self.set_state(id, EntryState::Available, None)
    }
}
