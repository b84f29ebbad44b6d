//! Metadata routes: where a person can read about a model, never where its bytes are.

use super::limits::{MAX_HOST_BYTES, MAX_HOST_LABEL_BYTES};

/// Endings of files that hold model bytes.
const MODEL_BYTE_SUFFIXES: [&str; 6] = [".slm", ".safetensors", ".gguf", ".onnx", ".bin", ".pt"];

/// The rule that a route breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteFault {
    /// Neither `https://` nor a leading `/`.
    Scheme,
    /// A query.
    Query,
    /// A fragment.
    Fragment,
    /// A percent sign.
    Percent,
    /// A site-relative route that begins with more than one `/`, which names another host.
    SecondSlash,
    /// An `https` route without a path.
    NoPath,
    /// A user or password before the host.
    UserInfo,
    /// An IP address instead of a name.
    IpLiteral,
    /// A port.
    Port,
    /// `localhost` or a name under it.
    Localhost,
    /// The host is no DNS name.
    HostName,
    /// A character outside the path alphabet.
    PathCharacter,
    /// An empty path segment; a path that ends in `/` has one.
    EmptySegment,
    /// A `..` segment.
    ParentSegment,
    /// A `.` segment, which would be a second spelling of the same path.
    DotSegment,
    /// The path ends like a file of model bytes.
    ModelBytes,
    /// The path contains `/resolve/`, which downloads.
    Resolve,
}

impl RouteFault {
    /// What the rule accepts.
    pub fn accepted(self) -> &'static str {
        match self {
            Self::Scheme => "`https://host/path`, or a path that begins with `/`",
            Self::Query => "no query",
            Self::Fragment => "no fragment",
            Self::Percent => "no `%`",
            Self::SecondSlash => "exactly one `/` at the start",
            Self::NoPath => "a path after the host",
            Self::UserInfo => "a host without user or password",
            Self::IpLiteral => "a host name, not an IP address",
            Self::Port => "a host without a port",
            Self::Localhost => "a host name other than localhost",
            Self::HostName => "a DNS name as host",
            Self::PathCharacter => "path characters A-Z, a-z, 0-9, `.`, `_`, `~`, `/` and `-`",
            Self::EmptySegment => "no empty path segment",
            Self::ParentSegment => "no `..` segment",
            Self::DotSegment => "no `.` segment",
            Self::ModelBytes => "metadata routes only, none that ends like a model file",
            Self::Resolve => "metadata routes only, none with `/resolve/`",
        }
    }
}

/// `https://host/path`, or site-relative beginning with exactly one `/`.
pub(crate) fn check(route: &str) -> Result<(), RouteFault> {
    let after_scheme = route.strip_prefix("https://");
    if after_scheme.is_none() && !route.starts_with('/') {
        return Err(RouteFault::Scheme);
    }
    for (character, fault) in
        [('?', RouteFault::Query), ('#', RouteFault::Fragment), ('%', RouteFault::Percent)]
    {
        if route.contains(character) {
            return Err(fault);
        }
    }
    match after_scheme {
        Some(rest) => {
            let (authority, path) = rest.split_once('/').ok_or(RouteFault::NoPath)?;
            check_host(authority)?;
            check_path(path)
        }
        None if route.starts_with("//") => Err(RouteFault::SecondSlash),
        None => check_path(route.strip_prefix('/').unwrap_or(route)),
    }
}

