//! Access to the interface: the token, which authorizes every program that can read it, and `endpoint.json`, which names the
//! companion's addresses.
//!
//! Both files are in the companion's folder, which has mode 0700, each file 0600. A folder or file that another user owns, or
//! that others could read or write, is refused: a token that others may have read protects nothing.
//!
//! A client must authenticate the companion before it sends the token, because any program on this machine may take a port
//! that a companion left. So the companion proves itself: it answers a nonce with HMAC-SHA256 (RFC 2104) under the token,
//! over the nonce and the address at which the nonce came in. The address prevents relaying: a program at another port
//! cannot pass the nonce on to the companion and return the companion's proof as its own.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use minimodel::private::{Exposed, Others};
use minimodel_swarm::os::{
    FileKind, Folder, Open, close_command, create_private_folder, process_command, rights_command, stat_file,
};
use minimodel_swarm::store::files::{NewFile, Privacy};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::problem::{Problem, code};
use crate::shell;

/// The file with the token.
const TOKEN: &str = "token";

/// The file that says where a running companion answers.
const ENDPOINT: &str = "endpoint.json";

/// Most bytes that are read of either file; both are shorter.
const MAX_BYTES: u64 = 4096;

/// Domain separation: a proof is valid as a proof only.
const PROOF: &str = "minimodel companion proof 1";

/// Domain separation of the tags by which tokens are compared.
const BEARER: &[u8] = b"minimodel companion bearer 1";

/// The secret of the interface: 256 bits.
#[derive(Clone)]
pub struct Token([u8; 32]);

/// Omits the secret, so that it does not reach logs.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Parses 64 lowercase hex digits.
    fn parse(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The value of the `authorization` header.
    pub fn header(&self) -> String {
        format!("Bearer {}", HEXLOWER.encode(&self.0))
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        // HMAC itself pads a shorter key with zeros to the block size of its hash.
        let mut key = [0; 64];
        key[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&key.into());
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// Compares a presented token with this one, in a time that does not reveal how much of it was right: HMAC tags under the
    /// two tokens are compared, not the tokens.
    pub(crate) fn is(&self, presented: &str) -> bool {
        let Some(presented) = Self::parse(presented) else { return false };
        let tag = presented.mac(&[BEARER]).finalize();
        self.mac(&[BEARER]).verify(&tag.into_bytes()).is_ok()
    }

    /// The proof for a nonce that came in at `address`: 64 hex digits.
    pub(crate) fn proof(&self, address: SocketAddr, nonce: &str) -> String {
        HEXLOWER.encode(&self.proof_mac(address, nonce).finalize().into_bytes())
    }

    /// Verifies a proof, in a time that does not reveal how much of it was right.
    pub(crate) fn proves(&self, address: SocketAddr, nonce: &str, proof: &str) -> bool {
        let Ok(proof) = HEXLOWER.decode(proof.as_bytes()) else { return false };
        self.proof_mac(address, nonce).verify_slice(&proof).is_ok()
    }

    fn proof_mac(&self, address: SocketAddr, nonce: &str) -> Hmac<Sha256> {
        self.mac(&[format!("{PROOF}\n{address}\n{nonce}\n").as_bytes()])
    }
}

/// A nonce for a proof: 64 hex digits.
///
/// # Errors
///
/// The system has no randomness to give.
pub(crate) fn nonce() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(HEXLOWER.encode(&bytes))
}

/// `endpoint.json`: where a companion answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointFile {
    /// The companion's addresses, all loopback.
    pub addresses: Vec<SocketAddr>,
    /// The companion's process id.
    pub pid: u32,
    /// The companion's program version.
    pub version: String,
}

/// The interface's files in the companion's folder: the token and `endpoint.json`.
#[derive(Debug)]
pub struct Access {
    path: PathBuf,
    folder: Folder,
    token: Token,
}

