//! Finds the model that the user names: by a swarm id, a manifest file, or a name that the companion knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use minimodel_companion::Service;
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::{hex, parse_hex};

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::text;
use crate::{input, publisher, show};

/// Names of models, `model.id` and `model.version`, by swarm id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    known: BTreeMap<String, (String, String)>,
}

/// A model that the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// 64 lowercase hex digits.
    pub(crate) swarm_id: String,
    /// Lines to show of a model without a manifest; values are escaped.
    known_as: Vec<(String, String)>,
    /// The manifest, if the user named the model by one.
    manifest: Option<Manifest>,
}

impl Model {
    /// `sample-model 1`, escaped.
    pub(crate) fn name(&self) -> String {
        match &self.manifest {
            Some(manifest) => {
                format!("{} {}", escape::shown(manifest.model_id()), escape::shown(manifest.model_version()))
            }
            None => self.known_as.first().map(|(_, name)| name.clone()).unwrap_or_default(),
        }
    }

    /// Lines to show of the model; values are escaped.
    pub(crate) fn subject(&self, context: &Context) -> Vec<(String, String)> {
        match &self.manifest {
            Some(manifest) => {
                show::subject(manifest, publisher::verdict_with_warning(context, manifest).as_ref())
            }
            None => self.known_as.clone(),
        }
    }
}

impl Names {
    /// Names of the models in the library and in transfers. What cannot be read is left out, because names only help people.
    pub(crate) fn of(service: &dyn Service) -> Self {
        let mut names = Self::default();
        for transfer in service.status().into_iter().flat_map(|status| status.transfers) {
            names.add(transfer.swarm_id, transfer.model_id, transfer.model_version);
        }
        for entry in service.library().into_iter().flatten() {
            names.add(entry.swarm_id, entry.model_id, entry.model_version);
        }
        names
    }

    fn add(&mut self, swarm_id: String, model_id: String, version: String) {
        if !model_id.is_empty() {
            self.known.insert(swarm_id, (model_id, version));
        }
    }

    /// `sample-model 1`, escaped. `None`: the model is not known here.
    pub(crate) fn name(&self, swarm_id: &str) -> Option<String> {
        let (id, version) = self.known.get(swarm_id)?;
        Some(format!("{} {}", escape::shown(id), escape::shown(version)))
    }

    /// The swarm of `model-id` or `model-id@version`.
    fn find(&self, text: &str) -> Result<&str, Failure> {
        let (id, version) = text.split_once('@').map_or((text, None), |(id, version)| (id, Some(version)));
        let is_meant =
            |(known, its): &(String, String)| known == id && version.is_none_or(|version| version == its);
        let found: Vec<_> = self.known.iter().filter(|(_, name)| is_meant(name)).collect();
        let shown = escape::shown(text);
        match found.as_slice() {
            [(swarm_id, _)] => Ok(swarm_id),
            [] => {
                let hint = "name a swarm id, a manifest file (`./NAME`), or a model of the library or of a transfer: see \
                            `minimodel library list`, `minimodel status`";
                Err(Failure::new(Exit::NotFound, format!("no model `{shown}` is known here"), hint))
            }
            several => {
                let versions: BTreeSet<&str> =
                    several.iter().map(|(_, (_, version))| version.as_str()).collect();
                let is_told_by_version = versions.len() == several.len();
                let which = several.iter().map(|(swarm_id, (id, version))| {
                    if is_told_by_version { format!("{id}@{version}") } else { (*swarm_id).clone() }
                });
                let which = which.map(|name| escape::shown(&name).to_string()).collect::<Vec<_>>().join(", ");
                let hint = format!("say which: {which}");
                Err(Failure::new(Exit::Usage, format!("`{shown}` names {} models", several.len()), hint))
            }
        }
    }
}

/// Finds the model that `text` names.
pub(crate) fn resolve(text: &str, names: &Names) -> Result<Model, Failure> {
    let lower = text.to_ascii_lowercase();
    let is_swarm_id = parse_hex(&lower).is_some();
    if !is_swarm_id && (text.contains('/') || Path::new(text).exists()) {
        let manifest = input::manifest(Path::new(text))?;
        let swarm_id = hex(manifest.swarm_id());
        return Ok(Model { swarm_id, known_as: Vec::new(), manifest: Some(manifest) });
    }
    let swarm_id = if is_swarm_id { lower } else { names.find(text)?.to_owned() };
    let name = names.name(&swarm_id).unwrap_or_else(|| "a model not known here".to_owned());
    let known_as = vec![("model".to_owned(), name), ("swarm".to_owned(), swarm_id.clone())];
    Ok(Model { swarm_id, known_as, manifest: None })
}

