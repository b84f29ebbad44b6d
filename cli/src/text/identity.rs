//! The words of the errors of the identity.

use std::path::Path;

use minimodel::IdentityError;
use minimodel::private::Exposed;
use minimodel_swarm::os::close_command;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;

const WHAT: &str = "identity";

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Home(error) => error.into(),
            IdentityError::Open { path, source } => super::not_opened(WHAT, &path, &source),
            IdentityError::Read { path, source } => Self::reading(WHAT, &path, &source),
            IdentityError::Exposed { path, exposed } => {
                let word = escape::shell_word(path.as_os_str());
                let (hint, cause) = match exposed {
                    Exposed::Foreign { .. } => (
                        format!("see `ls -l {word}`; each user has an identity of their own"),
                        exposed.to_string(),
                    ),
                    Exposed::Mode(mode) => (
                        format!("if nobody has read it, close it: `{}`", close_command(&word, false)),
                        format!("its mode {mode:04o} lets others at the secret key"),
                    ),
                };
                unusable(&path, hint).because(cause)
            }
            IdentityError::Damaged { path, damage } => {
                let word = escape::shell_word(path.as_os_str());
                let hint = format!(
                    "restore it from a copy; if there is none, move it away (`mv {word} {word}.damaged`) and a new identity is \
                     made"
                );
                unusable(&path, hint).because(format!("it is damaged: {damage}"))
            }
            IdentityError::DanglingLink { path } => {
                let hint = format!("see where it leads: `ls -l {}`", escape::shell_word(path.as_os_str()));
                unusable(&path, hint).because("it is a link that leads nowhere, and is not filled through")
            }
            IdentityError::Exists { path } => {
                let shown = escape::path(&path);
                let word = escape::shell_word(path.as_os_str());
                Self::new(
                    Exit::Io,
                    format!("there is an identity already: `{shown}`"),
                    format!("keep it (`minimodel id show`), or move it away first: `mv {word} {word}.old`"),
                )
                .because("an identity is never replaced: offers, allow lists and signatures depend on it")
            }
            IdentityError::NoRandomness(error) => Self::unexpected(
                "cannot create an identity",
                &anyhow::anyhow!("the system gave no randomness: {error}"),
            ),
            IdentityError::CreateFolder { path, source } => Self::writing("data folder", &path, &source),
            IdentityError::Write { path, source } => Self::writing(WHAT, &path, &source),
        }
    }
}

fn unusable(path: &Path, hint: String) -> Failure {
    Failure::new(Exit::Io, format!("the identity `{}` cannot be used", escape::path(path)), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposed_identity_names_the_command_that_closes_it() {
        let (path, exposed) = ("/home/u/identity.key".into(), Exposed::Mode(0o640));
        let failure = Failure::from(IdentityError::Exposed { path, exposed });
        assert_eq!(failure.class, Exit::Io);
        assert!(failure.hint.contains("chmod 600 /home/u/identity.key"));
    }
}