impl Access {
    /// Opens the folder and its token for the companion; creates them if they are missing.
    ///
    /// # Errors
    ///
    /// A folder or token that another user owns or others can access, a token of another form, and I/O errors, each with a hint.
    pub fn open(path: &Path) -> Result<Self, Problem> {
        create_private_folder(path).map_err(|error| failed("create", path, &error))?;
        let folder = open_folder(path)?;
        if let Some(token) = read_token(path, &folder)? {
            return Ok(Self { path: path.to_owned(), folder, token });
        }
        let fresh = nonce().map_err(|error| failed("create the token in", path, &error))?;
        match private(&folder, TOKEN, &format!("{fresh}\n")).and_then(NewFile::place) {
            // A token that a power loss takes is made again.
            Ok(named) => drop(named.sync_folder()),
            // Another process created the token first; that token is used.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("create the token in", path, &error)),
        }
        let token = read_token(path, &folder)?
            .ok_or_else(|| failed("read the token in", path, &io::Error::from(io::ErrorKind::NotFound)))?;
        Ok(Self { path: path.to_owned(), folder, token })
    }

    /// Opens the folder and its token for a client, and creates nothing. `None` when there is no folder or no token.
    ///
    /// # Errors
    ///
    /// As [`Access::open`].
    pub fn read(path: &Path) -> Result<Option<Self>, Problem> {
        if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let folder = open_folder(path)?;
        let token = read_token(path, &folder)?;
        Ok(token.map(|token| Self { path: path.to_owned(), folder, token }))
    }

    /// The token.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Reads `endpoint.json`; `None` when it is missing or not what a companion writes.
    ///
    /// # Errors
    ///
    /// A file that others can access, and I/O errors.
    pub fn endpoint(&self) -> Result<Option<EndpointFile>, Problem> {
        let text = read_private(&self.path, &self.folder, ENDPOINT)?;
        let endpoint: Option<EndpointFile> = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(endpoint.filter(|endpoint| endpoint.addresses.iter().all(|address| address.ip().is_loopback())))
    }

