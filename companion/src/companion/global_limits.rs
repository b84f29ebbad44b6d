//! Limits over all transfers together.

use std::sync::Arc;

use minimodel::clock::now_unix;
use minimodel_swarm::driver::RateLimit;

use crate::db::{Db, DbError};
use crate::limits::{schedule, store};
use crate::model::{Limits, Rates};

/// The limits as stored, and the rate limiters that all transfers share.
pub(super) struct GlobalLimits {
    db: Arc<Db>,
    limits: Limits,
    /// Shared rate limiters of both directions.
    pub(super) up: RateLimit,
    pub(super) down: RateLimit,
}

impl GlobalLimits {
    pub(super) fn load(db: Arc<Db>) -> Result<Self, DbError> {
        let limits = store::load(&db)?;
        Ok(Self { db, limits, up: RateLimit::new(None), down: RateLimit::new(None) })
    }

    pub(super) fn get(&self) -> &Limits {
        &self.limits
    }

    /// Stores other limits; the rates follow at the next [`Self::apply`].
    pub(super) fn set(&mut self, limits: Limits) -> Result<(), DbError> {
        store::save(&self.db, &limits)?;
        self.limits = limits;
        Ok(())
    }

    /// Returns the rate limits of this hour.
    pub(super) fn rates(&self) -> Rates {
        schedule::rates_at(&self.limits, schedule::local_hour(now_unix()))
    }

    /// Sets the rate limiters to the rates of this hour.
    pub(super) fn apply(&self) {
        let rates = self.rates();
        self.up.set(rates.up);
        self.down.set(rates.down);
    }
}