fn check_host(authority: &str) -> Result<(), RouteFault> {
    if authority.contains('@') {
        return Err(RouteFault::UserInfo);
    }
    if authority.starts_with('[') {
        return Err(RouteFault::IpLiteral);
    }
    if authority.contains(':') {
        return Err(RouteFault::Port);
    }
    let is_label = |label: &str| {
        (1..=MAX_HOST_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if authority.len() > MAX_HOST_BYTES || !authority.split('.').all(is_label) {
        return Err(RouteFault::HostName);
    }
    let last = authority.rsplit('.').next().unwrap_or(authority);
    if is_number(last) {
        return Err(RouteFault::IpLiteral);
    }
    if last.eq_ignore_ascii_case("localhost") { Err(RouteFault::Localhost) } else { Ok(()) }
}

/// A host whose last label is a number is an IPv4 address to every URL parser: `127.1`, `0x7f000001`.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|b| b.is_ascii_digit())
        || hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `path` is what follows the first `/`.
fn check_path(path: &str) -> Result<(), RouteFault> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'/' | b'-');
    if !path.bytes().all(allowed) {
        return Err(RouteFault::PathCharacter);
    }
    for segment in path.split('/') {
        match segment {
            "" => return Err(RouteFault::EmptySegment),
            ".." => return Err(RouteFault::ParentSegment),
            "." => return Err(RouteFault::DotSegment),
            _ => {}
        }
    }
    let lower = path.to_ascii_lowercase();
    if MODEL_BYTE_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix)) {
        return Err(RouteFault::ModelBytes);
    }
    let resolves = lower.starts_with("resolve/") || lower.contains("/resolve/");
    if resolves { Err(RouteFault::Resolve) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_routes_pass() {
        let long_label = format!("https://{}.org/a", "a".repeat(63));
        let good = [
            "/license",
            "/a/b.txt",
            "/~me/model_card-1.html",
            "/resolve",
            "/a/resolved/b",
            "/model.slm.html",
            "/bin",
            "/a..b/c",
            "https://example.org/license",
            "https://EXAMPLE.org/a",
            "https://h/a",
            "https://xn--bcher-kva.example/a/b",
            "https://1.example/a",
            "https://localhost.example/a",
            &long_label,
        ];
        for good in good {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    // Rows: D7
    #[test]
    fn each_rule_of_form_and_path_has_its_own_fault() {
        use RouteFault::*;
        let bad = [
            ("", Scheme),
            ("license", Scheme),
            ("http://example.org/a", Scheme),
            ("HTTPS://example.org/a", Scheme),
            ("https:/example.org/a", Scheme),
            ("file:///etc/passwd", Scheme),
            ("javascript:alert", Scheme),
            ("../license", Scheme),
            ("\\\\host\\share", Scheme),
            ("/a?b", Query),
            ("https://example.org?b", Query),
            ("/a#b", Fragment),
            ("/%2e%2e/a", Percent),
            ("//example.org/a", SecondSlash),
            ("///a", SecondSlash),
            ("/a b", PathCharacter),
            ("/a\\b", PathCharacter),
            ("/a:b", PathCharacter),
            ("/a@b", PathCharacter),
            ("/a;b", PathCharacter),
            ("/", EmptySegment),
            ("https://example.org/", EmptySegment),
            ("/a/", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a/../b", ParentSegment),
            ("/..", ParentSegment),
            ("/a/./b", DotSegment),
            ("/m.slm/.", DotSegment),
            ("/m.slm", ModelBytes),
            ("/m.SLM", ModelBytes),
            ("https://example.org/m.safetensors", ModelBytes),
            ("/m.gguf", ModelBytes),
            ("/m.onnx", ModelBytes),
            ("/m.BiN", ModelBytes),
            ("/m.pt", ModelBytes),
            ("/resolve/a", Resolve),
            ("/a/ReSolve/b", Resolve),
            ("https://example.org/org/model/resolve/main/a", Resolve),
        ];
        for (route, fault) in bad {
            assert_eq!(check(route), Err(fault), "{route}");
        }
    }

    // Rows: D7
    #[test]
    fn each_rule_of_the_host_has_its_own_fault() {
        use RouteFault::*;
        let long_label = format!("https://{}.org/a", "a".repeat(64));
        let long_host = format!("https://{}org/a", "abc.".repeat(63));
        let bad = [
            ("https://example.org", NoPath),
            ("https://user@example.org/a", UserInfo),
            ("https://user:secret@example.org/a", UserInfo),
            ("https://[::1]/a", IpLiteral),
            ("https://127.0.0.1/a", IpLiteral),
            ("https://127.1/a", IpLiteral),
            ("https://2130706433/a", IpLiteral),
            ("https://0x7f000001/a", IpLiteral),
            ("https://0x/a", IpLiteral),
            ("https://192.168.0.0XA/a", IpLiteral),
            ("https://example.org:443/a", Port),
            ("https://example.org:/a", Port),
            ("https://localhost/a", Localhost),
            ("https://LOCALHOST/a", Localhost),
            ("https://a.localhost/a", Localhost),
            ("https:///a", HostName),
            ("https://example.org./a", HostName),
            ("https://.org/a", HostName),
            ("https://a..org/a", HostName),
            ("https://-a.org/a", HostName),
            ("https://a-.org/a", HostName),
            ("https://a_b.org/a", HostName),
            ("https://a b.org/a", HostName),
            ("https://b\\c.org/a", HostName),
            (&long_label, HostName),
            (&long_host, HostName),
        ];
        for (route, fault) in bad {
            assert_eq!(check(route), Err(fault), "{route}");
        }
    }
}
