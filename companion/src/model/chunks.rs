//! The map of a transfer's chunks, and the history of its rates.

use minimodel::transfer;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Cells of a map if the request names no number.
pub const USUAL_CELLS: u32 = 1_024;

/// Most cells of a map.
pub const MAX_CELLS: u32 = transfer::ChunkMap::MAX_CELLS;

/// The chunks of a file in cells of about equal size, in the order of the file. The lists have one byte a cell, in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChunkMap {
    /// Chunks of the file.
    pub chunks: u32,
    /// Bytes of a chunk; the last one may be shorter.
    pub chunk_bytes: u32,
    /// Cells, at most one a chunk.
    #[schema(minimum = 1, maximum = 4096)]
    pub cells: u32,
    /// The part of the cell that is proven and on disk, in 255ths: 0 only if no chunk is, 255 only if all are.
    #[serde(with = "base64")]
    #[schema(value_type = String, format = Byte, min_length = 4, max_length = 5464)]
    pub have: Vec<u8>,
    /// In the same way the part that was asked of peers and is not proven yet.
    #[serde(with = "base64")]
    #[schema(value_type = String, format = Byte, min_length = 4, max_length = 5464)]
    pub in_flight: Vec<u8>,
    /// The fewest connected peers that have a missing chunk of the cell, at most 254; 255: no chunk of it is missing.
    #[serde(with = "base64")]
    #[schema(value_type = String, format = Byte, min_length = 4, max_length = 5464)]
    pub least_holders: Vec<u8>,
}

impl From<transfer::ChunkMap> for ChunkMap {
    fn from(map: transfer::ChunkMap) -> Self {
        Self {
            chunks: map.chunks,
            chunk_bytes: map.chunk_bytes,
            cells: u32::try_from(map.have.len()).unwrap_or(MAX_CELLS),
            have: map.have,
            in_flight: map.in_flight,
            least_holders: map.least_holders,
        }
    }
}

/// Bytes as base64 (RFC 4648 section 4, with padding).
mod base64 {
    use data_encoding::BASE64;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}

/// Time over which a history goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Ten minutes, a second a point.
    Minutes,
    /// A day, 144 seconds a point.
    Day,
}

impl Span {
    /// Finds the span of so many seconds; `None` if there is none.
    pub fn of(seconds: u64) -> Option<Self> {
        [Self::Minutes, Self::Day].into_iter().find(|span| span.seconds() == seconds)
    }

    /// Its seconds.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Minutes => 600,
            Self::Day => 86_400,
        }
    }

    /// Seconds from one point to the next.
    pub fn step(self) -> u64 {
        match self {
            Self::Minutes => 1,
            Self::Day => 144,
        }
    }
}

/// A span is its seconds in JSON.
impl PartialSchema for Span {
    fn schema() -> RefOr<Schema> {
        let all = [Self::Minutes, Self::Day].map(Self::seconds);
        let object = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some(all));
        object.minimum(Some(all[0])).maximum(Some(all[1])).description(Some("Ten minutes or a day.")).into()
    }
}

impl ToSchema for Span {}

/// The rates of a transfer, or of all together, over a span of time. Both lists have 600 points, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RateHistory {
    /// Seconds over which it goes: 600 or 86400.
    #[schema(value_type = Span)]
    pub span: u64,
    /// Seconds from one point to the next: 1 or 144.
    #[schema(minimum = 1, maximum = 144)]
    pub step_seconds: u64,
    /// When the first point begins.
    pub from_unix: u64,
    /// Payload bytes a second that came in, the mean of each step; null where nothing ran.
    #[schema(min_items = 600, max_items = 600)]
    pub down: Vec<Option<u64>>,
    /// The same of what went out.
    #[schema(min_items = 600, max_items = 600)]
    pub up: Vec<Option<u64>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_map_has_one_byte_a_cell_in_base64() {
        let map = transfer::ChunkMap {
            chunks: 3,
            chunk_bytes: 64,
            have: vec![0, 255],
            in_flight: vec![1, 0],
            least_holders: vec![7, 255],
        };
        let map = ChunkMap::from(map);
        let text = serde_json::to_string(&map).unwrap();
        let shown = r#"{"chunks":3,"chunk_bytes":64,"cells":2,"have":"AP8=","in_flight":"AQA=","least_holders":"B/8="}"#;
        assert_eq!(text, shown);
        assert_eq!(serde_json::from_str::<ChunkMap>(&text).unwrap(), map);
        assert!(serde_json::from_str::<ChunkMap>(&text.replace("AP8=", "AP8")).is_err());
    }

    #[test]
    fn span_is_one_of_two_and_its_points_fill_it() {
        assert_eq!([600, 86_400].map(Span::of), [Some(Span::Minutes), Some(Span::Day)]);
        assert_eq!([0, 1, 599, 601].map(Span::of), [None; 4]);
        for span in [Span::Minutes, Span::Day] {
            assert_eq!(span.seconds(), span.step() * 600);
        }
    }
}
