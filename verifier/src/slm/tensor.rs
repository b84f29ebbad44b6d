//! Which tensors a header requires, and their shapes.

use super::header::Header;
use super::names::{Part, Shape, TensorName};

impl TensorName {
    /// The shape that a checked header gives the tensor.
    pub(super) fn shape(self, header: &Header) -> Shape {
        let Header { vocab_size: vocab, hidden_size: hidden, ffn_size: ffn, .. } = *header;
        match self.part {
            Part::Norm | Part::AttnNorm | Part::FfnNorm => Shape::Vector([hidden]),
            Part::TokEmbeddings | Part::Output => Shape::Matrix([vocab, hidden]),
            Part::Wq | Part::Wo => Shape::Matrix([hidden, hidden]),
            Part::Wk | Part::Wv => Shape::Matrix([header.kv_size(), hidden]),
            Part::W1 | Part::W3 => Shape::Matrix([ffn, hidden]),
            Part::W2 => Shape::Matrix([hidden, ffn]),
        }
    }
}

/// The required tensors of a header, to be found by hash.
#[derive(Debug)]
pub(super) struct Required {
    /// Sorted by hash.
    tensors: Vec<(u64, TensorName)>,
}

impl Required {
    /// Lists the required tensors. The caller has checked their number against the directory's length and the limit.
    pub(super) fn of(header: &Header) -> Self {
        let global = |part| TensorName { layer: None, part };
        let mut names = vec![global(Part::TokEmbeddings), global(Part::Norm)];
        if !header.is_output_tied() {
            names.push(global(Part::Output));
        }
        for layer in 0..header.layer_count {
            names.extend(Part::OF_LAYER.map(|part| TensorName { layer: Some(layer), part }));
        }
        let mut tensors: Vec<_> = names.into_iter().map(|name| (name.hash(), name)).collect();
        tensors.sort_unstable_by_key(|(hash, _)| *hash);
        Self { tensors }
    }

    pub(super) fn by_hash(&self, hash: u64) -> Option<TensorName> {
        let place = self.tensors.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        self.tensors.get(place).map(|(_, name)| *name)
    }

    /// A required tensor whose hash is not among these sorted ones.
    pub(super) fn first_missing(&self, sorted_hashes: &[u64]) -> Option<TensorName> {
        self.tensors
            .iter()
            .find(|(hash, _)| sorted_hashes.binary_search(hash).is_err())
            .map(|(_, name)| *name)
    }
}