    /// Writes `endpoint.json` with the addresses of this process, replacing an older one.
    pub(crate) fn publish(&self, addresses: &[SocketAddr]) -> Result<(), Problem> {
        let endpoint = EndpointFile {
            addresses: addresses.to_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let failed = |error: &io::Error| failed("write endpoint.json in", &self.path, error);
        let text = serde_json::to_string(&endpoint).map_err(|error| failed(&error.into()))?;
        let replaced = private(&self.folder, ENDPOINT, &format!("{text}\n")).and_then(NewFile::replace);
        // After a power loss nothing listens at these addresses.
        drop(replaced.map_err(|error| failed(&error))?.sync_folder());
        Ok(())
    }

    /// Removes `endpoint.json` if this process wrote it.
    pub(crate) fn withdraw(&self) {
        if matches!(self.endpoint(), Ok(Some(endpoint)) if endpoint.pid == std::process::id()) {
            // Clients detect a stale file: its process is gone, or the program at its port gives no proof.
            let _ = self.folder.base().remove(Path::new(ENDPOINT));
        }
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Problem {
    let hint = format!("look at it and its rights: `{}`", rights_command(&shell::word(path)));
    Problem::new(code::IO, format!("cannot {what} `{}`", path.display()), hint).because(error)
}

/// A folder or file that others must not access.
#[derive(Clone, Copy, Debug)]
enum Private<'a> {
    /// The companion's folder.
    Folder,
    /// The token in the folder at this path.
    Token(&'a Path),
    /// `endpoint.json`, which holds no secret.
    Endpoint,
}

/// Refuses a folder or file that others could have read or changed. The hint's steps work in this order only: while the mode is
/// wrong no verb contacts a companion, and a running companion is stopped with the token that it knows.
fn check_rights(path: &Path, file: &File, what: Private<'_>) -> Result<(), Problem> {
    let exposed = Exposed::of_file(file, Others::Nothing).map_err(|error| failed("look at", path, &error))?;
    let Some(exposed) = exposed else { return Ok(()) };
    let is_folder = matches!(what, Private::Folder);
    let most = if is_folder { "0700" } else { "0600" };
    let close = close_command(&shell::word(path), is_folder);
    let new_token = |folder: &Path| {
        format!(
            "close it first, since until then no verb speaks with a companion: `{close}`. Others may have read the token; \
             for a new one `minimodel companion stop`, then `rm -f {}`, then `minimodel companion start`",
            shell::word(&folder.join(TOKEN))
        )
    };
    let (why, hint) = match (exposed, what) {
        (Exposed::Foreign { .. }, _) => (
            "another user owns it".to_owned(),
            "use a folder of your own: set MINIMODEL_HOME to one".to_owned(),
        ),
        (Exposed::Mode(mode), what) => (
            format!("its rights are {:04o}, and {most} is the most they may be", mode & 0o777),
            match what {
                Private::Folder => new_token(path),
                Private::Token(folder) => new_token(folder),
                Private::Endpoint => format!("close it: `{close}`"),
            },
        ),
    };
    Err(Problem::new(code::IO, format!("`{}` is not private to you", path.display()), hint).because(why))
}

fn open_folder(path: &Path) -> Result<Folder, Problem> {
    let folder = Folder::open_no_link(path).map_err(|error| failed("open the folder", path, &error))?;
    check_rights(path, folder.as_file(), Private::Folder)?;
    Ok(folder)
}

/// Reads a small private file of the folder; `None` if it is missing.
fn read_private(path: &Path, folder: &Folder, name: &str) -> Result<Option<String>, Problem> {
    let what = if name == TOKEN { Private::Token(path) } else { Private::Endpoint };
    let path = path.join(name);
    let file = match folder.base().open(Path::new(name), Open::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| failed("open", &path, &error))?,
    };
    let stat = stat_file(&file).map_err(|error| failed("look at", &path, &error))?;
    if stat.kind != FileKind::File {
        return Err(failed("read", &path, &io::Error::other("it is no ordinary file")));
    }
    check_rights(&path, &file, what)?;
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|error| failed("read", &path, &error))?;
    Ok(Some(text))
}

fn read_token(path: &Path, folder: &Folder) -> Result<Option<Token>, Problem> {
    let Some(text) = read_private(path, folder, TOKEN)? else { return Ok(None) };
    let token = text.strip_suffix('\n').and_then(Token::parse);
    token.map(Some).ok_or_else(|| {
        // A running companion demands the token that it read at its start, so only a signal to its process can end it.
        let running = read_private(path, folder, ENDPOINT).ok().flatten();
        let running = running.and_then(|text| serde_json::from_str::<EndpointFile>(&text).ok());
        let end = running.map_or_else(String::new, |EndpointFile { pid, .. }| {
            format!(
                "where a companion still runs (see `{}`) end it: `kill {pid}`; then ",
                process_command(pid)
            )
        });
        let path = path.join(TOKEN);
        let hint = format!(
            "{end}remove it, and the next start makes a new one: `rm {}`, then `minimodel companion start`",
            shell::word(&path)
        );
        Problem::new(code::INVALID, format!("`{}` holds no token", path.display()), hint)
            .because("a token is 64 lowercase hex digits and a line end")
    })
}

/// Begins a file of the folder, for this user alone.
fn private<'f>(folder: &'f Folder, name: &str, text: &str) -> io::Result<NewFile<'f>> {
    let mut new = NewFile::create_in(folder, Path::new(name), Privacy::Private)?;
    new.fill(text.as_bytes())?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_one_that_the_page_describes() {
        // Computed independently, with Python's `hmac` module, from the description in docs/api.md.
        let token = Token(std::array::from_fn(|at| at as u8));
        let (address, nonce) = ("[::1]:4000".parse().unwrap(), "ab".repeat(32));
        let expected = "b9deff12cc330d3c992b501f92436b2381fec5d24703d38c7899c031b86262b7";
        assert_eq!(token.proof(address, &nonce), expected);
        assert!(token.proves(address, &nonce, expected));
        for (address, nonce, proof) in [
            ("127.0.0.1:4000", nonce.as_str(), expected),
            ("[::1]:4001", &nonce, expected),
            ("[::1]:4000", "", expected),
            ("[::1]:4000", &nonce, &expected[..62]),
            ("[::1]:4000", &nonce, ""),
            ("[::1]:4000", &nonce, &expected.to_uppercase()),
        ] {
            assert!(!token.proves(address.parse().unwrap(), nonce, proof), "{address} {nonce} {proof}");
        }
    }

    #[test]
    fn only_the_very_token_is_the_token() {
        let token = Token([0xAB; 32]);
        assert!(token.is(&"ab".repeat(32)));
        for other in ["", "ab", &"AB".repeat(32), &"ab".repeat(33), &format!("{}ac", "ab".repeat(31))] {
            assert!(!token.is(other), "{other}");
        }
    }
}