/// Finds the transfer that `text` names: by its number, or by its model.
pub(crate) fn transfer(text: &str, service: &dyn Service) -> Result<(u64, Model), Failure> {
    let status = service.status().map_err(text::of_problem)?;
    let names = Names::of(service);
    let known: Vec<_> =
        status.transfers.iter().map(|transfer| (transfer.id, transfer.swarm_id.as_str())).collect();
    pick(text, &known, &names)
}

/// Finds a transfer in a list of numbers and swarm ids.
fn pick(text: &str, transfers: &[(u64, &str)], names: &Names) -> Result<(u64, Model), Failure> {
    let named: Option<u64> = text.parse().ok();
    let model = if named.is_some() { None } else { Some(resolve(text, names)?) };
    let is_meant = |(id, swarm_id): &&(u64, &str)| match &model {
        Some(model) => model.swarm_id == *swarm_id,
        None => named == Some(*id),
    };
    let found: Vec<_> = transfers.iter().filter(is_meant).collect();
    let shown = escape::shown(text);
    match found.as_slice() {
        [(id, swarm_id)] => Ok((*id, model.map_or_else(|| resolve(swarm_id, names), Ok)?)),
        [] => {
            let hint = "see the transfers: `minimodel status`";
            Err(Failure::new(Exit::NotFound, format!("there is no transfer `{shown}`"), hint))
        }
        several => {
            let numbers: Vec<String> = several.iter().map(|(id, _)| id.to_string()).collect();
            let hint = format!("say which by its number: {}", numbers.join(", "));
            Err(Failure::new(Exit::Usage, format!("{} transfers are of `{shown}`", several.len()), hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        for (swarm, id, version) in
            [("aa", "one", "1"), ("bb", "one", "2"), ("cc", "two", "1"), ("dd", "", "1")]
        {
            names.add(swarm.repeat(32), id.to_owned(), version.to_owned());
        }
        names
    }

    #[test]
    fn a_model_is_found_by_name_and_version_and_never_guessed() {
        let swarm = |text: &str| resolve(text, &names()).map(|model| model.swarm_id);
        assert_eq!(swarm("two").unwrap(), "cc".repeat(32));
        assert_eq!(swarm("one@2").unwrap(), "bb".repeat(32));
        assert_eq!(swarm(&"AB".repeat(32)).unwrap(), "ab".repeat(32));
        let several = swarm("one").unwrap_err();
        assert_eq!((several.class, several.hint.as_str()), (Exit::Usage, "say which: one@1, one@2"));
        for text in ["three", "one@3", "", "@1", "two@"] {
            assert_eq!(swarm(text).unwrap_err().class, Exit::NotFound, "{text}");
        }
        assert_eq!(swarm("./two").unwrap_err().class, Exit::NotFound, "a file");
        let mut names = names();
        names.add("ee".repeat(32), "two".to_owned(), "1".to_owned());
        let same = resolve("two@1", &names).unwrap_err();
        assert!(
            same.hint.contains(&"cc".repeat(32)) && same.hint.contains(&"ee".repeat(32)),
            "{}",
            same.hint
        );
    }
    #[test]
    fn transfer_is_found_by_number_or_model_and_never_guessed() {
        let (one, two) = ("aa".repeat(32), "cc".repeat(32));
        let transfers = [(1, one.as_str()), (2, two.as_str()), (3, two.as_str())];
        let found = |text: &str| pick(text, &transfers, &names()).map(|(id, model)| (id, model.swarm_id));
        assert_eq!(found("2").unwrap(), (2, two.clone()));
        assert_eq!(found("one@1").unwrap(), (1, one.clone()));
        assert_eq!(found(&one).unwrap(), (1, one.clone()));
        let several = found("two").unwrap_err();
        assert_eq!((several.class, several.hint.as_str()), (Exit::Usage, "say which by its number: 2, 3"));
        for text in ["4", "one@2", "three"] {
            assert_eq!(found(text).unwrap_err().class, Exit::NotFound, "{text}");
        }
    }
}
