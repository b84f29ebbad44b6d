//! XML, as far as routers need it: elements and their text. No document types, so no entities beyond the five of XML 1.0.

use super::super::limits::upnp as limits;

/// The text is no XML, or has what is not read here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Calls `each` at the end of every element with its name, without prefix, and the text that stands directly in it, trimmed.
///
/// # Errors
///
/// Elements that do not nest or are nested too deep, a document type, or an unknown entity. What was called before stands.
pub(super) fn for_each(text: &str, mut each: impl FnMut(&str, &str)) -> Result<(), Malformed> {
    let mut open: Vec<(&str, String)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find('<').unwrap_or(rest.len());
        let (plain, markup) = rest.split_at(end);
        if let Some((_, own)) = open.last_mut() {
            decode(plain, own)?;
        }
        if markup.is_empty() {
            break;
        }
        let (found, after) = read_markup(markup)?;
        rest = after;
        match found {
            Markup::Nothing => {}
            Markup::Verbatim(verbatim) => {
                open.last_mut().ok_or(Malformed)?.1.push_str(verbatim);
            }
            Markup::Open(_) if open.len() >= limits::DEPTH => return Err(Malformed),
            Markup::Open(name) => open.push((name, String::new())),
            Markup::Empty(name) => each(local(name), ""),
            Markup::Close(name) => {
                let (opened, own) = open.pop().ok_or(Malformed)?;
                if opened != name {
                    return Err(Malformed);
                }
                each(local(name), own.trim());
            }
        }
    }
    if open.is_empty() { Ok(()) } else { Err(Malformed) }
}

enum Markup<'a> {
    /// A comment or a processing instruction.
    Nothing,
    Verbatim(&'a str),
    Open(&'a str),
    Empty(&'a str),
    Close(&'a str),
}

/// Reads what begins with `<`, and returns what follows it.
fn read_markup(text: &str) -> Result<(Markup<'_>, &str), Malformed> {
    let until =
        |start: &str, end: &str| text.strip_prefix(start).map(|inner| inner.split_once(end).ok_or(Malformed));
    if let Some(comment) = until("<!--", "-->") {
        return comment.map(|(_, rest)| (Markup::Nothing, rest));
    }
    if let Some(verbatim) = until("<![CDATA[", "]]>") {
        return verbatim.map(|(inner, rest)| (Markup::Verbatim(inner), rest));
    }
    if let Some(instruction) = until("<?", "?>") {
        return instruction.map(|(_, rest)| (Markup::Nothing, rest));
    }
    if let Some(close) = until("</", ">") {
        let (name, rest) = close?;
        return Ok((Markup::Close(named(name)?), rest));
    }
    let inner = text.get(1..).ok_or(Malformed)?;
    let end = tag_end(inner).ok_or(Malformed)?;
    let (tag, rest) = inner.split_at(end);
    let rest = rest.get(1..).ok_or(Malformed)?;
    match tag.strip_suffix('/') {
        Some(tag) => Ok((Markup::Empty(named(tag)?), rest)),
        None => Ok((Markup::Open(named(tag)?), rest)),
    }
}

/// Where the tag's `>` stands, outside of its attributes' values.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The name at the beginning of a tag. A document type (`!DOCTYPE`) has none.
fn named(tag: &str) -> Result<&str, Malformed> {
    let name = tag.split_ascii_whitespace().next().ok_or(Malformed)?;
    let is_name =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-' | b'.') || byte >= 0x80;
    if tag.starts_with(name) && name.bytes().all(is_name) { Ok(name) } else { Err(Malformed) }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Appends text with its references resolved (XML 1.0 section 4.6 and 4.1).
fn decode(text: &str, into: &mut String) -> Result<(), Malformed> {
    let mut parts = text.split('&');
    into.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (reference, rest) = part.split_once(';').ok_or(Malformed)?;
        into.push(match reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => numbered(reference).ok_or(Malformed)?,
        });
        into.push_str(rest);
    }
    Ok(())
}

fn numbered(reference: &str) -> Option<char> {
    let number = reference.strip_prefix('#')?;
    let code = match number.strip_prefix('x') {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

/// Text that stands for itself in an element.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, Malformed> {
        let mut found = Vec::new();
        for_each(text, |name, text| found.push((name.to_owned(), text.to_owned())))?;
        Ok(found)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    #[test]
    fn elements_are_told_with_their_own_text() {
        let text = "<?xml version=\"1.0\"?>\n<!-- <a> --><s:a x='>'> one <b/><c d=\"/\">t&amp;&#x3c;&#33;</c><![CDATA[<&>]]></s:a>\n";
        let expected = pairs(&[("b", ""), ("c", "t&<!"), ("a", "one <&>")]);
        assert_eq!(read(text), Ok(expected));
    }

    #[test]
    fn what_is_no_xml_is_malformed() {
        for text in [
            "<a>",
            "</a>",
            "<a></b>",
            "<a",
            "<a b='></a>",
            "<!DOCTYPE a><a></a>",
            "<a>&b;</a>",
            "<a>&</a>",
            "<a>&#xd800;</a>",
            "<a><!-- </a>",
            "<>",
            "< a></a>",
            "<![CDATA[x]]>",
        ] {
            assert_eq!(read(text), Err(Malformed), "{text}");
        }
        let deep = "<a>".repeat(limits::DEPTH + 1) + &"</a>".repeat(limits::DEPTH + 1);
        assert_eq!(read(&deep), Err(Malformed));
        assert!(read(&deep[3..deep.len() - 4]).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[<>/!a&;#x'\"=\\[\\]? \u{e4}-]{0,80}") {
            let _malformed = read(&text);
        }

        #[test]
        fn escaped_text_is_read_as_it_was(text in "\\PC*") {
            let element = format!("<a>{}</a>", escape(&text));
            prop_assert_eq!(read(&element), Ok(pairs(&[("a", text.trim())])));
        }
    }
}
