//! Problems of the folders, files and records that the crate `minimodel` keeps: what its errors mean for the user.

use minimodel::private::{Exposed, ExposedFolder};

use super::{Problem, code};
use crate::shell;

impl From<ExposedFolder> for Problem {
    fn from(ExposedFolder { path, exposed }: ExposedFolder) -> Self {
        let (shown, word) = (path.display(), shell::word(&path));
        let hint = match exposed {
            Exposed::Foreign { user, .. } => format!(
                "each user has folders of their own: `export MINIMODEL_HOME=/path/to/folder`; if this one should be yours, \
                 `chown -R {user} {word}`"
            ),
            Exposed::Mode(_) => {
                format!("see what is in it (`ls -la {word}`), then take the right away: `chmod go-w {word}`")
            }
        };
        let error = format!("the folder `{shown}` is not yours alone to write to, and is not used");
        Self::new(code::IO, error, hint).because(exposed)
    }
}
