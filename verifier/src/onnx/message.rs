//! Which messages, texts and numbers are looked at, by the field numbers of `onnx.proto`.

/// A message whose fields are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Model,
    OperatorSet,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
    /// A key and a value of `external_data`.
    External,
}

/// A text that is held, or numbers that are packed like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Domain,
    Producer,
    Key,
    Value,
    Dimensions,
}

impl Message {
    /// The message in this field, if it is looked at.
    pub(super) fn inside(self, field: u64) -> Option<Self> {
        Some(match (self, field) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 8) | (Self::Function, 9) => Self::OperatorSet,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Self::Tensor,
            (Self::Tensor, 13) => Self::External,
            _ => return None,
        })
    }

    /// The text in this field, if it is looked at.
    pub(super) fn text(self, field: u64) -> Option<Text> {
        Some(match (self, field) {
            (Self::OperatorSet, 1) | (Self::Node, 7) => Text::Domain,
            (Self::Model, 2) => Text::Producer,
            (Self::External, 1) => Text::Key,
            (Self::External, 2) => Text::Value,
            (Self::Tensor, 1) => Text::Dimensions,
            _ => return None,
        })
    }
}
