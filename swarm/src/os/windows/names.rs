//! Names that Windows does not take as they are: devices, streams, and endings that it cuts off.
//!
//! Pure, and compiled for the tests of every system.

/// Letters that no name may have, beside those below the space. A colon begins the name of a stream of a file.
const FORBIDDEN: &str = "<>:\"/\\|?*";
/// Devices, in every folder and with any ending after a dot.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// Devices with a digit behind them.
const PORTS: [&str; 2] = ["COM", "LPT"];
/// The digits; the raised ones count as well.
const DIGITS: &str = "0123456789\u{b9}\u{b2}\u{b3}";

/// Why a file of this name would not be the file that was meant; `None`: it would.
pub(super) fn fault(name: &str) -> Option<&'static str> {
    if name.chars().any(|letter| letter < ' ' || FORBIDDEN.contains(letter)) {
        return Some("Windows allows none of < > : \" / \\ | ? * in a name");
    }
    if name.ends_with(['.', ' ']) {
        return Some("Windows cuts a dot or space off the end of a name");
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_uppercase();
    let is_port = PORTS.iter().any(|port| {
        let digit = stem.strip_prefix(port).unwrap_or_default();
        digit.chars().count() == 1 && DIGITS.contains(digit)
    });
    (is_port || DEVICES.contains(&stem.as_str())).then_some("Windows keeps this name for a device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_streams_and_cut_endings_are_no_names() {
        for name in [
            "con",
            "CON.slm",
            "nul .slm",
            "Aux.a.b",
            "com1.slm",
            "LPT\u{b9}",
            "conin$",
            "a:b",
            "a.slm:s",
            "a.",
            "a ",
            "a\tb",
            "what?",
            "a\\b",
            "..",
            ".",
        ] {
            assert!(fault(name).is_some(), "{name:?}");
        }
        for name in [
            "con-1.0.slm",
            "console",
            "com",
            "com10",
            "nula.slm",
            ".a.slm.0f.new",
            "a b",
            "\u{e9}.slm",
            "COMX",
        ] {
            assert_eq!(fault(name), None, "{name:?}");
        }
    }
}
