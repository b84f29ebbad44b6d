//! One value of a key.

use std::borrow::Cow;

use super::reader::{Reader, Stop};
use super::rule::Rule;
use crate::scan::rule::Verdicts;

/// What is kept of a value.
#[derive(Debug)]
pub(super) enum Value {
    /// A whole number that is not negative.
    Number(u64),
    /// A text, with what is no UTF-8 replaced.
    Text(String),
    /// Type and count of the elements.
    Array(u32, u64),
    /// Anything else.
    Other,
}

pub(super) const U32: u32 = 4;
pub(super) const I32: u32 = 5;
pub(super) const F32: u32 = 6;
const BOOL: u32 = 7;
pub(super) const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of a value of a type that has one length.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | BOOL => Some(1),
        2 | 3 => Some(2),
        U32 | I32 | F32 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Reads a value of this type.
pub(super) fn read(kind: u32, reader: &mut Reader<'_>, verdicts: &mut Verdicts<Rule>) -> Result<Value, Stop> {
    match kind {
        TEXT => Ok(Value::Text(text(reader, verdicts)?.into_owned())),
        ARRAY => array(reader, verdicts),
        _ => {
            let offset = reader.offset();
            let bytes = reader.take(width(kind).ok_or_else(|| unknown(kind, offset))?)?;
            check_bools(kind, bytes, offset)?;
            let is_negative =
                matches!(kind, 1 | 3 | I32 | 11) && bytes.last().is_some_and(|byte| *byte > 127);
            let number = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
            Ok(if is_negative || matches!(kind, F32 | 12) { Value::Other } else { Value::Number(number) })
        }
    }
}

fn array(reader: &mut Reader<'_>, verdicts: &mut Verdicts<Rule>) -> Result<Value, Stop> {
    let (kind, count) = (reader.u32()?, reader.u64()?);
    let offset = reader.offset();
    if kind == TEXT {
        for _ in 0..count {
            text(reader, verdicts)?;
        }
    } else {
        let width = width(kind).ok_or_else(|| unknown(kind, offset))?;
        check_bools(kind, reader.take(count.saturating_mul(width))?, offset)?;
    }
    Ok(Value::Array(kind, count))
}

/// A text; what is not UTF-8 is replaced, with a warning.
fn text<'a>(reader: &mut Reader<'a>, verdicts: &mut Verdicts<Rule>) -> Result<Cow<'a, str>, Stop> {
    let offset = reader.offset();
    let text = String::from_utf8_lossy(reader.text()?);
    if matches!(text, Cow::Owned(_)) {
        verdicts.warn(Rule::Text, format!("other bytes in the text at offset {offset}"));
    }
    Ok(text)
}

fn check_bools(kind: u32, bytes: &[u8], offset: u64) -> Result<(), Stop> {
    match bytes.iter().find(|byte| **byte > 1) {
        Some(byte) if kind == BOOL => {
            Err((Rule::Bool, format!("{byte} in the value at offset {offset}")).into())
        }
        _ => Ok(()),
    }
}

fn unknown(kind: u32, offset: u64) -> Stop {
    (Rule::ValueType, format!("{kind} before offset {offset}")).into()
}
