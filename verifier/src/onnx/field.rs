//! One field of a message: its number, and its value or length.

/// A field without the bytes that its length counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) number: u64,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A varint.
    Number(u64),
    /// 4 or 8 bytes, which follow.
    Fixed(u64),
    /// So many bytes, which follow.
    Bytes(u64),
}

/// Why there is no field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// More bytes are needed.
    More,
    /// No field begins so.
    Broken,
}

/// Reads the field at the beginning of `bytes`; returns it and its length there.
pub(super) fn read(bytes: &[u8]) -> Result<(Field, usize), Stop> {
    let (key, key_len) = varint(bytes)?;
    let rest = bytes.get(key_len..).unwrap_or_default();
    let number = key >> 3;
    let (value, len) = match key & 7 {
        0 => varint(rest).map(|(number, len)| (Value::Number(number), len))?,
        1 => (Value::Fixed(8), 0),
        2 => varint(rest).map(|(length, len)| (Value::Bytes(length), len))?,
        5 => (Value::Fixed(4), 0),
        _ => return Err(Stop::Broken),
    };
    if number == 0 { Err(Stop::Broken) } else { Ok((Field { number, value }, key_len + len)) }
}

/// Reads a varint of at most ten bytes; returns it and its length.
pub(super) fn varint(bytes: &[u8]) -> Result<(u64, usize), Stop> {
    let mut number = 0_u64;
    for (place, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if place == 9 && bits > 1 {
            return Err(Stop::Broken);
        }
        number |= bits << (7 * place);
        if byte < 0x80 {
            return Ok((number, place + 1));
        }
    }
    Err(if bytes.len() < 10 { Stop::More } else { Stop::Broken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_at_most_64_bits() {
        assert_eq!(varint(&[0x96, 0x01, 7]), Ok((150, 2)));
        assert_eq!(varint(&[0x96]), Err(Stop::More));
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(varint(&most), Ok((u64::MAX, 10)));
        most[9] = 2;
        assert_eq!(varint(&most), Err(Stop::Broken));
        assert_eq!(varint(&[0x80; 10]), Err(Stop::Broken));
    }

    #[test]
    fn groups_and_number_0_are_no_fields() {
        assert_eq!(read(&[0x08, 3]), Ok((Field { number: 1, value: Value::Number(3) }, 2)));
        assert_eq!(read(&[0x3a, 0x05]), Ok((Field { number: 7, value: Value::Bytes(5) }, 2)));
        assert_eq!(read(&[0x0d]), Ok((Field { number: 1, value: Value::Fixed(4) }, 1)));
        for broken in [0x0b, 0x0c, 0x0e, 0x0f, 0x00] {
            assert_eq!(read(&[broken, 0]), Err(Stop::Broken), "{broken:#x}");
        }
        assert_eq!(read(&[]), Err(Stop::More));
    }
}
