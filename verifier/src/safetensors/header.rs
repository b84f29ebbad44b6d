//! The JSON of the header, read with what a map would hide: names that stand twice.

use std::collections::BTreeSet;
use std::fmt;

use crate::scan::Described;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// The content of a header.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// In the order of the file.
    pub(super) tensors: Vec<Tensor>,
    /// `__metadata__`, in the order of the file.
    pub(super) metadata: Vec<(String, String)>,
    /// The first name of a tensor that stands twice, or `__metadata__`.
    pub(super) doubled_tensor: Option<String>,
    /// The first key of `__metadata__` that stands twice.
    pub(super) doubled_key: Option<String>,
}

impl Header {
    /// What `__metadata__` says of the model, by the names of ModelSpec 1.0.
    pub(super) fn model(&self) -> Described {
        let text = |key: &str| {
            let (_, value) =
                self.metadata.iter().find(|(name, _)| name.strip_prefix("modelspec.") == Some(key))?;
            Some(value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        Described { name: text("title"), license: text("license"), ..Default::default() }
    }
}

/// One tensor.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) entry: Entry,
}

/// What the header says of a tensor.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    /// First byte, and the one behind the last, counted from the end of the header.
    pub(super) data_offsets: (u64, u64),
    /// A field that is none of these, if there is one.
    pub(super) unknown: Option<String>,
}

/// A type that is read from the pairs of a JSON object, in their order.
macro_rules! of_pairs {
    ($type:ty, $expects:literal, $read:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                struct Pairs;
                impl<'de> Visitor<'de> for Pairs {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expects)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$type, A::Error> {
                        $read(map)
                    }
                }
                source.deserialize_map(Pairs)
            }
        }
    };
}

of_pairs!(Header, "an object of tensors", read_header);
of_pairs!(Entry, "an object with dtype, shape and data_offsets", read_entry);
of_pairs!(Texts, "an object of texts", read_texts);

/// The pairs of `__metadata__`.
struct Texts(Vec<(String, String)>);

fn read_header<'de, A: MapAccess<'de>>(mut map: A) -> Result<Header, A::Error> {
    let mut header = Header::default();
    let mut names = BTreeSet::new();
    while let Some(name) = map.next_key::<String>()? {
        if name == "__metadata__" {
            header.metadata = map.next_value::<Texts>()?.0;
        } else {
            header.tensors.push(Tensor { name: name.clone(), entry: map.next_value()? });
        }
        if let Some(name) = names.replace(name) {
            header.doubled_tensor.get_or_insert(name);
        }
    }
    let mut keys = BTreeSet::new();
    header.doubled_key = header.metadata.iter().map(|(key, _)| key).find(|key| !keys.insert(*key)).cloned();
    Ok(header)
}

fn read_entry<'de, A: MapAccess<'de>>(mut map: A) -> Result<Entry, A::Error> {
    let (mut dtype, mut shape, mut data_offsets, mut unknown) = (None, None, None, None);
    while let Some(field) = map.next_key::<String>()? {
        let is_doubled = match field.as_str() {
            "dtype" => dtype.replace(map.next_value()?).is_some(),
            "shape" => shape.replace(map.next_value()?).is_some(),
            "data_offsets" => data_offsets.replace(map.next_value()?).is_some(),
            _ => {
                map.next_value::<IgnoredAny>()?;
                unknown.get_or_insert(field);
                continue;
            }
        };
        if is_doubled {
            return Err(A::Error::custom(format!("{field} stands twice")));
        }
    }
    let missing = A::Error::missing_field;
    Ok(Entry {
        dtype: dtype.ok_or_else(|| missing("dtype"))?,
        shape: shape.ok_or_else(|| missing("shape"))?,
        data_offsets: data_offsets.ok_or_else(|| missing("data_offsets"))?,
        unknown,
    })
}

fn read_texts<'de, A: MapAccess<'de>>(mut map: A) -> Result<Texts, A::Error> {
    let mut pairs = Vec::new();
    while let Some(pair) = map.next_entry()? {
        pairs.push(pair);
    }
    Ok(Texts(pairs))
}
