//! The companion: a person's models, what they share with whom, what comes in, and what they agreed to.
