//! Environment variables around a service: where managers look for definitions, and what the companion must be told.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::DefinitionError;

/// Variables that name the folders of this program; `MINIMODEL_HOME` wins over the others.
const OWN: [&str; 3] = ["MINIMODEL_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"];

/// The variables of this process that matter to a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// `HOME`, where absolute.
    home: Option<PathBuf>,
    /// `LOCALAPPDATA` of Windows, where absolute.
    local: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, where absolute.
    config: Option<PathBuf>,
    /// `USERDOMAIN` and `USERNAME` of Windows, as `DOMAIN\name`.
    account: Option<String>,
    /// Those of [`OWN`] that are set.
    own: Vec<(&'static str, OsString)>,
}

impl Variables {
    /// Takes what is needed; `variable` returns a variable that is set and not empty.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let name = variable("USERNAME").and_then(|name| name.into_string().ok());
        let domain = variable("USERDOMAIN").and_then(|domain| domain.into_string().ok());
        // A manager runs in a folder of its own, where a relative path leads elsewhere.
        let folder = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let own = OWN.iter().filter_map(|&name| Some((name, variable(name)?)));
        Self {
            home: folder("HOME"),
            local: folder("LOCALAPPDATA"),
            config: folder("XDG_CONFIG_HOME"),
            account: name.map(|name| domain.map_or(name.clone(), |domain| format!("{domain}\\{name}"))),
            own: own.collect(),
        }
    }

    /// The variables that a service must be given so that it uses the folders of this process.
    pub(crate) fn carried(&self) -> Vec<(&'static str, PathBuf)> {
        let has_whole = self.own.iter().any(|(name, _)| *name == "MINIMODEL_HOME");
        let carried = self.own.iter().filter(|(name, _)| !has_whole || *name == "MINIMODEL_HOME");
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let carried = carried.map(|(name, value)| (*name, Path::new(value)));
        // A relative XDG folder is ignored by this program, and so need not be carried.
        let carried = carried.filter(|(name, path)| *name == "MINIMODEL_HOME" || path.is_absolute());
        carried.map(|(name, path)| (name, absolute(path))).collect()
    }

    /// The account of a Windows session.
    pub(crate) fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The home folder.
    pub(super) fn home(&self) -> Result<&Path, DefinitionError> {
        self.home.as_deref().ok_or(DefinitionError::Folder { variable: "HOME" })
    }

    /// The folder of configuration files, as the XDG text defines it.
    pub(super) fn config(&self) -> Result<PathBuf, DefinitionError> {
        match &self.config {
            Some(config) => Ok(config.clone()),
            None => Ok(self.home()?.join(".config")),
        }
    }

    /// The folder of a Windows user for files of programs.
    pub(super) fn local(&self) -> Result<&Path, DefinitionError> {
        self.local.as_deref().ok_or(DefinitionError::Folder { variable: "LOCALAPPDATA" })
    }

    /// Those of a session with this home folder and nothing else.
    #[cfg(test)]
    pub(super) fn for_tests(home: &str) -> Self {
        Self { home: Some(home.into()), local: Some(home.into()), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &'static [(&'static str, &'static str)]) -> Variables {
        Variables::read(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn minimodel_home_is_carried_alone_and_absolute() {
        let both = of(&[("MINIMODEL_HOME", "/m"), ("XDG_DATA_HOME", "/d")]);
        assert_eq!(both.carried(), [("MINIMODEL_HOME", PathBuf::from("/m"))]);
        let relative = of(&[("MINIMODEL_HOME", "m")]).carried();
        assert!(relative[0].1.is_absolute() && relative[0].1.ends_with("m"), "{relative:?}");
    }

    #[test]
    fn xdg_folders_are_carried_where_they_count() {
        let set = of(&[("XDG_DATA_HOME", "/d"), ("XDG_STATE_HOME", "relative"), ("HOME", "/h")]);
        assert_eq!(set.carried(), [("XDG_DATA_HOME", PathBuf::from("/d"))]);
        assert_eq!(set.config().unwrap(), Path::new("/h/.config"));
    }

    #[test]
    fn definitions_go_into_no_relative_folder() {
        let error = of(&[("HOME", "h"), ("XDG_CONFIG_HOME", "c")]).config().unwrap_err();
        assert_eq!(error, DefinitionError::Folder { variable: "HOME" });
        assert!(of(&[("LOCALAPPDATA", "l")]).local().is_err());
    }

    #[test]
    fn a_windows_account_has_its_domain_where_one_is_set() {
        let account = |set| of(set).account().map(str::to_owned);
        assert_eq!(account(&[("USERNAME", "ann"), ("USERDOMAIN", "DESK")]).unwrap(), "DESK\\ann");
        assert_eq!(account(&[("USERNAME", "ann")]).unwrap(), "ann");
        assert_eq!(account(&[("USERDOMAIN", "DESK")]), None);
    }
}
