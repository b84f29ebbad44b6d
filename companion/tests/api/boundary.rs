//! HTTP is for the local interface and for nothing else: docs/boundary.md.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// True if the code in `text`, comments excluded, names one of the crates.
fn names(text: &str, crates: &[&str]) -> bool {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .any(|word| crates.contains(&word))
}

#[test]
fn http_is_spoken_by_the_interface_its_client_and_upnp_alone() {
    let mut files = Vec::new();
    for part in ["wire", "verifier", "swarm", "reach", "node", "companion", "cli"] {
        sources(&root().join(part).join("src"), &mut files);
    }
    assert!(files.len() > 100, "the sources were not found");
    let (mut clients, mut servers) = (0, 0);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let place = path.strip_prefix(root()).unwrap();
        if names(&text, &["ureq"]) {
            clients += 1;
            let may = ["companion/src/client", "reach/src/mapping/upnp"];
            assert!(may.iter().any(|one| place.starts_with(one)), "{} names ureq", place.display());
        }
        if names(&text, &["axum", "hyper", "hyper_util", "utoipa_axum"]) {
            servers += 1;
            assert!(place.starts_with("companion/src/api"), "{} serves HTTP", place.display());
        }
    }
    assert!(clients > 0 && servers > 0);
    assert!(names("use ureq::Agent; // x", &["ureq"]) && !names("// ureq\nlet my_ureq = 1;", &["ureq"]));
}

/// Folders of the companion that know the bodies of the interface.
const EDGES: [&str; 2] = ["api", "client"];

/// Domain types whose JSON is a body: they have a schema, and know nothing else of the interface.
const DESCRIBED: [&str; 2] = ["model", "problem/mod.rs"];

#[test]
fn the_domain_names_no_body_of_the_interface() {
    let src = root().join("companion/src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 50, "the sources were not found");
    for path in files {
        let place = path.strip_prefix(&src).unwrap();
        if EDGES.iter().any(|edge| place.starts_with(edge)) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let named = code.filter(|line| line.replace("openapi::", "").contains("api::")).count();
        assert_eq!(named, 0, "{} names the interface", place.display());
        let is_described = DESCRIBED.iter().any(|described| place.starts_with(described));
        assert!(is_described || !names(&text, &["utoipa"]), "{} describes a body", place.display());
    }
}

#[test]
fn http_client_is_built_without_tls_socks_or_compression() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let package = lock.split("[[package]]").find(|package| package.contains("\nname = \"ureq\"\n")).unwrap();
    for absent in ["rustls", "native-tls", "webpki", "socks", "flate2", "brotli", "hickory"] {
        assert!(!package.contains(absent), "ureq is built with {absent}");
    }
}
