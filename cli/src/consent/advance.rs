//! Consent that the user gave to a fetch before its manifest was known.

use std::collections::BTreeSet;

use minimodel::consent::Action;
use minimodel::publishers::{SignerStatus, SignerVerdict};

use crate::escape;

/// The answer `yes fetch ...` to the question for a manifest. It counts for a manifest that is signed by a key which is known
/// or which no other key of its publisher contradicts; for any other the user is asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advance {
    actions: BTreeSet<Action>,
}

impl Advance {
    pub(super) fn new(actions: BTreeSet<Action>) -> Self {
        Self { actions }
    }

    /// The actions that the user agreed to, if the answer counts for this manifest and names all of `required`.
    ///
    /// # Errors
    ///
    /// The answer does not count; the text says why, for the question that follows.
    pub(crate) fn counting(
        &self,
        verdict: Option<&SignerVerdict>,
        required: &[Action],
    ) -> Result<BTreeSet<Action>, String> {
        let doubt = match verdict.map(|verdict| (&verdict.status, escape::shown(&verdict.publisher))) {
            Some((SignerStatus::New | SignerStatus::Known { .. }, _)) => {
                let is_whole = required.iter().all(|action| self.actions.contains(action));
                return if is_whole { Ok(self.actions.clone()) } else { Err(again("it needs more consent")) };
            }
            Some((SignerStatus::Unsigned, id)) => {
                format!("the manifest is not signed, so nobody vouches for the publisher name `{id}`")
            }
            Some((SignerStatus::Changed { .. } | SignerStatus::PinMismatch { .. }, id)) => {
                format!("the manifest is signed by another key than the known one of `{id}`")
            }
            Some((SignerStatus::SignatureMissing { .. }, id)) => {
                format!("the manifest is not signed, and `{id}` has a known key")
            }
            None => "whether the publisher's key is known cannot be told".to_owned(),
        };
        Err(again(&doubt))
    }
}

fn again(why: &str) -> String {
    format!("{why}; your answer to the first question does not count")
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use minimodel::publishers::{KeyOrigin, KeyRecord, PublisherKey, Signer};

    use super::*;

    const FETCH: &[Action] = &[Action::Fetch, Action::Import];

    // Rows: H10
    #[test]
    fn an_early_answer_never_counts_for_a_signature_in_doubt() {
        let signer = SigningKey::from_bytes(&[7; 32]).verifying_key();
        let hex = data_encoding::HEXLOWER.encode(signer.as_bytes());
        let key: PublisherKey = format!("ed25519:{hex}").parse().unwrap();
        let record =
            KeyRecord { key, first_seen_unix: 1, model: None, swarm_id: None, origin: KeyOrigin::Import };
        let verdict = |status| SignerVerdict { publisher: "lab".into(), signer: Signer::Unsigned, status };
        let advance = Advance::new(FETCH.iter().copied().collect());
        let counts = |status| advance.counting(Some(&verdict(status)), FETCH);
        assert!(counts(SignerStatus::New).is_ok());
        assert!(counts(SignerStatus::Known { key: record.clone(), is_pinned: false }).is_ok());
        for (status, words) in [
            (SignerStatus::Unsigned, "nobody vouches"),
            (SignerStatus::Changed { known: vec![record.clone()] }, "another key"),
            (SignerStatus::SignatureMissing { known: vec![record] }, "has a known key"),
            (SignerStatus::PinMismatch { pinned: key }, "another key"),
        ] {
            let why = counts(status).unwrap_err();
            assert!(why.contains(words) && why.contains("does not count"), "{why}");
        }
        advance.counting(None, FETCH).unwrap_err();
        advance.counting(Some(&verdict(SignerStatus::New)), &[Action::Serve]).unwrap_err();
    }
}
