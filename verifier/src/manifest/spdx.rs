//! The shape of an SPDX license expression. The license list itself is not included: an unregistered name passes, a text
//! that is not an expression does not.

/// The rule of the SPDX expression grammar that a text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpdxFault {
    /// A license name was expected: at the start, after an operator or after `(`.
    LicenseExpected,
    /// `AND`, `OR`, `WITH`, `)` or the end was expected after a license.
    OperatorExpected,
    /// A name with a character outside letters, digits, `.` and `-`, or a misplaced `+` or `:`.
    Name,
    /// `WITH` after something other than one license name, or without an exception name.
    Exception,
    /// A parenthesis without its partner.
    Parenthesis,
}

impl SpdxFault {
    /// What the rule accepts.
    pub fn accepted(self) -> &'static str {
        match self {
            Self::LicenseExpected => "a license name at the start, after `AND`, `OR` and `(`",
            Self::OperatorExpected => "`AND`, `OR` or `WITH` between names, in capitals",
            Self::Name => "names of letters, digits, `.` and `-`, with `+` at the end only",
            Self::Exception => "`WITH` and an exception name, right after one license name",
            Self::Parenthesis => "parentheses in pairs",
        }
    }
}

/// The parser's position in an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A license name or `(` comes next.
    Operand,
    /// After one license name: `WITH` may follow.
    AfterLicense,
    /// After `WITH`: an exception name comes next.
    Exception,
    /// After a whole operand: `AND`, `OR`, `)` or the end comes next.
    AfterOperand,
}

/// Checks names, operators and parentheses, without recursion.
pub(crate) fn check(expression: &str) -> Result<(), SpdxFault> {
    let (mut place, mut depth) = (Place::Operand, 0_usize);
    for token in tokens(expression) {
        let after = matches!(place, Place::AfterLicense | Place::AfterOperand);
        place = match token {
            _ if place == Place::Exception => exception(token)?,
            "(" if place == Place::Operand => {
                depth += 1;
                Place::Operand
            }
            ")" if after => {
                depth = depth.checked_sub(1).ok_or(SpdxFault::Parenthesis)?;
                Place::AfterOperand
            }
            "AND" | "OR" if after => Place::Operand,
            "WITH" if place == Place::AfterLicense => Place::Exception,
            "WITH" if place == Place::AfterOperand => return Err(SpdxFault::Exception),
            _ if after => return Err(SpdxFault::OperatorExpected),
            ")" | "AND" | "OR" | "WITH" => return Err(SpdxFault::LicenseExpected),
            name if is_license(name) => Place::AfterLicense,
            _ => return Err(SpdxFault::Name),
        };
    }
    match place {
        Place::Operand => Err(SpdxFault::LicenseExpected),
        Place::Exception => Err(SpdxFault::Exception),
        _ if depth > 0 => Err(SpdxFault::Parenthesis),
        _ => Ok(()),
    }
}

/// The tokens of an expression: parentheses, and the words between parentheses and spaces.
fn tokens(expression: &str) -> impl Iterator<Item = &str> {
    let split = expression.split_inclusive([' ', '(', ')']);
    split
        .flat_map(|run| {
            let word = run.trim_end_matches([' ', '(', ')']);
            [word, run.get(word.len()..).unwrap_or_default().trim_matches(' ')]
        })
        .filter(|token| !token.is_empty())
}

fn exception(token: &str) -> Result<Place, SpdxFault> {
    let operator = matches!(token, "(" | ")" | "AND" | "OR" | "WITH");
    if operator {
        Err(SpdxFault::Exception)
    } else if is_name(token) {
        Ok(Place::AfterOperand)
    } else {
        Err(SpdxFault::Name)
    }
}

/// `name`, `name+`, `LicenseRef-name` or `DocumentRef-name:LicenseRef-name`.
fn is_license(token: &str) -> bool {
    match token.split_once(':') {
        Some((document, license)) => {
            document.strip_prefix("DocumentRef-").is_some_and(is_name)
                && license.strip_prefix("LicenseRef-").is_some_and(is_name)
        }
        None => is_name(token.strip_suffix('+').unwrap_or(token)),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_pass() {
        let deep = format!("{}MIT{}", "(".repeat(1000), ")".repeat(1000));
        let good = [
            "MIT",
            "Apache-2.0",
            "GPL-2.0+",
            "MIT OR Apache-2.0",
            "(MIT OR Apache-2.0) AND CC-BY-4.0",
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "(GPL-2.0-or-later WITH GCC-exception-3.1)OR( MIT )",
            "LicenseRef-TinyLM-1.0",
            "DocumentRef-spdx-tool-1.2:LicenseRef-MIT-Style-2",
            "and",
            &deep,
        ];
        for good in good {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn each_rule_has_its_own_fault() {
        use SpdxFault::*;
        let bad = [
            ("", LicenseExpected),
            ("()", LicenseExpected),
            ("OR MIT", LicenseExpected),
            ("MIT OR", LicenseExpected),
            ("MIT AND OR MIT", LicenseExpected),
            ("WITH x", LicenseExpected),
            ("MIT Apache-2.0", OperatorExpected),
            ("MIT or Apache-2.0", OperatorExpected),
            ("MIT (Apache-2.0)", OperatorExpected),
            ("A WITH b WITH c", Exception),
            ("(MIT) WITH x", Exception),
            ("MIT WITH", Exception),
            ("MIT WITH (x)", Exception),
            ("MIT WITH AND", Exception),
            ("MIT WITH x+", Name),
            ("MIT/Apache-2.0", Name),
            ("MIT++", Name),
            ("+", Name),
            ("a:b", Name),
            ("DocumentRef-:LicenseRef-a", Name),
            ("MIT; rm", Name),
            ("(MIT", Parenthesis),
            ("MIT)", Parenthesis),
            ("(MIT))", Parenthesis),
        ];
        for (expression, fault) in bad {
            assert_eq!(check(expression), Err(fault), "{expression}");
        }
    }
}
